"""Tables of SQL: text files of statements with data in them, run through the whole path in one process.

    world people                  catalogue and data of tests/sql/worlds/people.data, shared by all files that name it
    catalogue people              tests/sql/catalogues/people.yaml
    data payments [deal=rows]     CSV lines up to a blank line; whole persons are dealt over the nodes, or rows
    departments                   each dataset stays at the hosts of its catalogue: joins of two are private ones
    query [tolerance=0.01] [completed|listed] [idle=CODE]
    SELECT ...
    ----                          rows that are expected, cells apart by |
    query noisy alarm=1e-9        with real noise; each cell inside the bound that its own noise gives
    refused CODE [epsilon=0] [delta=1] [padded=16385]
                                  the statement is refused; ``padded``: with so many characters, by spaces

A ``query`` runs on 1, 2 and 5 nodes without noise. The partials of parts add up to those of the whole, and the answer
equals that of the oracle: the analyst's own text on the union of all rows in one engine, at the published clamps, with
the engine's names and types of columns. ``completed``: besides the oracle's rows the answer has groups nobody is in,
with zeros. A key without a list shows every value that anybody has, as if noise had lifted each to the threshold.
``idle``: the answer is known beforehand, so the statement is refused; it is run to see that this is right.
``listed``: only the rows given count, because the language means something else than the engine (division
by zero, values outside a key's bounds).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

NODES = (1, 2, 5)
WORLDS = Path(__file__).parent / "worlds"


@dataclass
class Block:
    """One statement with what is expected of it."""

    kind: str  # query, refused
    options: tuple[str, ...]
    sql: str
    expected: tuple[tuple[str, ...], ...] | None
    line: int

    def option(self, name: str, default: str) -> str:
        found = [o.partition("=")[2] for o in self.options if o.startswith(f"{name}=")]
        return found[0] if found else default


@dataclass
class Script:
    """``world``: the name under which others share the data; empty for data of one file's own."""

    catalogue: str = ""
    data: dict[str, str] = field(default_factory=dict)
    deal: dict[str, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    world: str = ""
    apart: bool = False  # as ``departments`` says


def read_script(path: Path) -> Script:
    """The blocks of one file; blocks are apart by blank lines, ``#`` starts a line that does not count."""
    script = Script()
    for line, lines in _paragraphs(path.read_text(encoding="utf-8")):
        head, *body = lines
        words = head.split()
        if words[0] == "world":
            script = read_script(WORLDS / f"{words[1]}.data")
            script.world = words[1]
        elif words[0] == "catalogue":
            script.catalogue = words[1]
        elif words[0] == "data":
            script.data[words[1]] = "\n".join(body) + "\n"
            script.deal[words[1]] = words[2].partition("=")[2] if len(words) > 2 else "persons"
        elif words[0] == "departments":
            script.apart = True
        elif words[0] in ("query", "refused"):
            script.blocks.append(_block(words, body, line))
        else:
            raise ValueError(f"{path}:{line}: {words[0]}")
    return script


def _paragraphs(text: str) -> Iterator[tuple[int, list[str]]]:
    lines: list[str] = []
    start = 1
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if line.startswith("#"):
            continue
        if line.strip():
            start = start if lines else number
            lines.append(line)
        elif lines:
            yield start, lines
            lines = []


def _block(words: list[str], body: list[str], line: int) -> Block:
    sql, expected = body, None
    if "----" in body:
        cut = body.index("----")
        sql = body[:cut]
        expected = tuple(tuple(cell.strip() for cell in row.split("|")) for row in body[cut + 1 :])
    return Block(words[0], tuple(words[1:]), "\n".join(sql), expected, line)
