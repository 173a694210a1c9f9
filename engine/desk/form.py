"""A form as a browser sends it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

MOST_FIELDS = 200
_FIELD = re.compile(rb'Content-Disposition: form-data; name="([A-Za-z0-9_-]{1,40})"(?:; filename="([^"\r\n]*)")?', re.I)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent, or of the address; each may stand there several times. ``files``: the bytes
    of each file that came with it; their names are the sender's and are not kept."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def parse(cls, encoded: str) -> Form:
        """Of application/x-www-form-urlencoded text; ValueError for what is none, or too much."""
        found: dict[str, tuple[str, ...]] = {}
        for name, value in parse_qsl(encoded, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"):
            found[name] = (*found.get(name, ()), value)
        return cls(found)

    @classmethod
    def parse_parts(cls, body: bytes, boundary: str) -> Form:
        """Of multipart/form-data as browsers send it; ValueError for anything else, or too much."""
        mark = b"\r\n--" + boundary.encode("ascii")
        before, *parts = (b"\r\n" + body).split(mark)
        if not boundary or before or len(parts) < 2 or len(parts) > MOST_FIELDS or parts[-1] not in (b"--", b"--\r\n"):
            raise ValueError("no parts")
        fields: dict[str, tuple[str, ...]] = {}
        files: dict[str, bytes] = {}
        for part in parts[:-1]:
            head, blank, content = part.partition(b"\r\n\r\n")
            found = _FIELD.match(head.removeprefix(b"\r\n"))
            if not blank or found is None:
                raise ValueError("no field")
            name = found[1].decode("ascii")
            if found[2] is None:
                fields[name] = (*fields.get(name, ()), content.decode("utf-8"))
            else:
                files[name] = content
        return cls(fields, files)

    def one(self, name: str, default: str = "") -> str:
        """The first value of a field, with line ends as \\n and no blanks around it."""
        return self.fields.get(name, (default,))[0].replace("\r\n", "\n").strip()

    def every(self, name: str) -> tuple[str, ...]:
        return self.fields.get(name, ())

    def __contains__(self, name: str) -> bool:
        return name in self.fields
