"""What a question is asked with, as connections and drivers set it: each option a name and a text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from engine.client.terms import MOST_PURPOSE
from engine.errors import Refused

MOST_WAIT = 3_600
_AMOUNT = re.compile(r"[0-9]{1,9}((\.[0-9]{1,18})?(e-?[0-9]{1,2})?|/[1-9][0-9]{0,17})", re.IGNORECASE)
_COUNT = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Options:
    """``epsilon``, ``delta``, ``agreement``, ``purpose``, ``n_min``, ``valid_days``: as ``Session.query`` has them.

    ``intervals``: beside each column with noise, two more with the ends of its 95 % interval. ``wait``: seconds before
    a request that waits for people is told of as waiting.
    """

    epsilon: Fraction = Fraction(1)
    delta: Fraction = Fraction(1, 10**9)
    agreement: str | None = None
    purpose: str = ""
    n_min: int | None = None
    valid_days: int = 7
    intervals: bool = False
    wait: float = 5.0

    def changed(self, name: str, text: str) -> Options:
        """With another value of one option; Refused SQL_OPTION for a name or value that is none."""
        read = _READ.get(name)
        if read is None or len(text) > MOST_PURPOSE:
            raise Refused("SQL_OPTION", name=_shown(name), names=", ".join(OPTIONS))
        changes: dict[str, Any] = {name: read(name, text)}
        return replace(self, **changes)

    @property
    def texts(self) -> Mapping[str, str]:
        """Each option as it would be set."""
        return {
            "epsilon": _plain(self.epsilon),
            "delta": _plain(self.delta),
            "agreement": self.agreement or "",
            "purpose": self.purpose,
            "n_min": "" if self.n_min is None else str(self.n_min),
            "valid_days": str(self.valid_days),
            "intervals": "columns" if self.intervals else "none",
            "wait": f"{self.wait:g}",
        }


def text_of(value: object) -> str:
    """A value as the text of an option: none is empty, and intervals are columns or none."""
    if isinstance(value, bool):
        return "columns" if value else "none"
    return "" if value is None else str(value)


def _shown(name: str) -> str:
    return "".join(c if c.isprintable() else "…" for c in name[:40])


def _plain(amount: Fraction) -> str:
    return f"{float(amount):.12g}"


def _wrong(name: str) -> Refused:
    return Refused("SQL_OPTION", name=name, names=", ".join(OPTIONS))


def _amount(name: str, text: str) -> Fraction:
    if _AMOUNT.fullmatch(text) is None:
        raise _wrong(name)
    return Fraction(text)


def _count(name: str, text: str) -> int | None:
    if text and _COUNT.fullmatch(text) is None:
        raise _wrong(name)
    return int(text) if text else None


def _days(name: str, text: str) -> int:
    found = _count(name, text)
    if found is None:
        raise _wrong(name)
    return found


def _intervals(name: str, text: str) -> bool:
    if text not in ("none", "columns"):
        raise _wrong(name)
    return text == "columns"


def _wait(name: str, text: str) -> float:
    seconds = _amount(name, text)
    if seconds > MOST_WAIT:
        raise _wrong(name)
    return float(seconds)


_READ: Mapping[str, Callable[[str, str], object]] = {
    "epsilon": _amount,
    "delta": _amount,
    "agreement": lambda _, text: text or None,
    "purpose": lambda _, text: text,
    "n_min": _count,
    "valid_days": _days,
    "intervals": _intervals,
    "wait": _wait,
}
OPTIONS = tuple(_READ)
