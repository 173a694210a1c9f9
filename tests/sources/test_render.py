"""Rendering: total functions, quoting, key position, steps, caps. The engine is the test's own connection."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from published import dataset

from engine.errors import Refused
from engine.trusted import intervals
from engine.trusted.calibrate import grid_of
from engine.trusted.catalogue import Bounds, Catalogue, Column
from engine.trusted.dates import EPOCH, day_number
from engine.trusted.domain import Domain
from engine.trusted.domains import clamp_of, domain_of, key_values, scope_of
from engine.trusted.functions import LONGEST
from engine.trusted.plan import (
    Aggregate,
    Call,
    Clamp,
    ColumnRef,
    Expression,
    Filter,
    Function,
    GroupingSet,
    Key,
    Literal,
    Measure,
    NamedExpression,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
)
from nodes.sources.dialect import DUCKDB
from nodes.sources.expressions import CASTS, Expressions
from nodes.sources.render import query_of, rows_of

F = Function
BIG = 2**53

WHOLE = tuple(s * n for n in (2**31, 2**32, 2**53, 10**15) for s in (1, -1))
TEXTS = (
    "x" * 1_000,
    "%_" * 100,
    "\\",
    "%\\",
    "9" * 400,
    "1e999",
    "0001-01-01",
    "9999-12-31",
    "290000-01-01",
)

COLUMNS = (
    Column("p", Type.TEXT),
    Column("t", Type.TEXT, domain=("N", "s ", "E", "2")),
    Column("u", Type.TEXT),
    Column("i", Type.INTEGER, bounds=Bounds(Fraction(-7), Fraction(9))),
    Column("j", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(2_000_000))),
    Column("h", Type.INTEGER),
    Column("d", Type.DECIMAL, bounds=Bounds(Fraction(-5), Fraction(100)), step=Fraction(1, 4)),
    Column("e", Type.DECIMAL, step=Fraction(1, 100)),
    Column("b", Type.BOOLEAN),
    Column("day", Type.DATE, bounds=Bounds(day_number(date(1999, 12, 27)), day_number(date(2021, 1, 1)))),
    Column("any_day", Type.DATE),
)
EXTREMES: dict[str, tuple[Any, ...]] = {
    "t": ("N", "s ", "E", "2", None),
    "u": ("", "2.5", "abc", "1e300", "nan", "-inf", "2020-02-30", "infinity", "TRUE", "é'\"%", "9" * 30, None),
    "i": (-7, -1, 0, 1, 3, 9, None),
    "j": (0, 1, 2_000_000, None),
    "h": (-(2**63), 2**63 - 1, 0, -1, None),
    "d": (-5.0, -0.25, 0.0, 0.5, 2.5, 100.0, None),
    "e": (-1.7e308, 1.7e308, 5e-324, -0.0, 0.01, None),
    "b": (True, False, None),
    "day": (date(1999, 12, 27), date(2000, 2, 29), date(2020, 12, 31), date(2021, 1, 1), None),
    "any_day": (date(1, 1, 1), date(9999, 12, 31), date(1970, 1, 1), None),
}
CATALOGUE = Catalogue(1, "test", (dataset(COLUMNS, name="t"),))
SCOPE = scope_of(Scan("t"), CATALOGUE)


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(config={"threads": 1})
    kinds = {c.name: DUCKDB.types[c.type] for c in COLUMNS}
    connection.execute("ATTACH ':memory:' AS snapshot_t")
    connection.execute(f"CREATE TABLE snapshot_t.rows ({', '.join(f'{n} {k}' for n, k in kinds.items())})")
    draw = random.Random(5)
    for person in range(300):
        row = [f"p{person}"] + [draw.choice(EXTREMES[c.name]) for c in COLUMNS[1:]]
        connection.execute(f"INSERT INTO snapshot_t.rows VALUES ({', '.join('?' * len(row))})", row)
    yield connection
    connection.close()


def expression(draw: random.Random, depth: int) -> Expression:
    """A random expression; most are ill-typed and refused by ``domain_of``."""
    if depth == 0 or draw.random() < 0.15:
        if draw.random() < 0.75:
            return ColumnRef(draw.choice(COLUMNS[1:]).name)
        return draw.choice(
            (
                Literal(Type.INTEGER, draw.choice((0, 1, -1, 2, 7, BIG, *WHOLE))),
                Literal(Type.DECIMAL, draw.choice((Fraction(0), Fraction(1, 3), Fraction(-5, 2), Fraction(10**18)))),
                Literal(Type.DECIMAL, Fraction(draw.choice(WHOLE), draw.choice((1, 3, 2**53)))),
                Literal(Type.TEXT, draw.choice(("", "N", "2020-01-01", "%", *TEXTS))),
                Literal(Type.DATE, draw.choice((date(2020, 2, 29), date(1, 1, 1), date(9999, 12, 31)))),
                Literal(Type.BOOLEAN, True),
                Literal(draw.choice(list(Type)), None),
            )
        )
    function = draw.choice(list(Function))
    count = {F.CASE: 3, F.SUBSTRING: 3}.get(function, draw.choice((1, 2, 2)))
    arguments = [expression(draw, depth - 1) for _ in range(count)]
    if function is F.SUBSTRING:
        arguments[1:] = [Literal(Type.INTEGER, draw.choice((1, 3, LONGEST, 2**32))) for _ in range(2)]
    if function is F.ROUND and count == 2:
        arguments[1] = Literal(Type.INTEGER, draw.choice((-2, 0, 1, 9, -9, *WHOLE)))
    if function in (F.LIKE, F.IN) and count == 2:
        arguments[1] = Literal(Type.TEXT, draw.choice(("%2", *TEXTS)))
    return Call(function, tuple(arguments))


def typed_expressions(count: int, seed: int) -> list[tuple[Expression, Domain]]:
    """Accepted expressions, each function of the list at least three times."""
    draw, found, uses = random.Random(seed), [], dict.fromkeys(Function, 0)
    while len(found) < count or min(uses.values()) < 3:
        candidate = expression(draw, draw.choice((1, 1, 2, 3)))
        if not isinstance(candidate, Call):
            continue
        try:
            domain = domain_of(candidate, SCOPE)
        except Refused:
            continue
        if uses[candidate.function] < 3 or len(found) < count:
            uses[candidate.function] += 1
            found.append((candidate, domain))
    return found


def inside(value: Any, domain: Domain) -> bool:
    if value is None:
        return domain.nullable
    if isinstance(value, float) and not math.isfinite(value):
        return False
    if domain.values is not None:
        shown = [float(v) if isinstance(v, Fraction) else v for v in domain.values]
        return value in shown
    number = day_number(value) if isinstance(value, date) else value
    if domain.interval is None or isinstance(number, str | bool):
        return True
    lower, upper = intervals.doubles(domain.interval) if domain.type is Type.DECIMAL else domain.interval
    return lower <= Fraction(number) <= upper


KINDS = {Type.BOOLEAN: bool, Type.INTEGER: int, Type.DECIMAL: float, Type.DATE: date, Type.TEXT: str}


def test_every_function_is_total(engine: duckdb.DuckDBPyConnection) -> None:
    """On extreme rows nothing raises, and each value is of its type and in its derived domain."""
    cases = typed_expressions(300, seed=20)
    assert_total(engine, cases)


EDGES = [
    *(
        Call(F.SUBSTRING, (ColumnRef("u"), Literal(Type.INTEGER, s), Literal(Type.INTEGER, n)))
        for s in (1, LONGEST)
        for n in (0, LONGEST)
    ),
    *(Call(F.ROUND, (ColumnRef(c), Literal(Type.INTEGER, n))) for c in "ijde" for n in (-9, 9)),
    *(Call(F.LIKE, (ColumnRef(c), Literal(Type.TEXT, t))) for c in "tu" for t in TEXTS),
    *(Call(F.IN, (ColumnRef("u"), *(Literal(Type.TEXT, t) for t in TEXTS))) for _ in range(1)),
    *(Call(F.IN, (ColumnRef(c), *(Literal(Type.INTEGER, n) for n in WHOLE))) for c in "ihe"),
    *(
        Call(f, (ColumnRef("day"), Literal(Type.DATE, d)))
        for f in (F.DAYS_BETWEEN, F.MONTHS_BETWEEN, F.YEARS_BETWEEN)
        for d in (date(1, 1, 1), date(9999, 12, 31))
    ),
    *(Call(f, (Literal(Type.TEXT, t),)) for f in CASTS for t in TEXTS if f is not F.CAST_TEXT),
]


def test_extreme_literals_never_fail_a_row(engine: duckdb.DuckDBPyConnection) -> None:
    """Behind a condition, so that a failure would tell that a row meets it; each alone, as nothing hides it then."""
    assert_total(engine, [(e, domain_of(e, SCOPE)) for e in EDGES], most=8)


@pytest.mark.parametrize(("start", "length"), [(0, 1), (-1, 1), (LONGEST + 1, 1), (2**32, 1), (1, 2**32), (1, -1)])
def test_a_substring_beyond_what_engines_count_is_refused(start: int, length: int) -> None:
    """DuckDB fails on the row that evaluates one: its caller would learn that there is such a row."""
    call = Call(F.SUBSTRING, (ColumnRef("u"), Literal(Type.INTEGER, start), Literal(Type.INTEGER, length)))
    with pytest.raises(Refused, match="SQL_TYPE_MISMATCH"):
        domain_of(call, SCOPE)


def assert_total(engine: duckdb.DuckDBPyConnection, cases: list[tuple[Expression, Domain]], most: int = 60) -> None:
    words = Expressions(DUCKDB, SCOPE)
    for start in range(0, len(cases), most):
        part = cases[start : start + most]
        columns = ", ".join(f"{words.value(e)} AS c{i}" for i, (e, _) in enumerate(part))
        guarded = ", ".join(f"CASE WHEN b THEN {words.value(e)} END AS c{i}" for i, (e, _) in enumerate(part))
        engine.execute(f"SELECT {guarded} FROM snapshot_t.rows").fetchall()
        rows = engine.execute(f"SELECT {columns} FROM snapshot_t.rows").fetchall()
        for (case, domain), values in zip(part, zip(*rows, strict=True), strict=True):
            for value in values:
                assert value is None or type(value) is KINDS[domain.type], (case, value)
                assert inside(value, domain), (case, domain, value)


def test_total_in_a_binding_too(engine: duckdb.DuckDBPyConnection) -> None:
    """A binding's integers have no bounds: arithmetic that overflows gives NULL."""
    words = Expressions(DUCKDB, {"h": Domain(Type.INTEGER), "i": Domain(Type.INTEGER)}, local=True)
    h, i = ColumnRef("h"), ColumnRef("i")
    calls = [Call(f, (h, i)) for f in (F.ADD, F.SUBTRACT, F.MULTIPLY, F.DIVIDE, F.INTEGER_DIVIDE, F.MODULO)]
    calls += [Call(f, (h,)) for f in (F.NEGATE, F.ABS)]
    rows = engine.execute(f"SELECT h, i, {', '.join(map(words.value, calls))} FROM snapshot_t.rows").fetchall()
    for h_value, i_value, *results in rows:
        if h_value is None or i_value is None:
            continue
        total = h_value + i_value
        assert results[0] == (total if -(2**63) <= total < 2**63 else None)
        quotient = (
            None if i_value == 0 else abs(h_value) // abs(i_value) * (1 if (h_value < 0) == (i_value < 0) else -1)
        )
        assert results[4] == (None if quotient == 2**63 else quotient)
        sign = 1 if h_value >= 0 else -1
        assert results[5] == (None if i_value == 0 else sign * (abs(h_value) % abs(i_value)))
        assert results[6] == (-h_value if h_value != -(2**63) else None)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Call(F.INTEGER_DIVIDE, (Literal(Type.INTEGER, -7), Literal(Type.INTEGER, 2))), -3),
        (Call(F.MODULO, (Literal(Type.INTEGER, -7), Literal(Type.INTEGER, 2))), -1),
        (Call(F.DIVIDE, (Literal(Type.INTEGER, 1), Literal(Type.INTEGER, 0))), None),
        (Call(F.DIVIDE, (Literal(Type.INTEGER, 5), Literal(Type.INTEGER, 2))), 2.5),
        (Call(F.ROUND, (Literal(Type.DECIMAL, Fraction(-5, 2)),)), -3.0),
        (Call(F.CAST_INTEGER, (Literal(Type.DECIMAL, Fraction(5, 2)),)), 3),
        (Call(F.CAST_INTEGER, (Literal(Type.TEXT, "99999999999999999999"),)), None),
        (Call(F.CAST_DATE, (Literal(Type.TEXT, "infinity"),)), None),
        (Call(F.CAST_DECIMAL, (Literal(Type.TEXT, "nan"),)), None),
        (Call(F.TRUNC_WEEK, (Literal(Type.DATE, date(2026, 11, 22)),)), date(2026, 11, 16)),
        (Call(F.ISO_DAY_OF_WEEK, (Literal(Type.DATE, date(2026, 11, 22)),)), 7),
        (Call(F.MONTHS_BETWEEN, (Literal(Type.DATE, date(2020, 1, 31)), Literal(Type.DATE, date(2020, 2, 1)))), 1),
        (Call(F.DAYS_BETWEEN, (Literal(Type.DATE, date(2020, 1, 31)), Literal(Type.DATE, date(2020, 2, 1)))), 1),
        (Call(F.ADD_DAYS, (Literal(Type.DATE, date(2020, 2, 28)), Literal(Type.INTEGER, 2))), date(2020, 3, 1)),
        (Call(F.LEAST, (Literal(Type.INTEGER, 1), Literal(Type.INTEGER, None), Literal(Type.INTEGER, 3))), None),
        (Call(F.GREATEST, (Literal(Type.INTEGER, 1), Literal(Type.DECIMAL, Fraction(5, 2)))), 2.5),
        (Call(F.NULLIF, (Literal(Type.INTEGER, 1), Literal(Type.INTEGER, 1))), None),
        (Call(F.CONCAT, (Literal(Type.TEXT, "a"), Literal(Type.TEXT, "b"), Literal(Type.TEXT, "c"))), "abc"),
        (Call(F.ALPHANUMERIC, (Literal(Type.TEXT, "ab-1 é"),)), "ab1"),
        (Call(F.LIKE, (Literal(Type.TEXT, "abc"), Literal(Type.TEXT, "a%"))), True),
    ],
    ids=lambda v: v.function.name if isinstance(v, Call) else "",
)
def test_functions_mean_what_the_plan_says(engine: duckdb.DuckDBPyConnection, call: Call, expected: object) -> None:
    [[value]] = engine.execute(f"SELECT {Expressions(DUCKDB, {}).value(call)}").fetchall()
    assert value == expected
    assert type(value) is type(expected)


