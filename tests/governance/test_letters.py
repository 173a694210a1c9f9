"""Somebody else's words hide nothing and act upon nothing, wherever people see them."""

from __future__ import annotations

import pytest

from engine.governance.letters import plain
from engine.governance.register.html import text


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("Prif Weinidog Cymru, Ynys Môn: 3 % ≈ ⅓", "Prif Weinidog Cymru, Ynys Môn: 3 % ≈ ⅓"),
        ("two\tparts\r\nof a line", "two parts  of a line"),
        ("a\u00a0b\u2003c", "a b c"),
        ("red\x1b[31m", "red\\u001b[31m"),
        ("\u202egnp", "\\u202egnp"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("A\ufe0f and A\U000e0100", "A\\ufe0f and A\\U000e0100"),
        ("cafe\u0301", "cafe\\u0301"),
        ("\u3164\u2800\ufffc", "\\u3164\\u2800\\ufffc"),
        ("", ""),
    ],
)
def test_what_does_not_show_by_itself_is_a_number(words: str, shown: str) -> None:
    assert plain(words) == shown


def test_a_page_keeps_line_ends() -> None:
    assert text("a <b>\nb\ufe0f") == "a &lt;b&gt;\nb\\ufe0f"
