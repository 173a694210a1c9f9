"""A form as a browser sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

MOST_FIELDS = 200


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent, or of the address; each may stand there several times."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, encoded: str) -> Form:
        """Of application/x-www-form-urlencoded text; ValueError for what is none, or too much."""
        found: dict[str, tuple[str, ...]] = {}
        for name, value in parse_qsl(encoded, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"):
            found[name] = (*found.get(name, ()), value)
        return cls(found)

    def one(self, name: str, default: str = "") -> str:
        """The first value of a field, with line ends as \\n and no blanks around it."""
        return self.fields.get(name, (default,))[0].replace("\r\n", "\n").strip()

    def every(self, name: str) -> tuple[str, ...]:
        return self.fields.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self.fields
