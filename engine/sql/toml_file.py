"""A TOML file that a department wrote, whose errors name the key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.errors import BadFile
from engine.sql.refusals import meant


class TomlFile:
    """Read as a whole; each part is checked where it is used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, code: str, key: str, problem: str) -> BadFile:
        return BadFile(code, file=self.path.name, key=key, problem=problem)

    def read(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.path.read_bytes().decode("utf-8"))
        except OSError:
            raise BadFile("FILE_MISSING", path=str(self.path)) from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise BadFile("FILE_NODE_TOML_UNREADABLE", file=self.path.name, problem=str(error)) from None

    def table(self, value: Any, key: str, allowed: tuple[str, ...]) -> Mapping[str, Any]:
        """A table that holds ``allowed`` keys only."""
        if not isinstance(value, dict):
            raise self.error("FILE_NODE_TOML_VALUE", key or "the file", "a table is expected")
        for name in value:
            if name not in allowed:
                raise self.error("FILE_NODE_TOML_UNKNOWN_KEY", f"{key}.{name}" if key else name, meant(name, allowed))
        return value

    def text(self, table: Mapping[str, Any], key: str, name: str) -> str:
        full = f"{key}.{name}" if key else name
        if name not in table:
            raise self.error("FILE_NODE_TOML_MISSING", full, "it is needed")
        if not isinstance(table[name], str) or not table[name] or "\0" in table[name]:
            raise self.error("FILE_NODE_TOML_VALUE", full, "a text in quotes is expected")
        return str(table[name])

    def number(self, table: Mapping[str, Any], key: str, name: str, least: int, most: int, default: int) -> int:
        found = table.get(name, default)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise self.error("FILE_NODE_TOML_VALUE", f"{key}.{name}", f"write a number from {least} to {most}")
        return found
