"""Domains against DuckDB: random expressions on random and extreme rows stay inside what is derived for them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from fractions import Fraction

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalogue import COLUMNS, call, catalogue_of, column, value

from engine.errors import Refused
from engine.trusted import intervals
from engine.trusted.catalogue import Column
from engine.trusted.dates import EPOCH, day_number, day_of
from engine.trusted.domain import bounded
from engine.trusted.domains import Domain, Scope, clamp_of, domain_of, key_values, scope_of
from engine.trusted.functions import TABLE
from engine.trusted.plan import (
    Call,
    ColumnRef,
    Expression,
    Filter,
    Function,
    JoinKind,
    Literal,
    LiteralValue,
    NamedExpression,
    PersonJoin,
    PrivateJoin,
    Project,
    Scan,
    Type,
)
from nodes.sources.dialect import DUCKDB, quoted, text_literal
from nodes.sources.expressions import Expressions

CATALOGUE = catalogue_of()
SCOPE = scope_of(Scan("people"), CATALOGUE)
PLAIN = tuple(c for c in COLUMNS if c.name != "person_id")
LITERALS: dict[Type, tuple[LiteralValue, ...]] = {
    Type.BOOLEAN: (True, False, None),
    Type.INTEGER: (0, 1, -1, 2, 7, 10, -4, 100, 10**6, None),
    Type.DECIMAL: (Fraction(0), Fraction(1, 10), Fraction(-5, 2), Fraction(1, 3), Fraction(10**6), None),
    Type.DATE: (date(2020, 2, 29), date(1970, 1, 1), None),
    Type.TEXT: ("N", "a b", "x", "", None),
}
BOOLEANS = {f for f in Function if 20 <= f.value < 40} | {Function.CAST_BOOLEAN}
CHOICES = {Function.CASE, Function.COALESCE, Function.NULLIF}
RESULTS: dict[Type, tuple[Function, ...]] = dict.fromkeys(Type, ())


def _result_types(function: Function) -> Sequence[Type]:
    number = (Type.INTEGER, Type.DECIMAL)
    if function in BOOLEANS:
        return (Type.BOOLEAN,)
    if function in CHOICES:
        return tuple(Type)
    if function.name.startswith("CAST_"):
        return (Type[function.name[5:]],)
    if function in (Function.LEAST, Function.GREATEST):
        return (*number, Type.DATE)
    if function is Function.DIVIDE:
        return (Type.DECIMAL,)
    if function in (Function.INTEGER_DIVIDE, Function.MODULO):
        return (Type.INTEGER,)
    if function.value < 20:
        return number
    if function.name.startswith("TRUNC_") or function is Function.ADD_DAYS:
        return (Type.DATE,)
    return (Type.TEXT,) if function.value >= 80 and function is not Function.LENGTH else (Type.INTEGER,)


for _function in Function:
    for _kind in _result_types(_function):
        RESULTS[_kind] += (_function,)


class Writer:
    """Writes random expressions of a wanted type."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def write(self, kind: Type, depth: int) -> Expression:
        if depth == 0 or self.rng.random() < 0.15:
            return self.leaf(kind)
        function = self.rng.choice(RESULTS[kind])
        return Call(function, tuple(self.arguments(function, kind, depth - 1)))

    def leaf(self, kind: Type) -> Expression:
        columns = [c for c in PLAIN if c.type is kind]
        if self.rng.random() < 0.75:
            return ColumnRef(self.rng.choice(columns).name)
        return Literal(kind, self.rng.choice(LITERALS[kind]))

    def arguments(self, function: Function, kind: Type, depth: int) -> Iterator[Expression]:
        rng, row = self.rng, TABLE[function]
        if function is Function.CASE:
            for _ in range(rng.randint(1, 2)):
                yield self.write(Type.BOOLEAN, depth)
                yield self.write(kind, depth)
            yield self.write(kind, depth)
            return
        if function in CHOICES or function in (Function.LEAST, Function.GREATEST):
            yield from (self.write(kind, depth) for _ in range(2))
            return
        accepted = sorted(row.accepts[0], key=lambda t: t.value)
        first = (
            rng.choice([t for t in accepted if t is kind] or accepted) if function.value < 20 else rng.choice(accepted)
        )
        yield self.write(first, depth)
        if function in (Function.IN, Function.LIKE):
            yield Literal(first, rng.choice([v for v in LITERALS[first] if v is not None]))
        elif function is Function.SUBSTRING:
            yield from (value(rng.randint(1, 3)), value(rng.randint(0, 3)))
        elif function is Function.ROUND:
            yield from [value(rng.randint(-3, 3))] if rng.random() < 0.7 else []
        else:
            for position in range(1, row.least):
                types = row.accepts[min(position, len(row.accepts) - 1)]
                yield self.write(first if first in types else next(iter(types)), depth)


