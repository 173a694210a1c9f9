"""Types of values, and typed constants.

Claim: a literal's value has exactly the Python type of its type, or is None, the NULL of that type.
Because: it is checked when a literal is made, wherever it comes from.
Checked by: tests/trusted/test_wire.py::test_a_literal_of_another_type_is_refused
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date
from fractions import Fraction


class Type(enum.Enum):
    BOOLEAN = 1
    INTEGER = 2
    DECIMAL = 3
    DATE = 4
    TEXT = 5


VALUE_TYPES = {Type.BOOLEAN: bool, Type.INTEGER: int, Type.DECIMAL: Fraction, Type.DATE: date, Type.TEXT: str}
LiteralValue = bool | int | Fraction | date | str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A typed constant; ``value`` None is the NULL of that type."""

    type: Type
    value: LiteralValue

    def __post_init__(self) -> None:
        if self.value is not None and type(self.value) is not VALUE_TYPES[self.type]:
            raise ValueError(f"a {self.type.name} literal holds a {type(self.value).__name__}")
