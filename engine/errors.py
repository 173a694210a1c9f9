"""Every error of Splittally, as one tree with stable codes.

    SplittallyError
    |-- BadFile      FILE_                              exit 2   a file or option needs mending
    |-- Refused      SQL_ POLICY_ BUDGET_ APPROVAL_     exit 3   the answer is no; the hint says what would work
    |   `-- Waiting  APPROVAL_WAITING                   exit 4   somebody still has to decide
    |-- Unavailable  ROUND_ NODE_                       exit 5   a machine or a round failed; try again
    `-- Bug          BUG_                               exit 1   our mistake

An error has a code, a public sentence and a hint from the table below, filled with *public* facts only
(names of columns, files, members; never a value, a count or a library's message that could come from data).
What may help the operator of the machine goes into ``internal``, which never leaves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from engine.error_codes import CODES


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a text: line and column, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class SplittallyError(Exception):
    """The root. ``code`` must stand in the table and belong to the class that is raised."""

    prefixes: ClassVar[tuple[str, ...]] = ()
    exit_status: ClassVar[int] = 1

    def __init__(self, code: str, /, *, at: Position | None = None, internal: str = "", **facts: str) -> None:
        if not code.startswith(self.prefixes):
            raise ValueError(f"{code} cannot be raised as {type(self).__name__}")
        row = CODES[code]
        self.code = code
        self.at = at
        self.internal = internal
        self.facts: Mapping[str, str] = facts
        self.message = row.sentence.format_map(_Facts(facts))
        self.hint = row.hint.format_map(_Facts(facts))
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f" ({self.at})" if self.at else ""
        return f"{self.code}{where}: {self.message} {self.hint}".rstrip()


class BadFile(SplittallyError):
    prefixes = ("FILE_",)
    exit_status = 2


class Refused(SplittallyError):
    prefixes: ClassVar[tuple[str, ...]] = ("SQL_", "POLICY_", "BUDGET_", "APPROVAL_")
    exit_status = 3


class Waiting(Refused):
    prefixes = ("APPROVAL_WAITING",)
    exit_status = 4


class Unavailable(SplittallyError):
    prefixes = ("ROUND_", "NODE_")
    exit_status = 5


class Bug(SplittallyError):
    prefixes = ("BUG_",)
    exit_status = 1


def error_for(code: str, **facts: str) -> SplittallyError:
    """The error a code received from another machine stands for; an unknown code is BUG_UNKNOWN_CODE."""
    if code not in CODES:
        return Bug("BUG_UNKNOWN_CODE")
    kinds: tuple[type[SplittallyError], ...] = (Waiting, BadFile, Refused, Unavailable)
    return next((kind for kind in kinds if code.startswith(kind.prefixes)), Bug)(code, at=None, **facts)


def require(holds: bool, code: str, **facts: str) -> None:
    """Raises the error that ``code`` stands for unless the check holds."""
    if not holds:
        raise error_for(code, **facts)


class _Facts(dict[str, str]):
    """A fact nobody gave reads as '…' (errors cross the wire as bare codes)."""

    def __missing__(self, key: str) -> str:
        return "…"