def test_text_of_nested_calls_grows_linearly() -> None:
    nested: Expression = ColumnRef("e")
    for _ in range(20):
        nested = Call(F.DIVIDE, (ColumnRef("d"), nested))
    assert len(Expressions(DUCKDB, SCOPE).value(nested)) < 20 * 400


@pytest.mark.parametrize("text", ["'; DROP TABLE rows; --", '"', "\\", "a'b\"c", "%s {0} {x}", "—\n"])
def test_names_and_texts_are_quoted(engine: duckdb.DuckDBPyConnection, text: str) -> None:
    literal = Expressions(DUCKDB, {}).value(Literal(Type.TEXT, text))
    assert engine.execute(f"SELECT {literal}").fetchall() == [(text,)]
    column = Expressions(DUCKDB, {text: Domain(Type.INTEGER)}).value(ColumnRef(text))
    quoted_alias = '"' + text.replace('"', '""') + '"'
    assert engine.execute(f"SELECT {column} FROM (SELECT 5 AS {quoted_alias})").fetchall() == [(5,)]


def test_a_nul_in_a_text_is_refused() -> None:
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        Expressions(DUCKDB, {}).value(Literal(Type.TEXT, "a\0b"))


def test_key_position_ends_at_predicates() -> None:
    words = Expressions(DUCKDB, SCOPE, keyed=frozenset({"i", "day"}))
    old = Call(F.GREATER, (ColumnRef("i"), Literal(Type.INTEGER, 5)))
    choice = Call(F.CASE, (old, ColumnRef("i"), Literal(Type.INTEGER, 0)))
    assert words.value(choice, key=True) == (
        """CASE WHEN ("i" > CAST('5' AS BIGINT)) THEN "i$key" ELSE CAST('0' AS BIGINT) END"""
    )
    assert words.value(choice).count("$key") == 0
    assert '"day$key"' in words.value(Call(F.TRUNC_MONTH, (ColumnRef("day"),)), key=True)
    assert words.value(old, key=True).count("$key") == 0


