"""The tables leave nothing out: every function, operator, aggregate, figure per person, kind of join, clause and
refusal of the language has a statement of its own in some ``.slt`` file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from federation import HERE, RULES, hosted
from slt import Block, Script, read_script

from engine.catalogue import load_catalogue
from engine.error_codes import CODES
from engine.sql import prepare
from engine.sql.aggregates import AGGREGATES
from engine.sql.terms import _SPECIAL, FUNCTIONS, GRAINS, NAMED, OPERATORS, PARTS
from engine.trusted.plan import Call, Feature, Function, JoinKind, PersonAggregate, PersonJoin, Plan, Statistic
from engine.trusted.walk import parts_of, relations_of

# Nodes of the parser that no statement of DuckDB's dialect reaches, with the reason.
UNREACHED = {"DateTrunc": "date_trunc of this dialect is read as TimestampTrunc"}
# Refusals that no statement gets, with the reason.
WITHOUT_A_CASE = {
    **dict.fromkeys(("SQL_COMMAND", "SQL_HANDLE", "SQL_OPTION", "SQL_PARAMETERS", "SQL_SESSION"), "of a driver's call"),
    "SQL_CARD_COLUMN": "of a quality card, whose statement is made from the catalogue",
    "SQL_FED_SELECT": "of a statement over the tables that a driver browses",
    "SQL_PURPOSE_LONG": "of the purpose that a statement is submitted for",
    "SQL_PLOT": "of a chart of a release",
    "SQL_RUNS_KEYS": "of a statement that is submitted for several runs",
    "SQL_RUNS_RANGE": "of the number of runs and days that a statement is submitted for",
    "SQL_UNION_HOSTS": "all datasets of a table have the same hosts",
}
CLAUSES = (
    *("Where", "Group", "Having", "Order", "Limit", "Offset", "CTE", "Subquery", "Join", "Alias", "Star"),
    *("Rollup", "Cube", "GroupingSets", "Grouping", "Distinct", "Filter", "WithinGroup", "Exists", "In", "Tuple"),
)
FILES = sorted(HERE.rglob("*.slt"))


def blocks() -> Iterator[tuple[Script, Block]]:
    for path in FILES:
        script = read_script(path)
        for block in script.blocks:
            yield script, block


def accepted() -> list[tuple[Script, Block]]:
    return [(script, block) for script, block in blocks() if block.kind == "query"]


@lru_cache
def plans() -> tuple[Plan, ...]:
    catalogues: dict[str, Any] = {}
    found = []
    for script, block in accepted():
        if (name := script.catalogue) not in catalogues:
            read = load_catalogue(HERE / "catalogues" / f"{name}.yaml")
            catalogues[name] = read if script.apart else hosted(read, 1)
        found.append(prepare(block.sql, catalogues[name], RULES, idle=True).plan)
    return tuple(found)


@lru_cache
def nodes() -> frozenset[str]:
    """Names of the parser's nodes, and of nodes with the parts that are set: ``Join.using``."""
    import sqlglot

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    found: set[str] = set()
    for _, block in accepted():
        for node in sqlglot.parse_one(block.sql, read="duckdb").walk():
            kind = type(node).__name__
            found.add(kind)
            for part, value in node.args.items():
                if value not in (None, False, []):
                    found |= {f"{kind}.{part}", f"{kind}.{part}={str(value).upper()[:20]}"}
    return frozenset(found)


def walked(plan: Plan) -> Iterator[Any]:
    """Every relation and expression of a plan."""
    aggregate = plan.aggregate
    tops = [k.expression for k in aggregate.keys]
    tops += [e for m in aggregate.measures for e in (m.expression, m.filter) if e is not None]
    for _, relation in relations_of(aggregate.input):
        yield relation
        if isinstance(relation, PersonAggregate):
            tops += [e for f in relation.features for e in (f.expression, f.filter) if e is not None]
        tops += [c.expression for c in getattr(relation, "columns", ())]
        tops += [relation.predicate] if hasattr(relation, "predicate") else []
    for top in tops:
        yield from (part for _, part in parts_of(top))


@lru_cache
def used() -> frozenset[Any]:
    found: set[Any] = set()
    for plan in plans():
        found |= {m.statistic for m in plan.aggregate.measures}
        for part in walked(plan):
            if isinstance(part, Call):
                found.add(part.function)
            elif isinstance(part, PersonAggregate):
                found |= {f.feature for f in part.features}
            elif isinstance(part, PersonJoin):
                found.add(part.join)
    return frozenset(found)


@pytest.mark.parametrize("kind", [Function, Statistic, Feature, JoinKind], ids=lambda k: k.__name__)
def test_every_function_statistic_feature_and_join_is_in_a_plan(kind: Any) -> None:
    assert not [member.name for member in kind if member not in used()]


def test_every_operator_function_and_aggregate_is_in_a_statement() -> None:
    known = {*OPERATORS, *FUNCTIONS, *AGGREGATES, *_SPECIAL}
    assert sorted(known - nodes()) == sorted(UNREACHED)


def test_every_clause_is_in_a_statement() -> None:
    assert not [clause for clause in CLAUSES if clause not in nodes()]
    assert {"Group.all", "Join.using", "In.query", "Ordered.desc", "Ordered.nulls_first"} <= nodes()


@pytest.mark.parametrize("words", [NAMED, PARTS, GRAINS], ids=["functions", "parts of dates", "grains"])
def test_every_word_is_in_a_statement(words: Any) -> None:
    text = "\n".join(block.sql.lower() for _, block in accepted())
    assert not [word for word in words if f"{word}(" not in text and f"'{word}'" not in text]


def test_every_refusal_has_a_case() -> None:
    shown = {block.options[0] for _, block in blocks() if block.kind == "refused"}
    codes = {code for code in CODES if code.startswith("SQL_")}
    assert sorted(codes - shown) == sorted(WITHOUT_A_CASE)
    assert shown <= codes


def test_every_file_says_what_it_is_about() -> None:
    assert not [str(p.relative_to(HERE)) for p in FILES if not p.read_text(encoding="utf-8").startswith("# ")]


def test_there_are_hundreds() -> None:
    assert len(list(blocks())) >= 750
    assert len(accepted()) >= 500


def test_worlds_and_catalogues_are_used() -> None:
    named = {read_script(p).world for p in FILES}
    assert {p.stem for p in (HERE / "worlds").iterdir()} <= named
    assert {Path(p).stem for p in (HERE / "catalogues").iterdir()} <= {s.catalogue for s, _ in blocks()} | {"rich"}