def some_value(col: Column, rng: random.Random) -> LiteralValue:
    """A value the published view may hold, the ends more often than chance; never NULL."""
    if col.type is Type.BOOLEAN:
        return rng.random() < 0.5
    if col.type is Type.TEXT:
        return rng.choice(col.domain or ("", "Zoë", "x y", "12", "2020-01-05"))
    if col.bounds is None:
        return rng.choice((-(2**63), 2**63 - 1, 0, 5, 2**53 + 1))
    lower, upper = col.bounds.lower, col.bounds.upper
    end = rng.random() < 0.4
    if col.type is Type.DECIMAL and col.step is None:
        return rng.choice((lower, upper)) if end else lower + (upper - lower) * rng.randint(0, 997) / 997
    step = col.step or Fraction(1)
    number = rng.choice((lower, upper)) if end else lower + step * rng.randint(0, int((upper - lower) / step))
    if col.type is Type.DECIMAL:
        return number
    return day_of(number) if col.type is Type.DATE else int(number)


def literal_sql(kind: Type, found: LiteralValue) -> str:
    if found is None:
        return f"CAST(NULL AS {DUCKDB.types[kind]})"
    return f"CAST({text_literal(str(float(found) if isinstance(found, Fraction) else found))} AS {DUCKDB.types[kind]})"


def some_rows(count: int, rng: random.Random) -> list[dict[str, LiteralValue]]:
    """One value in ten is NULL."""
    rows: list[dict[str, LiteralValue]] = []
    for _ in range(count):
        row = {c.name: some_value(c, rng) for c in PLAIN}
        rows.append({name: None if rng.random() < 0.1 else v for name, v in row.items()})
    return rows


ROWS = some_rows(120, random.Random(20))


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        names = ", ".join(quoted(c.name) for c in PLAIN)
        table = ", ".join(f"({', '.join(literal_sql(c.type, row[c.name]) for c in PLAIN)})" for row in ROWS)
        connection.execute(f"CREATE TABLE t AS SELECT * FROM (VALUES {table}) AS v({names})")
        yield connection


def number_of(found: object) -> Fraction:
    return day_number(found) if isinstance(found, date) else Fraction(found)  # type: ignore[call-overload]


def listed(domain: Domain) -> frozenset[LiteralValue] | None:
    try:
        keys = [key.value for key in key_values(domain, 0)]
    except Refused:
        return None
    assert len(set(keys)) == len(keys)
    return frozenset(keys)


def check(domain: Domain, keys: frozenset[LiteralValue] | None, found: object, undeclared_null: bool) -> None:
    if found is None:
        assert domain.nullable
        assert domain.null_key or undeclared_null
        return
    python = {Type.BOOLEAN: bool, Type.INTEGER: int, Type.DECIMAL: float, Type.DATE: date, Type.TEXT: str}
    assert type(found) is python[domain.type]
    if domain.interval is not None:
        lower, upper = intervals.doubles(domain.interval)
        assert lower <= number_of(found) <= upper
    if domain.step is not None and bounded(domain):
        places = number_of(found) / domain.step
        assert abs(places - round(places)) <= Fraction(1, 10**6) * max(1, abs(places))
    if domain.type is Type.DECIMAL:
        assert domain.values is None or found in [float(v or 0) for v in domain.values]  # type: ignore[arg-type]
    elif keys is not None:
        assert found in keys


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64), st.sampled_from(list(Type)), st.integers(1, 4))
def test_every_value_lies_in_its_domain(engine: duckdb.DuckDBPyConnection, seed: int, kind: Type, depth: int) -> None:
    """Type, NULLs, interval, step, finite set and key list: 8 expressions an example, on 120 rows."""
    rng = random.Random(seed)
    cases = []
    for expression in (Writer(rng).write(kind, depth) for _ in range(8)):
        try:
            domain = domain_of(expression, SCOPE)
            cases.append((Expressions(DUCKDB, SCOPE).value(expression), domain, listed(domain)))
        except Refused as refused:
            assert refused.code in ("SQL_TOO_LARGE", "SQL_TYPE_MISMATCH")
    undeclared = [c.name for c in PLAIN if not c.nullable]
    found = engine.execute(f"SELECT {', '.join([text for text, _, _ in cases] or ['1'])} FROM t").fetchall()
    for row, results in zip(ROWS, found, strict=True):
        for (_, domain, keys), result in zip(cases, results, strict=False):
            check(domain, keys, result, any(row[name] is None for name in undeclared))


