"""The rules people write in YAML: what the next manifest changes. A key left out stays as it is in the manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.catalogue.entry import Entry, read_yaml
from engine.catalogue.written import NUMBER as NUMBER
from engine.catalogue.written import Field, Kind, group, one_of, read, several, whole, words
from engine.catalogue.written import day as day_kind
from engine.errors import BadFile
from engine.trusted.epsilon import allowance
from engine.trusted.records import AccountCap, AccountScope, FederationManifest, Loss, Rules

DAY_MS = 86_400_000
DAY_SECONDS = 86_400
ACCOUNTS = {scope.name.lower().removesuffix("_account"): scope for scope in AccountScope}
EXAMPLE_LOSS = "{epsilon: 8, delta: 1e-6}"


def _above_zero(entry: Entry, below: int | None = None) -> Fraction:
    value = entry.number("a number such as 1e-6" if below else "a number above 0")
    if value <= 0 and below is None:
        raise entry.wrong("is not above 0", "Write a number above 0.")
    if below is not None and not 0 < value < below:
        raise entry.wrong("is not between 0 and 1", "Write a number such as 1e-6.")
    return value


EPSILON = Kind(_above_zero, {"type": ["number", "string"], "exclusiveMinimum": 0, "pattern": NUMBER})
DELTA = Kind(
    lambda entry: _above_zero(entry, 1),
    {"type": ["number", "string"], "exclusiveMinimum": 0, "exclusiveMaximum": 1, "pattern": NUMBER},
)
LOSS_FIELDS = (
    Field("epsilon", EPSILON, "Privacy loss as an epsilon.", "8"),
    Field("delta", DELTA, "The delta it holds beside.", "1e-6"),
)
LOSS = group(LOSS_FIELDS, f"Write `{EXAMPLE_LOSS}`.")
CAP_FIELDS = (
    Field(
        "account", one_of(tuple(ACCOUNTS)), "Which accounts: share is one analyst's part of a dataset.", "identifier"
    ),
    Field(
        "name",
        words("the name of an identifier, dataset, analyst or agreement"),
        "Whose account; for a share, the dataset. Left out: each account of that kind has this cap.",
        "nino",
        False,
    ),
    Field("period_days", whole(1, "a number of days"), "Length of a period in days.", "365", False),
    Field("period", LOSS, "Most loss in one period, at each node.", EXAMPLE_LOSS, False),
    Field("lifetime", LOSS, "Most loss for ever, at each node.", "{epsilon: 20, delta: 1e-6}"),
)


def _cap(entry: Entry, given: dict[str, Any]) -> AccountCap:
    if ("period" in given) is not ("period_days" in given):
        raise entry.wrong("has one of `period` and `period_days` without the other", "Write both, or neither.")
    period = _allowed(given["period"]) if "period" in given else None
    scope, days = ACCOUNTS[given["account"]], given.get("period_days", 0)
    return AccountCap(scope, given.get("name", ""), days, period, _allowed(given["lifetime"]))


def _allowed(loss: dict[str, Fraction]) -> Loss:
    return allowance(loss["epsilon"], loss["delta"])


CAP_EXAMPLE = """
  - account: identifier
    name: nino
    period_days: 365
    period: {epsilon: 8, delta: 1e-6}
    lifetime: {epsilon: 20, delta: 1e-6}
  - account: share
    period_days: 30
    period: {epsilon: 2, delta: 1e-6}
    lifetime: {epsilon: 20, delta: 1e-6}"""
FIELDS = (
    Field(
        "n_min", whole(0, "a number of nodes"), "Least survivors a round accepts; 0: all hosts of the plan.", "0", False
    ),
    Field("f", whole(0, "a number of nodes"), "Nodes assumed corrupt: noise is sized for n_min - f.", "0", False),
    Field("committee", whole(3, "a number of members"), "Members of a committee, the analyst among them.", "3", False),
    Field("max_keys", whole(1, "a number"), "Most values of an integer or date key.", "10_000", False),
    Field("max_cells", whole(1, "a number"), "Most cells of one statement.", "1_000_000", False),
    Field(
        "until",
        day_kind("a date such as 2027-01-01"),
        "The manifest is out of date from this day on.",
        "2027-01-01",
        False,
    ),
    Field("grace_days", whole(0, "a number of days"), "Days it still serves after that.", "7", False),
    Field(
        "caps",
        several(group(CAP_FIELDS, "Write the cap's fields.", _cap), "Write one cap an item, `- account: ...`."),
        "All caps, at each node: those of the manifest before are replaced.",
        CAP_EXAMPLE,
        False,
    ),
)


@dataclass(frozen=True, slots=True)
class Amendment:
    rules: Rules
    until_ms: int
    grace_seconds: int


def load_amendment(path: Path, manifest: FederationManifest) -> Amendment:
    """What the file changes in the manifest's rules. Raises BadFile FILE_MISSING or FILE_RULES with the place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadFile("FILE_MISSING", path=str(path)) from None
    return parse_amendment(text, path.name, manifest)


def parse_amendment(text: str, file: str, manifest: FederationManifest) -> Amendment:
    """What YAML changes in the manifest's rules. Raises BadFile FILE_RULES with the place."""
    try:
        root = read_yaml(text, file)
        given = read(root, FIELDS, "Write one `key: value` a line.")
        if not given:
            raise root.wrong("changes nothing", "Write the rules that change.")
    except BadFile as error:
        problem = error.message.replace("The catalogue", "The file").replace("in a catalogue", "in rules")
        raise BadFile("FILE_RULES", at=error.at, problem=problem, instead=error.hint) from None
    own = {key: value for key, value in given.items() if key not in ("until", "grace_days")}
    until = midnight_ms(given["until"]) if "until" in given else manifest.until_ms
    grace = given["grace_days"] * DAY_SECONDS if "grace_days" in given else manifest.grace_seconds
    return Amendment(replace(manifest.rules, **own), until, grace)


def midnight_ms(day: date) -> int:
    """The beginning of a day, UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
