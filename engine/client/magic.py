"""``%%splittally`` for IPython and Jupyter: a cell of SQL, an answer with intervals.

    %load_ext engine.client.magic
    %splittally ~/.splittally/analyst agreement=statistics

    %%splittally epsilon=0.5 into=answer
    SELECT region, COUNT(*) AS n FROM people GROUP BY region

The line connects to a home and sets options, for this notebook or, above a cell, for that cell alone. ``into=NAME``
keeps the answer in a variable. ``explain``, ``forecast`` or ``rehearse`` above a cell do that in place of asking; they
are free. Refusals are shown as a line, without a traceback.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.client.asking import Free, Question, read
from engine.client.options import OPTIONS, Options
from engine.client.progress import on_screen
from engine.client.session import Session, connect
from engine.client.shown import Grid, table_grid
from engine.errors import Refused, SplittallyError
from engine.governance.letters import plain

FREE = ("explain", "forecast", "rehearse")
INTO = "into"
HOME = "~/.splittally/analyst"


def load_ipython_extension(shell: Any) -> None:
    """Called by ``%load_ext``."""
    shell.register_magic_function(Magic(shell).run, "line_cell", "splittally")


@dataclass
class Listing:
    """Rows without noise: a table of ``fed``, as ``table`` (Arrow) and to be looked at."""

    table: Any

    def grid(self) -> Grid:
        rows = list(zip(*(column.to_pylist() for column in self.table.columns), strict=True))
        return table_grid(self.table.column_names, rows)

    def __repr__(self) -> str:
        return self.grid().as_text()

    def _repr_html_(self) -> str:
        return self.grid().as_html()


@dataclass(frozen=True)
class Words:
    """A text to be read as it is."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Line:
    """What stands beside the magic's name."""

    homes: tuple[str, ...]
    verbs: tuple[str, ...]
    options: Options
    into: str


@dataclass
class Magic:
    """One notebook's connection and options."""

    shell: Any
    options: Options = field(default_factory=Options)
    session: Session | None = None

    def run(self, line: str, cell: str | None = None) -> Any:
        """The magic itself: options and a home on its line, SQL in its cell."""
        try:
            return self._run(self._read(shlex.split(line)), cell)
        except (SplittallyError, ValueError) as error:
            raise _without_traceback(str(error)) from None

    def _run(self, said: Line, cell: str | None) -> Any:
        if said.homes:
            self._connected(said.homes[0])
        if cell is None:
            self.options = said.options
            return None
        found = self._ask(cell, said)
        if not said.into:
            return found
        self.shell.push({said.into: found})
        return None

    def _read(self, words: Iterable[str]) -> Line:
        homes, verbs, options, into = list[str](), list[str](), self.options, ""
        for word in words:
            name, is_option, value = word.partition("=")
            if word in FREE:
                verbs.append(word)
            elif not is_option:
                homes.append(word)
            elif name != INTO:
                options = options.changed(name, value)
            elif value.isidentifier():
                into = value
            else:
                raise Refused("SQL_OPTION", name=INTO, names="the name of a variable")
        for word in (*homes[1:], *verbs[1:]):  # a word misspelt is no question: asking costs
            raise Refused("SQL_OPTION", name=plain(word[:40]), names=", ".join((*FREE, INTO, *OPTIONS)))
        return Line(tuple(homes), tuple(verbs), options, into)

    def _connected(self, home: str) -> Session:
        opened = connect(Path(home).expanduser())
        if self.session is not None:
            self.session.close()
        self.session = opened
        return opened

    def _ask(self, cell: str, said: Line) -> Any:
        asked = read(self.session or self._connected(HOME), cell, said.options)
        if isinstance(asked, Free):
            return Listing(asked.table())
        return _free(asked, said.verbs[0]) if said.verbs else _released(asked)


def _free(asked: Question, verb: str) -> Any:
    match verb:
        case "explain":
            return Words(asked.query.explain())
        case "forecast":
            return asked.query.forecast()
        case _:
            return asked.query.rehearse()


def _released(asked: Question) -> Any:
    with on_screen() as progress:
        return asked.release(progress)


def _without_traceback(text: str) -> Exception:
    try:
        from IPython.core.error import UsageError
    except ImportError:
        return ValueError(text)
    shown: Exception = UsageError(text)
    return shown
