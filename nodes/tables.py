# ruff: noqa: S608
"""The published view of a node's tables: one cleaned copy per dataset, cut from the department's own files.

Claim: in a snapshot every stored value lies in its declared domain, every row has a person in normal form, consent
       holds (for the purpose of the agreement, where the owner's rule tells purposes apart), and no person has more
       than ``rows_per_person`` rows; who has more than one is named beside; queries read snapshots and nothing else.
Because: each value is converted without failing, NaN, infinities and dates beyond the calendar become NULL, numbers
       and dates are clamped (measures) or NULL outside their bounds (keys), decimals lie on their step, texts outside
       their list are NULL; surplus rows of a person go by a hash keyed with the random snapshot id. The copy is
       written beside, closed, and renamed; its id never comes from content.
Checked by: tests/sources/test_tables.py::test_stored_values_lie_in_their_domains
            tests/sources/test_tables.py::test_surplus_rows_are_dropped
            tests/sources/test_tables.py::test_whoever_has_several_rows_is_named_beside
            tests/sources/test_tables.py::test_a_snapshot_is_kept_until_binding_or_definition_change
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree

from engine.errors import BadFile, Unavailable, require
from engine.trusted import wire
from engine.trusted.catalogue import Catalogue, Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.home import Home
from engine.trusted.random import Randomness
from engine.trusted.records import LegalGateway, SnapshotRef
from nodes.schema import columns_of, files_of
from nodes.sources.dialect import quoted
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.publish import counting, published_columns, reading, row_cap, selection
from nodes.sources.render import ROWS, SEVERAL, alias

SNAPSHOT_BYTES = 16
SNAPSHOTS_KEPT = 2
Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    dataset: str
    id: str
    path: Path
    consent_version: int
    purpose: str = ""  # the legal gateway whose consent rule it was cut by; empty: the rule is the same for all


@dataclass(frozen=True, slots=True)
class Tables:
    """The snapshots a node answers from."""

    snapshots: tuple[Snapshot, ...]

    def snapshot(self, dataset: str) -> Snapshot:
        """NODE_SNAPSHOT_MISSING if this node holds none."""
        held = {snapshot.dataset: snapshot for snapshot in self.snapshots}
        require(dataset in held, "NODE_SNAPSHOT_MISSING", dataset=dataset)
        return held[dataset]

    def for_purpose(self, gateway: LegalGateway) -> Tables:
        """Those whose rows may be used under a legal gateway."""
        return Tables(
            tuple(s for s in self.snapshots if s.purpose in ("", gateway.name.lower().removesuffix("_gateway")))
        )

    def refs(self) -> tuple[SnapshotRef, ...]:
        """One a dataset: copies for several purposes were cut together."""
        return tuple(dict.fromkeys(SnapshotRef(s.dataset, s.id, s.consent_version) for s in self.snapshots))

    @property
    def databases(self) -> Mapping[str, Path]:
        """Alias -> file, for a source."""
        return {alias(s.dataset): s.path for s in self.snapshots}


def cut(
    binding: NodeBinding,
    catalogue: Catalogue,
    home: Home,
    *,
    randomness: Randomness,
    source: DuckDBSource,
    fresh: bool = False,
    tell: Tell = lambda *_, **__: None,
) -> Tables:
    """One snapshot per bound dataset: the one there is, unless binding or definition changed or ``fresh`` is asked.

    What a cut loses is written to snapshots/<dataset>-report.json and told to ``tell``, for the owner alone.

    Raises BadFile FILE_BINDING_*, FILE_SOURCE_*, FILE_MISSING; nothing is replaced then.
    """
    snapshots: list[Snapshot] = []
    for bound in binding.datasets:
        dataset = catalogue.dataset(bound.dataset)
        if dataset is None or binding.node not in dataset.hosts:
            raise BadFile("FILE_BINDING_DATASET", dataset=bound.dataset)
        kept = None if fresh else _kept(bound, dataset, home)
        snapshots += kept or _new(bound, dataset, home, randomness, source, tell)
    return Tables(tuple(snapshots))


def _digest(bound: DatasetBinding, dataset: Dataset) -> str:
    return wire.digest(b"2" + wire.encode(bound) + wire.encode(dataset)).hex()  # 2: the copy has two tables


def _snapshots(bound: DatasetBinding, home: Home, snapshot: str) -> list[Snapshot]:
    """One copy for each purpose that the owner's consent rules tell apart; else one for all."""
    name, version = bound.dataset, bound.consent_version
    purposes = [p.name for p in bound.purposes] or [""]
    folder = home.path / "snapshots"
    return [Snapshot(name, snapshot, folder / f"{name}-{snapshot}{p}.duckdb", version, p) for p in purposes]


