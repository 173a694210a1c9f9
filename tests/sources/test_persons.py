"""Figures per person and joins at one node: what a person can move, and where the figures lie."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from published import PEOPLE, catalogue_of, dataset, publish

from engine.errors import Refused
from engine.sql import prepare
from engine.trusted.calibrate import block_norms, calibrate, row_square
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm
from engine.trusted.domains import scope_of
from engine.trusted.plan import (
    Call,
    ColumnRef,
    Feature,
    Function,
    JoinKind,
    Literal,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    Relation,
    Scan,
    Type,
    UnionAll,
)
from engine.trusted.records import Loss, Rules
from engine.trusted.stability import stability_of
from engine.trusted.verify import columns_read
from nodes.partials import partials
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import rows_of
from nodes.tables import Tables

RULES = Rules(n_min=0, f=0, max_keys=10_000, max_cells=100_000, caps=(), committee=3)
VISITS = (
    Column("nhs", Type.TEXT),
    Column("ward", Type.TEXT, domain=("A", "B")),
    Column("nights", Type.INTEGER, bounds=Bounds(Fraction(-2), Fraction(30))),
    Column("cost", Type.DECIMAL, bounds=Bounds(Fraction(-5), Fraction(70)), step=Fraction(1, 10)),
)


def placed(*, groups: int = 3) -> Catalogue:
    """Two datasets of one placement with 3 and 2 rows a person."""
    people = dataset(rows_per_person=3, groups_per_person=groups)
    visits = dataset(VISITS, name="visits", rows_per_person=2)
    unit = people.person
    visits = replace(visits, person=replace(visits.person, identifier=unit.identifier), placement=people.placement)
    return catalogue_of(people, visits)


def tables_of(catalogue: Catalogue, texts: dict[str, str], folder: Path, source: DuckDBSource) -> Tables:
    held = [publish(d, texts[d.name], folder / d.name, source).snapshots for d in catalogue.datasets]
    return Tables(tuple(s for snapshots in held for s in snapshots))


STATEMENTS = (
    "SELECT COUNT(*) AS n, SUM(income) AS s FROM people JOIN visits ON person_id = nhs",
    (
        "SELECT region, SUM(cost) AS s, COUNT(DISTINCT person_id) AS p FROM people JOIN visits ON person_id = nhs"
        " GROUP BY region"
    ),
    "SELECT ward, COUNT(*) AS n FROM people LEFT JOIN visits ON person_id = nhs GROUP BY ward",
    "SELECT SUM(a.nights * b.nights) AS n FROM visits AS a JOIN visits AS b ON a.nhs = b.nhs",
    (
        "WITH f AS (SELECT person_id, SUM(income) AS s, COUNT(*) AS n FROM people GROUP BY person_id)"
        " SELECT n, SUM(s) AS s_, COUNT(*) AS c FROM f GROUP BY n"
    ),
    (
        "WITH f AS (SELECT nhs, SUM(cost) AS s, MAX(nights) AS m FROM visits GROUP BY nhs)"
        " SELECT region, SUM(s) AS s_, SUM(m * m) AS c FROM people JOIN f ON person_id = nhs GROUP BY region"
    ),
    "SELECT SUM(income) AS s FROM people WHERE EXISTS (SELECT 1 FROM visits WHERE nhs = person_id)",
    "SELECT COUNT(*) AS s FROM people WHERE person_id NOT IN (SELECT nhs FROM visits WHERE nights < 0)",
    (
        "SELECT SUM(v) AS s, COUNT(*) AS n FROM (SELECT cost AS v FROM visits UNION ALL SELECT nights FROM visits"
        " UNION ALL SELECT cost FROM visits) AS u"
    ),
    (
        "SELECT k, COUNT(*) AS n, COUNT(DISTINCT person_id) AS p FROM (SELECT person_id, region AS k FROM people"
        " UNION ALL SELECT nhs, ward FROM visits) AS u GROUP BY k"
    ),
    (
        "WITH u AS (SELECT nhs, cost AS v FROM visits UNION ALL SELECT nhs, nights FROM visits),"
        " f AS (SELECT nhs, SUM(v) AS s, COUNT(*) AS n FROM u GROUP BY nhs) SELECT SUM(s) AS t, SUM(n) AS m FROM f"
    ),
    (
        "SELECT region, SUM(v) AS s FROM people JOIN (SELECT nhs, nights AS v FROM visits UNION ALL SELECT nhs, nights"
        " FROM visits WHERE ward = 'A') AS u ON person_id = nhs GROUP BY region"
    ),
)


def persons() -> Iterator[dict[str, list[str]]]:
    """Rows that one person may have: the worst of each sort, and some at random."""
    draw = random.Random(4)
    for income, nights, cost in (("1e9", 99, 99), ("1e9", -99, -99)):
        for regions in ("NNN", "NSE"):
            yield {
                "people": [f"x,{r},F,200,{income},2021-01-01,true,\n" for r in regions],
                "visits": [f"x,{w},{nights},{cost}\n" for w in "AA"],
            }
    for _ in range(3):
        yield {
            "people": [
                f"x,{draw.choice('NSEW')},M,{draw.randrange(99)},{draw.randrange(10**5)},,,\n"
                for _ in range(draw.randrange(6))
            ],
            "visits": [
                f"x,{draw.choice('AB')},{draw.randrange(-9, 40)},{draw.randrange(-9, 99)}\n"
                for _ in range(draw.randrange(4))
            ],
        }


HEADERS = {"people": ",".join(c.name for c in PEOPLE) + "\n", "visits": ",".join(c.name for c in VISITS) + "\n"}
OTHERS = {
    "people": "a,N,F,30,100.5,2020-05-05,true,\nb,S,M,40,7,2020-06-05,,\nb,E,M,40,8,2020-06-05,,\n",
    "visits": "a,A,3,10\nb,B,,\nc,A,1,1\n",
}


def test_no_person_moves_an_answer_beyond_its_declared_norm(source: DuckDBSource, tmp_path: Path) -> None:
    """The exact vector with and without one person: within the declared norm, and somewhere at least half of it."""
    for groups in (1, 3):
        catalogue = placed(groups=groups)
        views = [
            tables_of(
                catalogue, {n: HEADERS[n] + OTHERS[n] + "".join(p[n]) for n in p}, tmp_path / f"{groups}{i}", source
            )
            for i, p in enumerate([{"people": [], "visits": []}, *persons()])
        ]
        for sql in STATEMENTS:
            plan = prepare(sql, catalogue, RULES).plan
            calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
            scope = scope_of(plan.aggregate.input, catalogue)
            moved_by_row = [row_square(m, scope) for m in plan.aggregate.measures]
            norms = block_norms(plan.aggregate, moved_by_row, stability_of(plan.aggregate.input, catalogue))
            declared = sum(
                m * m * n for m, squares in zip(calibration.multipliers, norms, strict=True) for n in squares
            )
            without, *others = [partials(plan, catalogue, calibration, view, source) for view in views]
            moved = [sum((a - b) ** 2 for a, b in zip(without, cells, strict=True)) for cells in others]
            assert max(moved) <= declared, sql
            assert 4 * max(moved) >= declared, sql


def test_every_feature_lies_in_its_domain(source: DuckDBSource, tmp_path: Path) -> None:
    """Figures of 120 persons with random rows, NULLs and extremes: type, NULL, interval, values, step."""
    catalogue = placed()
    draw = random.Random(8)
    body = "".join(
        f"p{draw.randrange(120)},{draw.choice('NSEWX')},,{draw.choice(('', 0, 1, 60, 120, 500))},"
        f"{draw.choice(('', -1, 0.01, 0.1, 99.99, 123456.78, 2e5, 9e9))},"
        f"{draw.choice(('', '2019-01-01', '2020-02-29', '2021-12-31'))},{draw.choice(('', 'true', 'false'))},\n"
        for _ in range(500)
    )
    tables = tables_of(catalogue, {"people": HEADERS["people"] + body, "visits": HEADERS["visits"]}, tmp_path, source)
    age, income, day, active = (ColumnRef(n) for n in ("age", "income", "paid_on", "active"))
    third = Call(Function.DIVIDE, (income, Literal(Type.INTEGER, 3)))
    weekly = Call(Function.MULTIPLY, (age, Literal(Type.INTEGER, 7)))
    asked = [(Feature.COUNT_ROWS, None), (Feature.COUNT_PRESENT, income), (Feature.ANY_TRUE, active)]
    asked += [(f, e) for f in (Feature.SUM, Feature.AVERAGE) for e in (age, income, third, weekly)]
    asked += [(f, e) for f in (Feature.MINIMUM, Feature.MAXIMUM) for e in (age, income, third, day)]
    features = tuple(
        PersonFeature(f"f{i}_{bool(where)}", kind, expression, where)
        for i, (kind, expression) in enumerate(asked)
        for where in (None, active)
    )
    relation = PersonAggregate(Scan("people"), features)
    scope = scope_of(relation, catalogue)
    names = ", ".join(
        f"CAST(\"{n}\" - DATE '1970-01-01' AS DOUBLE)" if d.type is Type.DATE else f'"{n}"'
        for n, d in scope.items()
        if not d.person
    )
    query = f"SELECT {names} FROM ({rows_of(relation, catalogue, source.dialect).sql}) AS r"
    [found] = source.select(tables.databases, [query], 1000)
    assert len(found) > 90
    for row in found:
        for value, (name, domain) in zip(row, list(scope.items())[1:], strict=True):
            if value is None:
                assert domain.nullable, name
            elif isinstance(value, bool):
                assert domain.type is Type.BOOLEAN
            else:
                assert domain.interval is not None and not isinstance(value, str)
                assert domain.interval[0] <= Fraction(value) <= domain.interval[1], (name, value)
                assert isinstance(value, int) == (domain.type is Type.INTEGER), (name, value)
                if domain.step is not None and domain.type is not Type.DATE:
                    assert float(round(Fraction(value) / domain.step) * domain.step) == value, (name, value)


def test_columns_follow_lineage_through_joins() -> None:
    catalogue = placed()

    def read(sql: str) -> dict[str, set[str]]:
        return {n: set(c) for n, c in columns_read(prepare(sql, catalogue, RULES).plan, catalogue).items()}

    assert read("SELECT COUNT(*) FROM people JOIN visits ON person_id = nhs") == {
        "people": {"person_id"},
        "visits": {"nhs"},
    }
    assert read(
        "WITH f AS (SELECT nhs, SUM(nights) AS s, MAX(cost) AS unused FROM visits WHERE ward = 'A' GROUP BY nhs)"
        " SELECT region, SUM(s) AS t FROM people LEFT JOIN f ON person_id = nhs GROUP BY region"
    ) == {"people": {"person_id", "region"}, "visits": {"nhs", "nights", "ward"}}
    assert read("SELECT SUM(n) AS m FROM (SELECT nhs, COUNT(*) AS n FROM visits GROUP BY nhs) AS f") == {
        "visits": {"nhs"}
    }
    assert read(
        "SELECT SUM(v) AS s FROM (SELECT person_id, income AS v, age AS unused FROM people"
        " UNION ALL SELECT nhs, cost, 1 FROM visits WHERE ward = 'A') AS u"
    ) == {"people": {"income"}, "visits": {"cost", "ward"}}
    assert read(
        "SELECT COUNT(DISTINCT person_id) AS s"
        " FROM (SELECT person_id FROM people UNION ALL SELECT nhs FROM visits) AS u"
    ) == {"people": {"person_id"}, "visits": {"nhs"}}
    assert read("SELECT SUM(age) AS m FROM people WHERE person_id IN (SELECT nhs FROM visits WHERE cost > 1)") == {
        "people": {"person_id", "age"},
        "visits": {"nhs", "cost"},
    }


@pytest.mark.parametrize(
    ("relation", "rows", "groups"),
    [
        (PersonAggregate(Scan("people"), ()), 1, 1),
        (PersonJoin(JoinKind.INNER, Scan("people"), Scan("visits")), 6, 4),
        (PersonJoin(JoinKind.LEFT, Scan("visits"), Scan("people")), 6, 4),
        (PersonJoin(JoinKind.INNER, Scan("people"), PersonAggregate(Scan("visits"), ())), 3, 2),
        (PersonJoin(JoinKind.SEMI, Scan("people"), Scan("visits")), 3, 2),
        (PersonJoin(JoinKind.ANTI, Scan("visits"), Scan("people")), 2, 2),
        (UnionAll(Scan("people"), Scan("people")), 6, 4),
        (UnionAll(Scan("people"), UnionAll(Scan("visits"), Scan("people"))), 8, 6),
        (PersonJoin(JoinKind.INNER, UnionAll(Scan("people"), Scan("people")), Scan("visits")), 12, 8),
        (PersonAggregate(UnionAll(Scan("people"), Scan("people")), ()), 1, 1),
    ],
)
def test_rows_and_groups_of_a_person_multiply_or_add(relation: Relation, rows: int, groups: int) -> None:
    found = stability_of(relation, placed(groups=2))
    assert (found.rows, found.groups) == (rows, groups)
    assert set(found.datasets) <= {"people", "visits"}


SPREAD = [  # overlaps of people and visits, whether they share a placement, hosts, overlap of people UNION ALL visits
    (1, 1, True, 3, 1),
    (1, 1, False, 3, 2),
    (1, 1, False, 1, 1),
    (2, 2, False, 5, 4),
    (2, 2, False, 3, 3),
]


@pytest.mark.parametrize(("people", "visits", "together", "hosts", "overlap"), SPREAD)
def test_a_person_is_at_the_nodes_of_both_sides(
    people: int, visits: int, together: bool, hosts: int, overlap: int
) -> None:
    first, second = placed().datasets
    where = tuple(f"n{i}" for i in range(hosts))
    placement = first.placement if together else "elsewhere"
    first, second = (
        replace(first, overlap=people, hosts=where),
        replace(second, overlap=visits, hosts=where, placement=placement),
    )
    third = replace(second, name="third", placement="further")
    catalogue = catalogue_of(first, second, third)
    both = UnionAll(Scan("people"), Scan("visits"))
    assert stability_of(both, catalogue).overlap == overlap
    assert stability_of(UnionAll(Scan("people"), Scan("people")), catalogue).overlap == people
    again = stability_of(UnionAll(both, UnionAll(Scan("people"), Scan("third"))), catalogue).overlap
    assert again == min(hosts, overlap + min(people + visits, hosts))  # a union of placements is like no other
    if overlap > 1:
        with pytest.raises(Refused, match="SQL_OVERLAP_FEATURES"):
            stability_of(PersonAggregate(both, ()), catalogue)


def test_a_union_needs_one_spelling_of_persons() -> None:
    """One identifier in two normal forms would make two persons of one."""
    first, second = placed().datasets
    other = replace(second, person=replace(second.person, form=IdentifierForm.UPPER_ALNUM), placement="elsewhere")
    catalogue = catalogue_of(replace(first, person=replace(first.person, form=IdentifierForm.AS_IS)), other)
    with pytest.raises(Refused, match="SQL_UNION_HOSTS"):
        stability_of(UnionAll(Scan("people"), Scan("visits")), catalogue)
    with pytest.raises(Refused, match="SQL_JOIN_PLACEMENT"):
        same = replace(other, placement=first.placement)
        stability_of(PersonJoin(JoinKind.SEMI, Scan("people"), Scan("visits")), catalogue_of(first, same))


def test_a_union_keeps_the_keys_of_both_sides(source: DuckDBSource, tmp_path: Path) -> None:
    """An age of 300 is clamped where it is summed and missing where it is a key; ages of the other side are as made."""
    catalogue = placed()
    body = {"people": HEADERS["people"] + "a,N,F,300,1,,,\nb,N,F,20,1,,,\n", "visits": HEADERS["visits"] + "c,A,20,1\n"}
    tables = tables_of(catalogue, body, tmp_path, source)
    both = "SELECT age AS v FROM people UNION ALL SELECT nights FROM visits"
    sql = f"SELECT v, COUNT(*) AS n FROM ({both}) AS u GROUP BY v HAVING COUNT(*) > 0"
    plan = prepare(sql, catalogue, RULES).plan
    calibration = calibrate(plan, catalogue, Loss(10_000_000, 0), 1, 0)
    cells = partials(plan, catalogue, calibration, tables, source)
    counts = {k.value: n for k, n in zip(plan.aggregate.keys[0].values, cells, strict=True) if n}
    assert counts == {20: 2 * calibration.multipliers[0]}


def test_a_union_is_of_one_identifier_and_the_same_hosts() -> None:
    people, visits = placed().datasets
    for other in (
        replace(visits, person=replace(visits.person, identifier="other"), placement="elsewhere"),
        replace(visits, hosts=("here", "there"), placement="elsewhere"),
    ):
        with pytest.raises(Refused, match="SQL_UNION_HOSTS"):
            stability_of(UnionAll(Scan("people"), Scan("visits")), catalogue_of(people, other))


def test_rows_of_a_person_are_put_together_only_at_one_node() -> None:
    def refused(code: str, **visits: object) -> None:
        people, other = placed().datasets
        catalogue = catalogue_of(people, replace(other, **visits))  # type: ignore[arg-type]
        with pytest.raises(Refused, match=code):
            stability_of(PersonJoin(JoinKind.INNER, Scan("people"), Scan("visits")), catalogue)

    refused("SQL_JOIN_PLACEMENT", placement="elsewhere")
    refused("SQL_JOIN_PLACEMENT", person=replace(placed().datasets[1].person, identifier="other"))
    refused("SQL_JOIN_PLACEMENT", hosts=("here", "there"))
    refused("SQL_OVERLAP_FEATURES", overlap=2, hosts=("here", "there"))
    refused("SQL_TOO_LARGE", rows_per_person=100_000)
    shared: Dataset = replace(placed().datasets[0], overlap=2, hosts=("here", "there"))
    with pytest.raises(Refused, match="SQL_OVERLAP_FEATURES"):
        stability_of(PersonAggregate(Scan("people"), ()), catalogue_of(shared))
