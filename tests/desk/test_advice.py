"""What pages say to do next: nothing that takes a terminal, where a page does the same."""

from __future__ import annotations

import re
from collections.abc import Mapping

from engine.desk.advice import ON_PAGES, advice
from engine.error_codes import CODES
from engine.errors import Refused, SplittallyError
from tests.desk.conftest import Browser, visible

NOT_ON_PAGES = {  # of drivers, root keys, publishing, quality cards, and of commands that wait or choose by themselves
    "POLICY_DESK_TOKEN",
    "POLICY_APPLICATION_UNPROVEN",
    "POLICY_CERTIFICATE_REQUEST",
    "POLICY_NOT_CONFIRMED",
    "POLICY_CARD_NONE",
    "POLICY_CARD_ONCE",
    "SQL_CARD_COLUMN",
    "NODE_SNAPSHOT_WAITS",
    "ROUND_KEYS_CHOSEN",
}
COMMAND = re.compile(r"`splittally|`--|--[a-z]")


def test_every_hint_that_names_a_command_has_words_of_its_own_for_pages() -> None:
    named = {code for code, row in CODES.items() if COMMAND.search(row.hint) and not code.startswith(("FILE_", "BUG_"))}
    assert named == set(ON_PAGES) | NOT_ON_PAGES
    assert not [hint for hint in ON_PAGES.values() if COMMAND.search(hint)]


def test_others_are_shown_as_they_are() -> None:
    error: SplittallyError = Refused("SQL_ROWS")
    assert advice(error) == error.hint


def test_a_page_shows_them(desks: Mapping[str, Browser]) -> None:
    page = visible(desks["analyst"].get(f"/requests/{'0' * 64}").text)
    assert ON_PAGES["POLICY_REQUEST_UNKNOWN"] in page
    assert "splittally requests" not in page