def _kept(bound: DatasetBinding, dataset: Dataset, home: Home) -> list[Snapshot] | None:
    try:
        held = json.loads((home.path / f"snapshots/{dataset.name}.json").read_bytes())
        snapshot, digest = str(held["snapshot"]), held["digest"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    kept = _snapshots(bound, home, snapshot)
    return kept if digest == _digest(bound, dataset) and all(s.path.exists() for s in kept) else None


def _new(
    bound: DatasetBinding, dataset: Dataset, home: Home, randomness: Randomness, source: DuckDBSource, tell: Tell
) -> list[Snapshot]:
    snapshot = randomness.bytes(SNAPSHOT_BYTES).hex()
    made, rules = _snapshots(bound, home, snapshot), {p.name: p.expression for p in bound.purposes}
    for copy in made:
        partial, spill = copy.path.with_suffix(".partial"), copy.path.with_suffix(".spill")
        ruled = replace(bound, consent=rules.get(copy.purpose, bound.consent))
        try:
            lost = _write(ruled, dataset, partial, spill, snapshot, source)
            partial.chmod(0o600)
            partial.replace(copy.path)
        finally:
            partial.unlink(missing_ok=True)
            rmtree(spill, ignore_errors=True)
        home.write(
            f"snapshots/{dataset.name}{copy.purpose}-report.json", json.dumps(lost).encode() + b"\n", secret=True
        )
        for column, counts in lost.items():
            tell("snapshot_cut", dataset=dataset.name, column=column, **counts)
    named = {"snapshot": snapshot, "digest": _digest(bound, dataset), "consent_version": bound.consent_version}
    home.write(f"snapshots/{dataset.name}.json", json.dumps(named).encode() + b"\n")
    held = sorted((home.path / "snapshots").glob(f"{dataset.name}-*.duckdb"), key=lambda f: f.stat().st_mtime_ns)
    for old in held[: -SNAPSHOTS_KEPT * len(made)]:  # the one before may be in use, and tells what rows counted in
        old.unlink()
    return made


def _write(
    bound: DatasetBinding, dataset: Dataset, path: Path, spill: Path, snapshot: str, source: DuckDBSource
) -> dict[str, dict[str, int]]:
    """Creates the copy, fills it file by file, drops surplus rows, and checks the owner's statement of size."""
    files = files_of(bound.files)
    table, several = (f"{quoted(alias(dataset.name))}.{quoted(name)}" for name in (ROWS, SEVERAL))
    statements = [f"CREATE TABLE {table} ({published_columns(dataset, source.dialect)})"]
    for file in files:
        columns = columns_of(file, source)
        _check(bound, dataset, columns)
        raw = reading(file, [c.name for c in columns], bound.local_columns, source.dialect)
        statements.append(f"INSERT INTO {table} {selection(bound, dataset, raw, source.dialect)}")
    statements += counting(dataset, table)
    statements += row_cap(dataset, table, several, snapshot, source.dialect)
    persons = f"DISTINCT {quoted(dataset.person.column)}" if dataset.rows_per_person > 1 else "*"
    statements.append(f"SELECT COUNT(*), COUNT({persons}) FROM {table}")
    answer = source.cut(alias(dataset.name), path, files, spill, statements)
    if isinstance(answer, int):
        if 0 < answer <= len(files):
            raise BadFile("FILE_SOURCE_UNREADABLE", path=str(files[answer - 1]))
        raise Unavailable("NODE_SOURCE_FAILED", internal=f"statement {answer} of a cut")
    [[held, distinct]] = answer[-1]
    stated = held <= dataset.at_most_rows and distinct <= dataset.at_most_persons
    require(stated, "FILE_SOURCE_TOO_LARGE", dataset=dataset.name)
    [[no_person]], [[columns]] = answer[1 + len(files) : 3 + len(files)]
    return {"": {"rows": held, "of_no_person": no_person, "surplus": answer[-2][0][0]}, **columns}


def _check(bound: DatasetBinding, dataset: Dataset, columns: tuple[LocalColumn, ...]) -> None:
    """That the file has the local columns, of their types, and the binding one entry for each declared column."""
    there = {c.name: c.type for c in columns}
    for local in bound.local_columns:
        require(local.name in there, "FILE_SOURCE_COLUMN_MISSING", dataset=dataset.name, column=local.name)
        same = there[local.name] is local.type
        require(same, "FILE_SOURCE_COLUMN_TYPE", dataset=dataset.name, column=local.name)
    named = [c.name for c in bound.columns]
    wrong = {c.name for c in dataset.columns}.symmetric_difference(named)
    sound = not wrong and len(named) == len(set(named))
    require(sound, "FILE_BINDING_COLUMN", dataset=dataset.name, column=", ".join(sorted(wrong or named)))