def test_projections_carry_key_forms() -> None:
    nested: Relation = Project(Scan("t"), (NamedExpression("next", Call(F.ADD, (ColumnRef("i"), ColumnRef("i")))),))
    nested = Filter(nested, Call(F.LESS, (ColumnRef("next"), Literal(Type.INTEGER, 3))))
    rows = rows_of(nested, CATALOGUE, DUCKDB)
    assert rows.keyed == {"next"}
    assert '("i$key" + "i$key") AS "next$key"' in rows.sql
    assert rows.sql.endswith("""WHERE ("next" < CAST('3' AS BIGINT))""")


def summed(
    engine: duckdb.DuckDBPyConnection, relation: Relation, keys: tuple[Key, ...], *measures: Measure, **changes: int
) -> dict[tuple[object, ...], list[int]]:
    catalogue = Catalogue(1, "test", (replace(CATALOGUE.datasets[0], **changes),))
    aggregate = Aggregate(relation, keys, (GroupingSet(tuple(range(len(keys)))),), measures)
    sql = query_of(aggregate, aggregate.grouping_sets[0], catalogue, DUCKDB, "salt")
    rows = engine.execute(sql).fetchall()
    return {tuple(row[: len(keys)]): [int(v or 0) for v in row[len(keys) :]] for row in rows}


