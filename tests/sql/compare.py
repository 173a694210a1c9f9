"""Answers beside what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.sql.finish import Answer


class Difference(AssertionError):
    """The answer is another one."""


def _sorted(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(rows, key=lambda row: [(v is None, str(type(v)) * isinstance(v, str), str(v)) for v in row])


def _equal(ours: Any, theirs: Any, tolerance: float) -> bool:
    """Numbers within ``tolerance`` plus rounding; a sum over no row, NULL in SQL, is 0 or NULL here."""
    if theirs is None or ours is None:
        return ours == theirs or (theirs is None and ours == 0)
    if isinstance(theirs, bool | str) or isinstance(ours, str):
        return bool(ours == theirs)
    if isinstance(ours, int | float):
        return abs(float(ours) - float(theirs)) <= tolerance + 1e-9 * max(1.0, abs(float(theirs)))
    return str(ours) == str(theirs)[: len(str(ours))]


def _same(ours: tuple[Any, ...], theirs: tuple[Any, ...], tolerance: float) -> bool:
    return len(ours) == len(theirs) and all(_equal(a, b, tolerance) for a, b in zip(ours, theirs, strict=True))


def _empty(row: tuple[Any, ...], answer: Answer) -> bool:
    """Whether every noisy column of a row shows that nobody is in the group."""
    return all(
        not v
        for v, name in zip(row, answer.columns, strict=True)
        if isinstance(v, int | float) and _noisy(name, answer)
    )


def _noisy(name: str, answer: Answer) -> bool:
    return any(name in interval for interval in answer.intervals)


def check_oracle(
    answer: Answer, rows: list[tuple[Any, ...]], *, ordered: bool, completed: bool, tolerance: float
) -> None:
    """The same rows, in order where the statement orders them."""
    ours = list(answer.rows)
    if completed:
        ours = [row for row in ours if not _empty(row, answer) or any(_same(row, r, tolerance) for r in rows)]
    left = list(rows)
    for position, row in enumerate(ours):
        match = next((i for i, r in enumerate(left) if _same(row, r, tolerance)), None)
        if match is None or (ordered and match != 0):
            raise Difference(f"row {position + 1} is not the oracle's: {row}\n{_shown(answer.rows, rows)}")
        left.pop(match)
    if left:
        raise Difference(f"rows are missing\n{_shown(answer.rows, rows)}")


def check_listed(answer: Answer, expected: Sequence[tuple[str, ...]], *, ordered: bool) -> None:
    """The rows as written: NULL, true, numbers within rounding, dates as ISO text."""
    ours = [tuple(map(_text, row)) for row in answer.rows]
    theirs = [tuple(map(_text, (_number(cell) for cell in row))) for row in expected]
    if (ours if ordered else sorted(ours)) != (theirs if ordered else sorted(theirs)):
        raise Difference(_shown(ours, theirs))


def _number(cell: str) -> object:
    try:
        return float(cell)
    except ValueError:
        return cell


def _text(value: object) -> str:
    if value is None or value == "NULL":
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{float(value):.6g}".replace("-0", "0") if abs(value) < 1e-9 else f"{float(value):.9g}"
    return str(value)


def _shown(ours: Sequence[object], theirs: Sequence[object]) -> str:
    return "\n".join(["ours:", *(f"  {row}" for row in ours), "expected:", *(f"  {row}" for row in theirs)])
