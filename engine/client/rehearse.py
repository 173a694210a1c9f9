"""Rehearse: a statement asked in full, on dummy data, by a throw-away federation on this machine. Free.

The rows are made from the public catalogue alone (dummy.py). A child process founds a federation over them
(engine/local/rehearsal.py): every node, the coordinator and the helpers are the real programs, and the noise is that
of the asked budget. What comes back is finished as any release is, and stands beside the exact figures of the dummy
rows, which this machine can compute because it made them (exact.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.client.choose import Keys
from engine.client.coverage import unreached
from engine.client.dummy import PERSONS, Rows, dummy_rows, write_rows
from engine.client.exact import exact_cells
from engine.client.terms import least_nodes, price_of, require_delta
from engine.client.units import units_of
from engine.errors import BadFile, Unavailable, error_for
from engine.sql import prepare
from engine.sql.finish import Answer, Shown, finish
from engine.sql.statement import GroupingLeaf, KeyLeaf, Output, Statement, Widen
from engine.trusted.calibrate import calibrate, layout_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.join import is_join
from engine.trusted.plan import ColumnRef, Type
from engine.trusted.records import Calibration, Loss, Rules
from engine.trusted.stability import stability_of
from engine.trusted.wire import encode

NEEDED = ("nodes", "duckdb", "opendp", "sqlalchemy", "structlog", "grpc_health")
CHILD = ("-m", "engine.local.rehearsal")
DUMMY = "Dummy data made from the catalogue alone: the figures mean nothing."
SEED = 1
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """``answer``: as a release would look; ``exact``: the same columns over the dummy rows, one mapping a row.

    ``rows``: dummy rows at each node. ``epsilon`` and ``delta`` are what asking in earnest would cost at each node.
    """

    answer: Answer
    exact: tuple[Mapping[str, Shown], ...]
    survivors: tuple[str, ...]
    persons: int
    rows: Mapping[str, int]
    epsilon: Fraction
    delta: Fraction
    loss: Loss
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        from engine.client.shown import rehearsal_grid

        return rehearsal_grid(self).as_text()

    def _repr_html_(self) -> str:
        from engine.client.shown import rehearsal_grid

        return rehearsal_grid(self).as_html()


@dataclass(frozen=True, slots=True)
class Rehearsing:
    """What to rehearse with: the terms of the question, how many dummy persons, and the seed they are made from."""

    epsilon: Fraction
    delta: Fraction
    n_min: int | None = None
    persons: int = PERSONS
    seed: int = SEED
    keep: Path | None = None


def rehearse(
    statement: Statement, catalogue: Catalogue, rules: Rules, terms: Rehearsing, progress: Progress = lambda _: None
) -> Rehearsal:
    """Asks a prepared statement of a federation that holds dummy rows and lives as long as it takes.

    Only the datasets of the statement take part, so its plan has another catalogue digest than in earnest; all else is
    the same. ``keep``: leave the rows of all datasets in that folder. Raises BadFile FILE_REHEARSE_EXTRA before
    anything starts, FILE_REHEARSE_KEEP; Refused as a real question; Unavailable NODE_NOT_STARTED.
    """
    require_nodes()
    require_delta(terms.delta)
    stability = stability_of(statement.plan.aggregate.input, catalogue)
    small = replace(catalogue, datasets=tuple(d for d in catalogue.datasets if d.name in stability.datasets))
    asked = prepare(statement.sql, small, rules)
    n_min = least_nodes(rules, stability.hosts, terms.n_min, joins=is_join(asked.plan.aggregate))
    price = price_of(terms.epsilon, terms.delta, asked.plan)
    progress("making dummy data")
    if terms.keep is not None:
        _keep(terms.keep, dummy_rows(catalogue, asked.plan, terms.persons, terms.seed), catalogue)
    rows = dummy_rows(small, asked.plan, terms.persons, terms.seed)
    with TemporaryDirectory(prefix="splittally-rehearsal-") as folder:
        write_rows(rows, small, Path(folder))
        (Path(folder) / "catalogue").write_bytes(encode(small))
        question = {"sql": asked.sql, "epsilon": str(terms.epsilon), "delta": str(terms.delta)}
        (Path(folder) / "question.json").write_text(json.dumps({**question, "n_min": n_min, "f": rules.f}))
        cells, survivors, keys = _ask(Path(folder), progress)
    asked = asked if keys is None else asked.with_keys(keys.values, keys.named)
    calibration = calibrate(asked.plan, small, price.answer, n_min, rules.f)
    union = {name: [row for held in nodes.values() for row in held] for name, nodes in rows.items()}
    exact = exact_cells(asked.plan, small, calibration, union)
    answer, beside = _beside(asked, small, calibration, cells, exact, len(survivors))
    counts = {node: sum(len(rows[d.name].get(node, ())) for d in small.datasets) for node in stability.hosts}
    notes = (DUMMY, *_empty_groups(asked, exact, small), *unreached(asked.plan, small, union))
    return Rehearsal(answer, beside, survivors, terms.persons, counts, terms.epsilon, terms.delta, price.total, notes)


def require_nodes() -> None:
    """BadFile FILE_REHEARSE_EXTRA unless nodes and a coordinator can run on this machine."""
    for package in NEEDED:
        if find_spec(package) is None:
            raise BadFile("FILE_REHEARSE_EXTRA", package=package)


def _keep(folder: Path, rows: Rows, catalogue: Catalogue) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadFile("FILE_REHEARSE_KEEP", path=str(folder))
    write_rows(rows, catalogue, folder)


def _ask(folder: Path, progress: Progress) -> tuple[tuple[int, ...], tuple[str, ...], Keys | None]:
    """Cells, survivors and the list of a selected key from the child; the child's own error, if it ends in one."""
    log = folder / "log"
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, *CHILD, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            text=True,
        )
    try:
        for line in child.stdout or ():
            said = json.loads(line)
            if "progress" in said:
                progress(said["progress"])
            elif "code" in said:
                raise error_for(said["code"], **said["facts"])
            else:
                chosen = said["keys"]
                keys = None if chosen is None else Keys(b64decode(chosen["body"]), chosen["named"])
                return tuple(said["cells"]), tuple(said["survivors"]), keys
    finally:
        child.terminate()  # unless it has ended by itself; it then takes its federation down
        child.wait()
    why, said = "it ended without an answer", log.read_text(encoding="utf-8", errors="replace")[-2_000:]
    raise Unavailable("NODE_NOT_STARTED", name="the rehearsal", why=why, internal=said)