# -- single rules, as a table


def interval_of(domain: Domain) -> tuple[str, str] | None:
    return None if domain.interval is None else (str(domain.interval[0]), str(domain.interval[1]))


AGE, VISITS, INCOME, RATIO = column("age"), column("visits"), column("income"), column("ratio")


@pytest.mark.parametrize(
    ("expression", "interval", "step"),
    [
        (call("ADD", AGE, value(5)), ("2", "17"), "1"),
        (call("MULTIPLY", AGE, AGE), ("0", "144"), "1"),
        (call("MULTIPLY", AGE, VISITS), ("-300", "1200"), "1"),
        (call("MULTIPLY", call("INTEGER_DIVIDE", VISITS, value(10)), value(10)), ("0", "100"), "10"),
        (call("INTEGER_DIVIDE", AGE, value(5)), ("0", "2"), "1"),
        (call("INTEGER_DIVIDE", VISITS, AGE), ("-100", "100"), "1"),
        (call("MODULO", AGE, value(5)), ("-3", "4"), "1"),
        (call("DIVIDE", VISITS, AGE), ("-100", "100"), None),
        (call("DIVIDE", VISITS, column("change")), None, None),
        (call("DIVIDE", VISITS, value(8)), ("0", "25/2"), None),
        (call("ABS", column("change")), ("0", "5"), "1/4"),
        (call("ADD", INCOME, column("change")), ("-5", "2003"), "1/100"),
        (call("SUBTRACT", INCOME, value(1000)), ("-1000", "1000"), "1/100"),
        (call("FLOOR", INCOME), ("0", "2000"), "1"),
        (call("ROUND", VISITS, value(-1)), ("0", "100"), "10"),
        (call("LEAST", column("huge"), value(9)), None, "1"),
        (call("GREATEST", value(0), call("LEAST", column("huge"), value(9))), ("0", "9"), "1"),
        (call("CASE", column("flag"), VISITS, value(0)), ("0", "100"), "1"),
        (call("CAST_INTEGER", column("free")), (str(-(2**53)), str(2**53)), "1"),
        (call("YEAR", column("paid")), ("2019", "2021"), "1"),
        (call("DAYS_BETWEEN", column("paid"), column("paid")), ("-463", "463"), "1"),
        (call("MONTHS_BETWEEN", value(date(2019, 11, 30)), column("paid")), ("0", "16"), "1"),
        (call("LENGTH", column("region")), ("0", "1"), "1"),
    ],
)
def test_intervals_and_steps(expression: Expression, interval: tuple[str, str] | None, step: str | None) -> None:
    domain = domain_of(expression, SCOPE)
    assert interval_of(domain) == interval or (interval is None and not bounded(domain))
    assert domain.step == (None if step is None else Fraction(step))


def keys_of(expression: Expression, most: int = 0) -> list[LiteralValue]:
    return [k.value for k in key_values(domain_of(expression, SCOPE), most)]


