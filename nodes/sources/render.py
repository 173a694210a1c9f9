# ruff: noqa: S608
"""One grouping set of a typed plan as one SQL query: one row a non-empty cell, each measure an exact integer.

Claim: a row adds at most ``bound_steps`` to a SUM and 1 to a count; a person adds to at most ``groups`` cells of the
       set where the groups are capped; nothing in the query can fail on data or overflow, and its rows are never
       more than the cells.
Because: a value is put on its grid and then clamped by a full CASE to exact integer ends before it is summed; sums
       run in an integer type wider than rows x steps; the cap keeps, of each person's groups, those of least keyed
       hash, which no other person's rows influence; rows whose key is not listed are dropped before they are grouped.
Checked by: tests/sources/test_render.py::test_steps_are_clamped_and_rounded
            tests/sources/test_render.py::test_groups_are_capped_a_person
            tests/sources/test_partials.py::test_a_whole_key_loses_no_row_to_doubles
            tests/sources/test_partials.py::test_rows_of_unlisted_keys_are_dropped_before_groups
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from engine.errors import Refused
from engine.trusted.calibrate import Grid, grid_of
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.domains import Scope, scope_of
from engine.trusted.plan import (
    Aggregate,
    ColumnRef,
    Filter,
    GroupingSet,
    Key,
    Measure,
    NamedExpression,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.stability import stability_of
from engine.trusted.walk import relations_of
from nodes.sources.dialect import Dialect, quoted, text_literal
from nodes.sources.expressions import KEY, Expressions

SUMS = (Statistic.SUM, Statistic.CENTRED_SUM)
ROWS = "rows"  # the one table of a snapshot


def alias(dataset: str) -> str:
    """The name under which a dataset's snapshot is attached."""
    return f"snapshot_{dataset}"


def has_key_form(dataset: Dataset) -> frozenset[str]:
    """Columns stored twice: clamped, and as key with NULL outside the bounds."""
    return frozenset(c.name for c in dataset.columns if c.bounds is not None and c.name != dataset.person.column)


@dataclass(frozen=True, slots=True)
class Rows:
    """A relation as SQL, with what may be named in it."""

    sql: str
    scope: Scope
    keyed: frozenset[str]
    person: str

    def expressions(self, dialect: Dialect) -> Expressions:
        return Expressions(dialect, self.scope, keyed=self.keyed)


def rows_of(relation: Relation, catalogue: Catalogue, dialect: Dialect) -> Rows:
    """The rows of a relation of Scan, Filter and Project; POLICY_NOT_SUPPORTED for others."""
    scope = scope_of(relation, catalogue)
    if isinstance(relation, Scan):
        dataset = catalogue.dataset(relation.dataset)
        if dataset is None:
            raise Refused("POLICY_PLAN_INVALID", internal="dataset")
        table = f"{quoted(alias(dataset.name))}.{quoted(ROWS)}"
        return Rows(f"SELECT * FROM {table}", scope, has_key_form(dataset), dataset.person.column)
    if isinstance(relation, Filter):
        rows = rows_of(relation.input, catalogue, dialect)
        predicate = rows.expressions(dialect).value(relation.predicate)
        return Rows(f"SELECT * FROM ({rows.sql}) AS r WHERE {predicate}", scope, rows.keyed, rows.person)
    if isinstance(relation, Project):
        rows = rows_of(relation.input, catalogue, dialect)
        columns, keyed = _projected(relation.columns, rows.expressions(dialect))
        return Rows(f"SELECT {quoted(rows.person)}, {columns} FROM ({rows.sql}) AS r", scope, keyed, rows.person)
    raise Refused("POLICY_NOT_SUPPORTED", operator=type(relation).__name__)


def _projected(columns: tuple[NamedExpression, ...], inner: Expressions) -> tuple[str, frozenset[str]]:
    """Each column once, and again in its key form where that differs."""
    texts, keyed = [], set()
    for column in columns:
        plain, key = inner.value(column.expression), inner.value(column.expression, key=True)
        texts.append(f"{plain} AS {quoted(column.name)}")
        if key != plain:
            keyed.add(column.name)
            texts.append(f"{key} AS {quoted(column.name + KEY)}")
    return ", ".join(texts), frozenset(keyed)


def query_of(
    aggregate: Aggregate, grouping_set: GroupingSet, catalogue: Catalogue, dialect: Dialect, hash_key: str
) -> str:
    """SQL of one grouping set: its key values, then one decimal text a measure; NULL keys only where declared.

    ``hash_key`` decides which groups of a person are kept where they are capped.
    """
    rows = rows_of(aggregate.input, catalogue, dialect)
    inner = rows.expressions(dialect)
    stability = stability_of(aggregate.input, catalogue)
    keys = [aggregate.keys[k] for k in grouping_set.keys]
    operands = [f"{quoted(rows.person)} AS p"]
    operands += [f"{_key(k, inner)} AS k{i}" for i, k in enumerate(keys)]
    for i, m in enumerate(aggregate.measures):
        operands += [f"{_operand(m, inner)} AS x{i}"] if m.expression is not None else []
        operands += [f"{inner.value(m.filter)} AS f{i}"] if m.filter is not None else []
    stored = not any(isinstance(r, Project) for _, r in relations_of(aggregate.input))
    listed = [_listed(f"k{i}", k, inner, stored=stored) for i, k in enumerate(keys)]
    where = f" WHERE {' AND '.join(listed)}" if listed else ""
    source = f"(SELECT {', '.join(operands)} FROM ({rows.sql}) AS r) AS o{where}"
    one_row = stability.rows == 1
    sums = [_sum(i, m, inner, one_row) for i, m in enumerate(aggregate.measures)]
    names = [f"k{i}" for i in range(len(keys))]
    if keys and stability.groups < stability.rows:
        source = _capped(source, names, sums, stability.groups, dialect, hash_key)
        sums = [f"SUM(m{i})" for i in range(len(sums))]
    shown = [dialect.cast(n, Type.TEXT) if _is_date(k.values) else n for n, k in zip(names, keys, strict=True)]
    columns = ", ".join([*shown, *(dialect.cast(s, Type.TEXT) for s in sums)])
    return f"SELECT {columns} FROM {source}" + (f" GROUP BY {', '.join(names)}" if names else "")