def _beside(
    statement: Statement,
    catalogue: Catalogue,
    calibration: Calibration,
    noisy: tuple[int, ...],
    exact: tuple[int, ...],
    survivors: int,
) -> tuple[Answer, tuple[Mapping[str, Shown], ...]]:
    """The answer, and for each of its rows the exact figures of the same group."""
    marked = _marked(statement)
    widened = tuple(step for step in marked.steps if isinstance(step, Widen))
    every = replace(marked, steps=widened, order=(), limit=None, offset=0)
    answer = finish(marked, catalogue, calibration, noisy, survivors)
    known = finish(every, catalogue, calibration, exact, survivors)
    width = len(statement.outputs)
    figures = {row[width:]: dict(zip(known.columns, row[:width], strict=False)) for row in known.rows}
    shown = replace(
        answer,
        columns=answer.columns[:width],
        types=answer.types[:width],
        rows=tuple(row[:width] for row in answer.rows),
        units=units_of(statement, catalogue),
    )
    return shown, tuple(figures[row[width:]] for row in answer.rows)


def _marked(statement: Statement) -> Statement:
    """With more columns, behind the others, that tell the row's group."""
    keys = statement.plan.aggregate.keys
    marks = [(f"$key{i}", KeyLeaf(i), key.values[0].type) for i, key in enumerate(keys) if key.values]
    leaves = (
        *statement.leaves,
        *((name, leaf) for name, leaf, _ in marks),
        ("$set", GroupingLeaf(tuple(range(len(keys))))),
    )
    outputs = (
        *(Output(name, kind, ColumnRef(name)) for name, _, kind in marks),
        Output("$set", Type.INTEGER, ColumnRef("$set")),
    )
    return replace(statement, leaves=leaves, outputs=statement.outputs + outputs)


def _empty_groups(statement: Statement, exact: tuple[int, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """How many groups no dummy row fell into, so that nobody takes their figures for a fault."""
    aggregate = statement.plan.aggregate
    filled: set[tuple[int, int]] = set()
    groups = 0
    for block in layout_of(aggregate, scope_of(aggregate.input, catalogue)):
        size = block.tree.nodes if block.tree else 1
        groups += prod(block.shape) if block.measure == 0 else 0
        for cell in range(prod(block.shape)):
            start = block.offset + cell * size
            if any(exact[start : start + size]):
                filled.add((block.grouping_set, cell))
    empty = groups - len(filled)
    return (f"{empty} of {groups} groups hold no dummy row, or nothing but zeros.",) if empty else ()