def test_key_lists() -> None:
    assert keys_of(column("region")) == ["N", "S", "E", "W"]
    assert keys_of(column("flag")) == [False, True, None]
    assert keys_of(call("CASE", column("flag"), value("yes"), value("no"))) == ["yes", "no"]
    assert keys_of(call("CASE", column("flag"), value("yes"), Literal(Type.TEXT, None))) == ["yes", None]
    assert keys_of(AGE) == [*range(-3, 13), None]
    assert keys_of(call("MULTIPLY", call("INTEGER_DIVIDE", VISITS, value(25)), value(25))) == [0, 25, 50, 75, 100]
    assert keys_of(call("TRUNC_QUARTER", column("paid"))) == [
        date(2019, 10, 1) if i == 0 else date(2020 + (i - 1) // 4, (i - 1) % 4 * 3 + 1, 1) for i in range(6)
    ]
    assert keys_of(call("TRUNC_WEEK", column("paid")))[:2] == [date(2019, 11, 25), date(2019, 12, 2)]
    assert keys_of(call("FLOOR", call("DIVIDE", INCOME, value(1000)))) == [0, 1, 2]
    assert keys_of(call("LOWER", column("region"))) == ["n", "s", "e", "w"]
    assert keys_of(call("CONCAT", column("region"), value("!"))) == ["N!", "S!", "E!", "W!"]
    assert keys_of(call("SUBSTRING", value("abc"), value(2), value(5))) == ["bc"]
    assert keys_of(call("COALESCE", column("region"), value("none"))) == ["N", "S", "E", "W", "none"]
    assert keys_of(call("NULLIF", column("region"), value("S"))) == ["N", "E", "W", None]
    assert keys_of(call("CAST_TEXT", call("YEAR", column("paid")))) == ["2019", "2020", "2021"]
    assert keys_of(call("ALPHANUMERIC", call("CASE", column("flag"), value("a-b"), value("ab")))) == ["ab"]
    assert keys_of(call("TRUNC_YEAR", value(date(9999, 5, 5)))) == [date(9999, 1, 1)]


@pytest.mark.parametrize(
    ("expression", "most", "code"),
    [
        (column("free"), 0, "SQL_KEY_NO_DOMAIN"),
        (column("huge"), 0, "SQL_KEY_NO_DOMAIN"),
        (INCOME, 0, "SQL_KEY_NO_DOMAIN"),
        (RATIO, 0, "SQL_KEY_NO_DOMAIN"),
        (call("UPPER", column("town")), 0, "SQL_KEY_NO_DOMAIN"),
        (column("born"), 0, "SQL_KEY_TOO_MANY"),
        (VISITS, 100, "SQL_KEY_TOO_MANY"),
        (column("person_id"), 0, "SQL_PERSON_COLUMN"),
    ],
)
def test_keys_that_cannot_be_listed(expression: Expression, most: int, code: str) -> None:
    with pytest.raises(Refused, match=code):
        keys_of(expression, most)


def test_a_huge_range_is_never_listed() -> None:
    wide = Domain(Type.INTEGER, interval=(Fraction(-(2**53)), Fraction(2**53)), step=Fraction(1))
    with pytest.raises(Refused, match="SQL_KEY_TOO_MANY"):
        key_values(wide, 10**4)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        (call("ADD", column("region"), value(1)), "SQL_TYPE_MISMATCH"),
        (call("LESS", column("region"), value("M")), "SQL_TYPE_MISMATCH"),
        (call("EQUAL", AGE, value("1")), "SQL_TYPE_MISMATCH"),
        (call("INTEGER_DIVIDE", INCOME, value(2)), "SQL_TYPE_MISMATCH"),
        (call("CASE", AGE, value(1), value(2)), "SQL_TYPE_MISMATCH"),
        (call("CASE", column("flag"), value(1), value("x")), "SQL_TYPE_MISMATCH"),
        (call("CASE", column("flag"), value(1), column("flag"), value(2)), "SQL_TYPE_MISMATCH"),
        (call("IN", AGE, VISITS), "SQL_TYPE_MISMATCH"),
        (call("LIKE", column("free"), column("free")), "SQL_TYPE_MISMATCH"),
        (call("ROUND", INCOME, VISITS), "SQL_TYPE_MISMATCH"),
        (call("ROUND", INCOME, value(10)), "SQL_TYPE_MISMATCH"),
        (call("SUBSTRING", column("free"), value(0), value(1)), "SQL_TYPE_MISMATCH"),
        (call("NOT", AGE), "SQL_TYPE_MISMATCH"),
        (call("NEGATE", AGE, AGE), "SQL_TYPE_MISMATCH"),
        (call("ADD", column("huge"), value(1)), "SQL_TOO_LARGE"),
        (call("MULTIPLY", value(2**40), value(2**40)), "SQL_TOO_LARGE"),
        (value(2**53 + 1), "SQL_TOO_LARGE"),
        (call("ADD_DAYS", column("paid"), value(10**7)), "SQL_TOO_LARGE"),
        (call("EQUAL", column("person_id"), value("AB123")), "SQL_PERSON_LITERAL"),
        (call("IN", column("person_id"), value("AB123")), "SQL_PERSON_LITERAL"),
        (call("LIKE", column("person_id"), value("A%")), "SQL_PERSON_LITERAL"),
        (call("UPPER", column("person_id")), "SQL_PERSON_COLUMN"),
        (call("EQUAL", column("person_id"), column("free")), "SQL_PERSON_COLUMN"),
        (call("CASE", column("flag"), column("person_id"), value("x")), "SQL_PERSON_COLUMN"),
        (column("nobody"), "POLICY_PLAN_INVALID"),
    ],
)
def test_refused_expressions(expression: Expression, code: str) -> None:
    with pytest.raises(Refused) as refused:
        domain_of(expression, SCOPE)
    assert refused.value.code == code