def test_steps_are_clamped_and_rounded(engine: duckdb.DuckDBPyConnection) -> None:
    """floor((x - centre) / step + 1/2), ends from the clamp; NULL adds nothing."""
    d, i = ColumnRef("d"), ColumnRef("i")
    narrow = Clamp(Fraction(-1), Fraction(3))
    values = [v for (v,) in engine.execute("SELECT d FROM snapshot_t.rows WHERE d IS NOT NULL").fetchall()]
    exact = [max(Fraction(-1), min(Fraction(3), Fraction(v))) for v in values]
    [plain] = summed(engine, Scan("t"), (), Measure(Statistic.SUM, d, None, narrow)).values()
    assert plain == [sum(v / Fraction(1, 4) for v in exact)]
    [centred] = summed(engine, Scan("t"), (), Measure(Statistic.CENTRED_SUM, d, None, narrow)).values()
    assert centred == [sum((v - 1) / Fraction(1, 4) for v in exact)]
    third = Call(F.DIVIDE, (i, Literal(Type.INTEGER, 3)))
    clamp = clamp_of(domain_of(third, SCOPE))
    [thirds] = summed(engine, Scan("t"), (), Measure(Statistic.SUM, third, None, clamp)).values()
    wholes = [v for (v,) in engine.execute("SELECT i FROM snapshot_t.rows WHERE i IS NOT NULL").fetchall()]
    step = Fraction(1, 2**18)  # the power of two that puts 2^19 to 2^20 steps into 3
    assert abs(thirds[0] * step - sum(Fraction(v, 3) for v in wholes)) <= len(wholes) * step / 2
    only = Call(F.EQUAL, (ColumnRef("t"), Literal(Type.TEXT, "N")))
    [counts] = summed(
        engine,
        Scan("t"),
        (),
        Measure(Statistic.COUNT_ROWS, filter=only),
        Measure(Statistic.COUNT_PRESENT, d),
        Measure(Statistic.COUNT_PERSONS, filter=only),
        Measure(Statistic.SUM, i, only, clamp_of(domain_of(i, SCOPE))),
    ).values()
    assert counts[1] == len(values)
    oracle = "SELECT COUNT(*), COUNT(DISTINCT p), SUM(i) FROM snapshot_t.rows WHERE t = 'N'"
    assert [counts[0], counts[2], counts[3]] == list(engine.execute(oracle).fetchone() or ())


