"""A place in the catalogue file: a YAML node with the key that leads to it and its position.

Values are taken from the text of a scalar, never from YAML's guess at its type: ``NO`` in a list of texts is the
text NO, ``010`` is ten, ``10_000`` is ten thousand. Anchors, aliases and repeated keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from fractions import Fraction

import yaml

from engine.errors import BadFile, Position

_INTEGER = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_DECIMAL = re.compile(r"[-+]?[0-9]+(_[0-9]+)*(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
_MEMBER = re.compile(r"[a-z][a-z0-9-]{0,62}")
LARGEST = 2**53


def is_name(text: str) -> bool:
    """Whether SQL can hold the name: letters, digits and underscores, a letter first, at most 63."""
    return _NAME.fullmatch(text) is not None


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "an alias; write the value out", mark)
        return super().compose_node(parent, index)


def read_yaml(text: str, file: str) -> Entry:
    """The root of a YAML text; raises BadFile FILE_CATALOGUE_UNREADABLE with the place."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(mark.line + 1, mark.column + 1) if mark else None
        raise BadFile("FILE_CATALOGUE_UNREADABLE", at=at, file=file, problem=error.problem or "not YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadFile("FILE_CATALOGUE_UNREADABLE", file=file, problem="not YAML", internal=repr(error)) from None
    if root is None:
        raise BadFile("FILE_CATALOGUE_UNREADABLE", file=file, problem="the file is empty")
    return Entry(file, "", root)


@dataclass(frozen=True, slots=True)
class Entry:
    file: str
    key: str  # dotted path from the root, empty for the root
    node: yaml.Node

    @property
    def at(self) -> Position:
        return Position(self.node.start_mark.line + 1, self.node.start_mark.column + 1)

    def wrong(self, problem: str, instead: str) -> BadFile:
        return BadFile(
            "FILE_CATALOGUE_WRONG_VALUE",
            at=self.at,
            file=self.file,
            key=self.key or "the file",
            problem=problem,
            instead=instead,
        )

    def child(self, name: str, node: yaml.Node) -> Entry:
        return Entry(self.file, f"{self.key}.{name}" if self.key else name, node)

    def pairs(self, instead: str) -> tuple[tuple[str, Entry], ...]:
        """The entries of a mapping in file order, each key once."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong("is not a mapping", instead)
        found: dict[str, Entry] = {}
        for key, value in self.node.value:
            here = Entry(self.file, self.key, key)
            name = here.text("a name before the colon")
            if name in found:
                raise BadFile("FILE_CATALOGUE_REPEATED_KEY", at=here.at, file=self.file, key=found[name].key)
            found[name] = self.child(name, value)
        return tuple(found.items())

    def fields(self, allowed: Collection[str], required: Collection[str], instead: str) -> dict[str, Entry]:
        """The entries of a mapping that may hold ``allowed`` keys only and has to hold the ``required`` ones."""
        found: dict[str, Entry] = {}
        for name, entry in self.pairs(instead):
            if name not in allowed:
                near = get_close_matches(name.lower(), sorted(allowed), n=1)
                meant = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(allowed))}."
                raise BadFile("FILE_CATALOGUE_UNKNOWN_KEY", at=entry.at, file=self.file, key=entry.key, meant=meant)
            found[name] = entry
        for name in required:
            if name not in found:
                raise self.missing(name)
        return found

    def missing(self, name: str, instead: str = "") -> BadFile:
        return BadFile(
            "FILE_CATALOGUE_MISSING_KEY",
            at=self.at,
            file=self.file,
            where=self.key or "the file",
            key=name,
            instead=instead or _EXAMPLES.get(name, f"Write `{name}: ...`."),
        )

    def items(self, instead: str) -> tuple[Entry, ...]:
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong("is not a list", instead)
        return tuple(self.child(str(i + 1), n) for i, n in enumerate(self.node.value))

    def text(self, instead: str) -> str:
        if not isinstance(self.node, yaml.ScalarNode):
            raise self.wrong("is not a single value", f"Write {instead}.")
        value = str(self.node.value)
        if self.node.style is None and self.node.tag == "tag:yaml.org,2002:null":
            raise self.wrong("is empty", f"Write {instead}.")
        if any(ord(c) < 32 for c in value):
            raise self.wrong("holds a control character", f"Write {instead}.")
        return value

    def name(self, instead: str) -> str:
        """A name that SQL can hold: letters, digits and underscores."""
        return self._matching(_NAME, instead, "letters, digits and underscores, a letter first")

    def member(self, instead: str) -> str:
        """A name of a node or federation: lower-case letters, digits and hyphens."""
        return self._matching(_MEMBER, instead, "lower-case letters, digits and hyphens, a letter first")

    def _matching(self, pattern: re.Pattern[str], instead: str, rule: str) -> str:
        value = self.text(instead)
        if not pattern.fullmatch(value):
            raise self.wrong(f"`{value[:40]}` is not a name", f"Use {rule} (at most 63).")
        return value

    def one_of(self, choices: Collection[str]) -> str:
        listed = ", ".join(choices)
        value = self.text(f"one of {listed}")
        if value not in choices:
            near = get_close_matches(value.lower(), list(choices), n=1)
            meant = f"Did you mean `{near[0]}`? " if near else ""
            raise self.wrong(f"`{value[:40]}` is not known", f"{meant}Write one of {listed}.")
        return value

    def boolean(self) -> bool:
        return self.one_of(("true", "false")) == "true"

    def integer(self, lowest: int, instead: str) -> int:
        value = self.text(instead)
        if not _INTEGER.fullmatch(value):
            raise self.wrong(f"`{value[:40]}` is not a whole number", f"Write {instead}.")
        number = int(value)
        if number < lowest or abs(number) > LARGEST:
            raise self.wrong(f"{value[:40]} is out of range", f"Write {instead}, from {lowest} to 2^53.")
        return number

    def number(self, instead: str) -> Fraction:
        value = self.text(instead)
        if not _DECIMAL.fullmatch(value):
            raise self.wrong(f"`{value[:40]}` is not a number", f"Write {instead}.")
        number = Fraction(value.replace("_", ""))
        if abs(number) > LARGEST or number.denominator > LARGEST:
            raise self.wrong(f"{value[:40]} is out of range", "Use numbers of at most 15 digits.")
        return number

    def date(self, instead: str) -> date:
        value = self.text(instead)
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise self.wrong(f"`{value[:40]}` is not a date", f"Write {instead}.") from None


_EXAMPLES = {
    "federation": "Begin the file with `federation: NAME`.",
    "datasets": "Write `datasets:` and below it one entry a dataset.",
    "hosts": "Write `hosts: [NODE, ...]`: the nodes that hold a share of the rows.",
    "person": "Write `person: COLUMN`: the column that identifies a person.",
    "rows_per_person": "Write `rows_per_person: 1` if a person has one row at most, else the most rows that may count.",
    "columns": "Write `columns:` and below it one entry a column.",
    "type": "Write `{type: integer}`, boolean, decimal, date or text.",
    "column": "Write `column: NAME`: the column that identifies a person.",
    "persons": "Write `persons: 10_000_000`: the most persons one host may hold.",
}
