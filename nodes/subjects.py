"""For the person concerned: the releases that could have counted one person's rows, told inside the department only.

``python -m nodes subjects --home DIR`` reads the person's id from standard input, never from the command line, which
other users of a machine may see. It runs beside the node and changes nothing.

Claim: a charge is listed if, and only if, a snapshot that it names and that is still kept holds a row of the person;
       charges whose snapshots are gone are counted as unknown, and the answer says what it cannot know.
Because: the journal names each round's snapshots; the id is put into the catalogue's normal form by the same rule
         that cut them; the ledger is opened read only.
Checked by: tests/sources/test_subjects.py::test_a_person_learns_which_rounds_could_have_counted_them
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from functools import reduce

from engine.errors import BadFile
from engine.trusted import wire
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.home import Home
from engine.trusted.records import JournalEntry, JournalKind
from nodes.sources import Source
from nodes.sources.dialect import quoted, text_literal
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.publish import FORMS
from nodes.sources.render import ROWS, alias

CANNOT_KNOW = (
    "A round is listed if rows of the person lay in a table it could read; whether its filters kept them is not known.",
    "Every answer was noisy: none of them shows whether this person was counted.",
    "Rounds over snapshots that are no longer kept are only counted, as unknown.",
)


def rows_by_snapshot(home: Home, catalogue: Catalogue, person: str, source: Source) -> dict[tuple[str, str], int]:
    """(dataset, snapshot id) -> rows of the person, of every copy that is still kept; the largest over purposes."""
    found: dict[tuple[str, str], int] = {}
    for file in sorted((home.path / "snapshots").glob("*-*.duckdb")):
        name, _, rest = file.stem.rpartition("-")
        dataset = catalogue.dataset(name)
        if dataset is not None:
            [[row]] = source.select({alias(name): file}, [_counting(dataset, person)], 1)
            key = (name, rest[:32])  # the purpose, if any, follows the id
            found[key] = max(found.get(key, 0), int(row[0] or 0))
    return found


def _counting(dataset: Dataset, person: str) -> str:
    table, column = f"{quoted(alias(dataset.name))}.{quoted(ROWS)}", quoted(dataset.person.column)
    normal = reduce(lambda text, form: form.format(text), FORMS[dataset.person.form], text_literal(person))
    return f"SELECT COUNT(*) FROM {table} WHERE {column} = {normal}"  # noqa: S608


def charges(home: Home) -> list[JournalEntry]:
    """Every charge of this node, oldest first."""
    try:
        db = sqlite3.connect(f"{home.state_path.absolute().as_uri()}?mode=ro", uri=True)
        rows = db.execute("SELECT entry FROM entries ORDER BY position").fetchall()
        db.close()
    except sqlite3.Error as error:
        raise BadFile("FILE_LEDGER_BROKEN", path=str(home.state_path), internal=repr(error)) from None
    entries: list[JournalEntry] = [wire.decode(JournalEntry, row[0]) for row in rows]
    return [entry for entry in entries if entry.kind is JournalKind.CHARGED]


def about(home: Home, catalogue: Catalogue, person: str, source: Source) -> dict[str, object]:
    """What is told: rounds with the datasets in which the person had rows, and what cannot be known."""
    held = rows_by_snapshot(home, catalogue, person, source)
    listed, unknown = [], 0
    for entry in charges(home):
        seen = {s.dataset: held[s.dataset, s.snapshot] for s in entry.snapshots if (s.dataset, s.snapshot) in held}
        unknown += not any(seen.values()) and bool({s.dataset for s in entry.snapshots} - set(seen))
        if any(seen.values()):
            named = {"round": entry.round.hex(), "request": entry.request_digest.hex(), "analyst": entry.analyst}
            told = {"agreement": entry.agreement_digest.hex(), "at_ms": entry.at_ms}
            listed.append({**named, **told, "rows": {name: rows for name, rows in seen.items() if rows}})
    return {"rounds": listed, "unknown": unknown, "cannot_know": list(CANNOT_KNOW)}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m nodes subjects")
    parser.add_argument("--home", required=True)
    home, source = Home.load(parser.parse_args(arguments).home), DuckDBSource()
    try:
        json.dump(about(home, home.manifest().catalogue, sys.stdin.readline().rstrip("\n"), source), sys.stdout)
    finally:
        source.close()
    sys.stdout.write("\n")