def test_dates_are_summed_as_days(engine: duckdb.DuckDBPyConnection) -> None:
    day = ColumnRef("day")
    clamp = clamp_of(domain_of(day, SCOPE))
    [[total]] = summed(engine, Scan("t"), (), Measure(Statistic.SUM, day, None, clamp)).values()
    held = [v for (v,) in engine.execute("SELECT day FROM snapshot_t.rows WHERE day IS NOT NULL").fetchall()]
    step = grid_of(Measure(Statistic.SUM, day, None, clamp), SCOPE).step
    assert total * step == sum((v - EPOCH).days for v in held)


def test_groups_are_capped_a_person(engine: duckdb.DuckDBPyConnection) -> None:
    """Each person counts in at most two of four groups, with all rows there; persons under the cap lose nothing."""
    engine.execute("CREATE OR REPLACE TABLE snapshot_t.many AS SELECT * FROM snapshot_t.rows LIMIT 0")
    draw = random.Random(3)
    groups = {f"p{n}": draw.sample(("N", "s ", "E", "2"), draw.choice((1, 2, 3, 4))) for n in range(200)}
    for person, regions in groups.items():
        for region in regions:
            engine.execute("INSERT INTO snapshot_t.many (p, t, i) VALUES (?, ?, 1), (?, ?, 1)", [person, region] * 2)
    engine.execute("ALTER TABLE snapshot_t.rows RENAME TO kept")
    engine.execute("ALTER TABLE snapshot_t.many RENAME TO rows")
    try:
        key = Key(ColumnRef("t"), key_values(SCOPE["t"], 10))
        measures = (
            Measure(Statistic.COUNT_ROWS),
            Measure(Statistic.COUNT_PERSONS),
            Measure(Statistic.SUM, ColumnRef("i"), None, Clamp(Fraction(0), Fraction(9))),
        )
        cells = summed(engine, Scan("t"), (key,), *measures, rows_per_person=8, groups_per_person=2)
        free = summed(engine, Scan("t"), (key,), *measures, rows_per_person=8, groups_per_person=8)
    finally:
        engine.execute("DROP TABLE snapshot_t.rows")
        engine.execute("ALTER TABLE snapshot_t.kept RENAME TO rows")
    kept = sum(min(2, len(g)) for g in groups.values())
    assert [sum(c[m] for c in cells.values()) for m in range(3)] == [2 * kept, kept, 2 * kept]
    assert sum(c[1] for c in free.values()) == sum(map(len, groups.values()))
    assert all(c[0] == 2 * c[1] == c[2] for c in cells.values())


def test_date_keys_are_shown_as_iso_text(engine: duckdb.DuckDBPyConnection) -> None:
    month = Call(F.TRUNC_YEAR, (ColumnRef("day"),))
    key = Key(month, key_values(domain_of(month, SCOPE), 100))
    engine.execute('ALTER TABLE snapshot_t.rows ADD COLUMN IF NOT EXISTS "day$key" DATE')
    engine.execute('UPDATE snapshot_t.rows SET "day$key" = day')
    cells = summed(engine, Scan("t"), (key,), Measure(Statistic.COUNT_ROWS))
    assert set(cells) == {(f"{year}-01-01",) for year in (1999, 2000, 2020, 2021)}