def _key(key: Key, inner: Expressions) -> str:
    """A DECIMAL key whose values are whole is rounded: the doubles of ``(0.1 + 0.2) * 10`` lie beside them."""
    text = inner.value(key.expression, key=True)
    whole = all(v.value is None or getattr(v.value, "denominator", 0) == 1 for v in key.values)
    return f"round({text})" if whole and inner.domain(key.expression).type is Type.DECIMAL else text


def _listed(name: str, key: Key, inner: Expressions, *, stored: bool) -> str:
    """Whether a row's key is listed; a bare column of the published view, where it is not NULL, always is."""
    held = [v for v in key.values if v.value is not None]
    if stored and isinstance(key.expression, ColumnRef):
        return "TRUE" if len(held) < len(key.values) else f"{name} IS NOT NULL"
    test = inner.dialect.listed.format(name, ", ".join(map(inner.literal, held))) if held else "FALSE"
    return test if len(held) == len(key.values) else f"({name} IS NULL OR {test})"


def _is_date(values: tuple[object, ...]) -> bool:
    return any(getattr(v, "type", None) is Type.DATE for v in values)


def _operand(measure: Measure, inner: Expressions) -> str:
    """What one measure looks at, a row: for a sum, the whole steps before they are clamped."""
    assert measure.expression is not None  # noqa: S101
    value = inner.value(measure.expression)
    if measure.statistic not in SUMS:
        return value
    kind, words = inner.domain(measure.expression).type, inner.dialect
    grid = grid_of(measure, inner.scope)
    if kind is Type.DATE:
        value = f"({value} - DATE '1970-01-01')"
    if kind is not Type.DECIMAL and grid.step == 1 and grid.centre.denominator == 1:
        return f"({value} - ({int(grid.centre)}))" if grid.centre else value
    number = words.cast(value, Type.DECIMAL) if kind is not Type.DECIMAL else value
    centred = f"({number} - {_double(grid.centre, words)})" if grid.centre else number
    scaled = "".join(
        f" {operator} {_double(Fraction(factor), words)}"
        for operator, factor in (("*", grid.step.denominator), ("/", grid.step.numerator))
        if factor != 1
    )
    return f"floor({centred}{scaled} + 0.5)"


def _sum(position: int, measure: Measure, inner: Expressions, one_row: bool) -> str:
    """One measure over the operands x, f and p: an exact integer aggregate."""
    statistic, operand = measure.statistic, "1"
    if statistic in SUMS:
        operand = _clamped(f"x{position}", measure, inner)
    elif statistic is Statistic.COUNT_PRESENT:
        operand = f"x{position}"
    elif statistic is Statistic.COUNT_PERSONS:
        operand = "p" if one_row else "DISTINCT p"
    elif statistic is not Statistic.COUNT_ROWS:
        raise Refused("POLICY_NOT_SUPPORTED", operator=statistic.name)
    if measure.filter is not None:
        _, distinct, plain = operand.rpartition("DISTINCT ")
        operand = f"{distinct}CASE WHEN f{position} THEN {plain} END"
    return f"{'SUM' if statistic in SUMS else 'COUNT'}({operand})"


def _clamped(steps: str, measure: Measure, inner: Expressions) -> str:
    """Whole steps between those of the clamp's ends, by a full CASE; NULL stays NULL."""
    if measure.clamp is None:
        raise Refused("POLICY_PLAN_INVALID", internal="a sum without a clamp")
    grid = grid_of(measure, inner.scope)
    lower, upper = (_whole_steps(end, grid) for end in (measure.clamp.lower, measure.clamp.upper))
    clamped = f"CASE WHEN {steps} > {upper} THEN {upper} WHEN {steps} < {lower} THEN {lower} ELSE {steps} END"
    return inner.dialect.cast(clamped, Type.INTEGER)


def _whole_steps(end: Fraction, grid: Grid) -> int:
    whole = floor((end - grid.centre) / grid.step + Fraction(1, 2))
    return max(-grid.bound_steps, min(grid.bound_steps, whole))


def _double(value: Fraction, dialect: Dialect) -> str:
    return dialect.cast(text_literal(str(float(value))), Type.DECIMAL)


def _capped(source: str, keys: list[str], sums: list[str], groups: int, dialect: Dialect, hash_key: str) -> str:
    """Each person's contribution to each group; of a person with too many, those of least keyed hash."""
    names = ", ".join(keys)
    parts = ", ".join(f"{dialect.cast(s, Type.INTEGER)} AS m{i}" for i, s in enumerate(sums))
    order = dialect.keyed_hash.format(text_literal(hash_key), f"p, {names}")
    return (
        f"(WITH own AS MATERIALIZED (SELECT p, {names}, {parts} FROM {source} GROUP BY p, {names}),"
        f" above AS (SELECT p FROM own GROUP BY p HAVING COUNT(*) > {groups}),"
        f" ranked AS (SELECT own.*, row_number() OVER (PARTITION BY p ORDER BY {order}, {names}) AS n FROM own"
        f" WHERE p IN (SELECT p FROM above))"
        f" SELECT own.*, 1 AS n FROM own WHERE p NOT IN (SELECT p FROM above)"
        f" UNION ALL SELECT * FROM ranked WHERE n <= {groups}) AS g"
    )