def test_a_binding_may_use_integers_without_bounds() -> None:
    domain = domain_of(call("ADD", column("huge"), value(1)), SCOPE, local=True)
    assert (domain.type, bounded(domain)) == (Type.INTEGER, False)


def test_clamps() -> None:
    assert clamp_of(domain_of(INCOME, SCOPE)).upper == 2000
    tax = clamp_of(domain_of(call("MULTIPLY", INCOME, value(Fraction(12, 10))), SCOPE))
    assert (tax.lower, tax.upper) == (0, 2400)
    assert clamp_of(domain_of(RATIO, SCOPE)).upper == Fraction(7, 10)
    for expression, code in (
        (column("huge"), "SQL_UNBOUNDED_MEASURE"),
        (call("LEAST", call("CAST_DECIMAL", column("free")), value(5)), "SQL_UNBOUNDED_MEASURE"),
        (column("region"), "SQL_TYPE_MISMATCH"),
    ):
        with pytest.raises(Refused, match=code):
            clamp_of(domain_of(expression, SCOPE))


def test_deep_products_stay_small() -> None:
    """Ends keep at most 53 bits, so a tower of projections cannot make numbers grow without end."""
    scope: Scope = {"x": domain_of(RATIO, SCOPE)}
    for _ in range(64):
        scope = {"x": domain_of(call("MULTIPLY", column("x"), column("x")), scope)}
    ends = scope["x"].interval or ()
    assert all(end.denominator <= 2**53 for end in ends)


def test_scopes() -> None:
    scan = Scan("people")
    assert next(iter(SCOPE)) == "person_id"
    assert SCOPE["person_id"].person
    projected = Project(scan, (NamedExpression("double", call("MULTIPLY", AGE, value(2))),))
    assert list(scope_of(Filter(projected, call("GREATER", column("double"), value(0))), CATALOGUE)) == [
        "person_id",
        "double",
    ]
    for relation, code in (
        (Scan("nothing"), "POLICY_PLAN_INVALID"),
        (Filter(scan, AGE), "SQL_TYPE_MISMATCH"),
        (Project(scan, (NamedExpression("a", AGE), NamedExpression("a", AGE))), "POLICY_PLAN_INVALID"),
        (Project(scan, (NamedExpression("p", column("person_id")),)), "POLICY_PLAN_INVALID"),
        (PersonJoin(JoinKind.INNER, scan, scan), "POLICY_PLAN_INVALID"),
        (PrivateJoin(scan, scan), "SQL_JOIN_HOSTS"),
    ):
        with pytest.raises(Refused, match=code):
            scope_of(relation, CATALOGUE)


def test_days_are_counted_from_1970() -> None:
    assert day_number(EPOCH) == 0
    assert day_of(Fraction(-1)) == EPOCH - timedelta(days=1)


def test_every_function_has_a_row() -> None:
    assert set(TABLE) == set(Function)
