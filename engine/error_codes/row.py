"""One row of the tables: the sentence and the hint of a code."""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    """What is wrong, and what to do next; public facts are filled in where braces stand."""

    sentence: str
    hint: str
