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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from engine.errors import Refused
from engine.trusted import plan
from engine.trusted.calibrate import Grid, grid_of, tree_of
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.domains import Scope, clamp_of, domain_of, scope_of
from engine.trusted.plan import Feature, Measure, Statistic, Type
from engine.trusted.stability import dataset_of, stability_of
from engine.trusted.walk import relations_of
from nodes.sources.dialect import Dialect, quoted, text_literal
from nodes.sources.expressions import KEY, Expressions

SUMS = (Statistic.SUM, Statistic.CENTRED_SUM)
CLAMPED = (*SUMS, Statistic.QUANTILE_TREE)
ROWS, SEVERAL = "rows", "several"  # tables of a snapshot: its rows; (p, n) of each person p with n > 1 rows
_EXTREMES = {Feature.MINIMUM: "MIN", Feature.MAXIMUM: "MAX", Feature.ANY_TRUE: "bool_or"}


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


def rows_of(relation: plan.Relation, catalogue: Catalogue, dialect: Dialect) -> Rows:
    """The rows of a relation; POLICY_NOT_SUPPORTED for a PrivateJoin."""
    scope = scope_of(relation, catalogue)
    if isinstance(relation, plan.Scan):
        dataset = dataset_of(relation.dataset, catalogue)
        table = f"{quoted(alias(dataset.name))}.{quoted(ROWS)}"
        return Rows(f"SELECT * FROM {table}", scope, has_key_form(dataset), dataset.person.column)
    if isinstance(relation, plan.Filter):
        rows = rows_of(relation.input, catalogue, dialect)
        predicate = rows.expressions(dialect).value(relation.predicate)
        return replace(rows, sql=f"SELECT * FROM ({rows.sql}) AS r WHERE {predicate}")
    if isinstance(relation, plan.Project):
        rows = rows_of(relation.input, catalogue, dialect)
        columns, keyed = _projected(relation.columns, rows.expressions(dialect))
        return Rows(f"SELECT {quoted(rows.person)}{columns} FROM ({rows.sql}) AS r", scope, keyed, rows.person)
    if isinstance(relation, plan.PersonAggregate):
        return _features(relation, rows_of(relation.input, catalogue, dialect), scope, dialect)
    if isinstance(relation, plan.PersonJoin):
        left, right = (rows_of(side, catalogue, dialect) for side in (relation.left, relation.right))
        return _joined(relation.join, left, right, scope)
    if isinstance(relation, plan.UnionAll):
        left, right = (rows_of(side, catalogue, dialect) for side in (relation.left, relation.right))
        return _all_of(left, right, scope)
    raise Refused("POLICY_NOT_SUPPORTED", operator=type(relation).__name__)


def _projected(columns: tuple[plan.NamedExpression, ...], inner: Expressions) -> tuple[str, frozenset[str]]:
    """Each column once, and again in its key form where that differs."""
    texts, keyed = [], set()
    for column in columns:
        plain, key = inner.value(column.expression), inner.value(column.expression, key=True)
        texts.append(f"{plain} AS {quoted(column.name)}")
        if key != plain:
            keyed.add(column.name)
            texts.append(f"{key} AS {quoted(column.name + KEY)}")
    return "".join(f", {text}" for text in texts), frozenset(keyed)


def _joined(kind: plan.JoinKind, left: Rows, right: Rows, scope: Scope) -> Rows:
    """Equality on the person alone; the person column is never NULL."""
    person, other = quoted(left.person), quoted(right.person)
    if kind in (plan.JoinKind.SEMI, plan.JoinKind.ANTI):
        within = "IN" if kind is plan.JoinKind.SEMI else "NOT IN"
        found = f"SELECT {other} FROM ({right.sql}) AS b"
        return replace(left, sql=f"SELECT * FROM ({left.sql}) AS a WHERE {person} {within} ({found})")
    names = [n for n in right.scope if n != right.person] + [n + KEY for n in right.scope if n in right.keyed]
    columns = "".join(f", b.{quoted(name)}" for name in names)
    joined = f"({left.sql}) AS a {kind.name} JOIN ({right.sql}) AS b ON a.{person} = b.{other}"
    return Rows(f"SELECT a.*{columns} FROM {joined}", scope, left.keyed | right.keyed, left.person)


def _all_of(left: Rows, right: Rows, scope: Scope) -> Rows:
    """Both sides with the same columns in the same order; a side without a key form is its own key form."""
    keyed = left.keyed | right.keyed
    sides = []
    for rows in (left, right):
        names = [quoted(name) for name in rows.scope]
        names += [f"{quoted(n + KEY * (n in rows.keyed))} AS {quoted(n + KEY)}" for n in rows.scope if n in keyed]
        sides.append(f"SELECT {', '.join(names)} FROM ({rows.sql}) AS r")
    return Rows(" UNION ALL ".join(sides), scope, keyed, left.person)


def _features(relation: plan.PersonAggregate, rows: Rows, scope: Scope, dialect: Dialect) -> Rows:
    """One row a person; a figure sees the clamped form of columns and has no key form of its own."""
    inner, person = rows.expressions(dialect), quoted(rows.person)
    operands, figures = [f"{person} AS p"], [f"p AS {person}"]
    for i, feature in enumerate(relation.features):
        measure = _measure_of(feature, rows.scope)
        operands += _operands(i, measure, inner)
        figure = _figure(i, feature.feature, measure, inner, scope[feature.name].type)
        figures.append(f"{figure} AS {quoted(feature.name)}")
    source = f"(SELECT {', '.join(operands)} FROM ({rows.sql}) AS r) AS o"
    return Rows(f"SELECT {', '.join(figures)} FROM {source} GROUP BY p", scope, frozenset(), rows.person)


def _measure_of(feature: plan.PersonFeature, scope: Scope) -> Measure:
    """For a sum or average, the sum of whole steps; for others, the count of what they look at."""
    of, where = feature.expression, feature.filter
    if of is not None and feature.feature in (Feature.SUM, Feature.AVERAGE):
        return Measure(Statistic.SUM, of, where, clamp_of(domain_of(of, scope)))
    return Measure(Statistic.COUNT_ROWS if of is None else Statistic.COUNT_PRESENT, of, where)


def _figure(position: int, feature: Feature, measure: Measure, inner: Expressions, kind: Type) -> str:
    """A feature over the operands x and f: exact integers until one division at the end."""
    words, total = inner.dialect, _sum(position, measure, inner, one_row=False)
    if measure.statistic is not Statistic.SUM:
        extreme = _EXTREMES.get(feature)
        return total if extreme is None else _filtered(extreme, f"x{position}", position, measure)
    step = grid_of(measure, inner.scope).step
    count = _filtered("COUNT", f"x{position}", position, measure) if feature is Feature.AVERAGE else "1"
    units = words.cast(total, Type.DECIMAL) + _factors(("*", step.numerator), dialect=words)
    divisor = words.cast(count, Type.DECIMAL) + _factors(("*", step.denominator), dialect=words)
    return words.cast(f"{units} / ({divisor})", kind)


def _factors(*factors: tuple[str, int], dialect: Dialect) -> str:
    return "".join(f" {operator} {_double(Fraction(n), dialect)}" for operator, n in factors if n != 1)


def query_of(
    aggregate: plan.Aggregate, grouping_set: plan.GroupingSet, catalogue: Catalogue, dialect: Dialect, hash_key: str
) -> str:
    """SQL of one grouping set: its key values, then one decimal text a measure; NULL keys only where declared.

    A quantile stands alone: behind the key values comes the leaf, and its count. ``hash_key`` decides which groups of
    a person are kept where they are capped.
    """
    rows = rows_of(aggregate.input, catalogue, dialect)
    inner = rows.expressions(dialect)
    stability = stability_of(aggregate.input, catalogue)
    keys = [aggregate.keys[k] for k in grouping_set.keys]
    operands = [f"{quoted(rows.person)} AS p"]
    operands += [f"{_key(k, inner)} AS k{i}" for i, k in enumerate(keys)]
    for i, m in enumerate(aggregate.measures):
        operands += _operands(i, m, inner)
    stored = all(isinstance(r, plan.Scan | plan.Filter | plan.PersonJoin) for _, r in relations_of(aggregate.input))
    listed = [_listed(f"k{i}", k, inner, stored=stored) for i, k in enumerate(keys)]
    where = f" WHERE {' AND '.join(listed)}" if listed else ""
    source = f"(SELECT {', '.join(operands)} FROM ({rows.sql}) AS r) AS o{where}"
    one_row = stability.rows == 1
    sums = [_sum(i, m, inner, one_row) for i, m in enumerate(aggregate.measures)]
    names = [f"k{i}" for i in range(len(keys))]
    tree = tree_of(aggregate.measures[0], inner.scope)
    capped = bool(keys) and stability.groups < stability.rows
    if capped and tree:
        source = _ranked(source, names, stability.groups, dialect, hash_key)
    elif capped:
        source = _capped(source, names, sums, stability.groups, dialect, hash_key)
        sums = [f"SUM(m{i})" for i in range(len(sums))]
    shown = [dialect.cast(n, Type.TEXT) if _is_date(k.values) else n for n, k in zip(names, keys, strict=True)]
    if tree:
        leaf = f"{_clamped('x0', aggregate.measures[0], inner)} // {tree.width}"
        names, shown = [*names, "leaf"], [*shown, f"{_filtered('', leaf, 0, aggregate.measures[0])} AS leaf"]
    columns = ", ".join([*shown, *(dialect.cast(s, Type.TEXT) for s in sums)])
    return f"SELECT {columns} FROM {source}" + (f" GROUP BY {', '.join(names)}" if names else "")


def persons_of(
    relation: plan.Relation,
    keys: Sequence[plan.Key],
    measures: Sequence[Measure],
    catalogue: Catalogue,
    dialect: Dialect,
    hash_key: str,
) -> str:
    """SQL of one side of a private join: person, cell of ``keys`` (row-major), and each measure of that person's rows.

    Claim: a person has one row in each of at most ``groups`` cells, and each measure is bounded as in ``query_of``.
    Because: cells come from a join with the listed values; steps are clamped and groups capped by the same texts.
    Checked by: tests/sources/test_join_side.py::test_each_person_has_a_row_a_cell_and_groups_are_capped
    """
    rows, stability = rows_of(relation, catalogue, dialect), stability_of(relation, catalogue)
    inner, alone = rows.expressions(dialect), stability.rows == 1
    operands = [f"{quoted(rows.person)} AS p", *(f"{_key(k, inner)} AS k{i}" for i, k in enumerate(keys))]
    for i, m in enumerate(measures):
        operands += _operands(i, m, inner)
    source, cell = f"(SELECT {', '.join(operands)} FROM ({rows.sql}) AS r) AS o", "0"
    for i, key in enumerate(keys):
        listed = ", ".join(f"({inner.literal(value)}, {place})" for place, value in enumerate(key.values))
        same = "IS NOT DISTINCT FROM" if any(value.value is None for value in key.values) else "="
        source += f" JOIN (VALUES {listed}) AS d{i}(v, n) ON k{i} {same} d{i}.v"
        cell = f"({cell}) * {len(key.values)} + d{i}.n"
    source = f"(SELECT o.*, {dialect.cast(cell, Type.INTEGER)} AS c FROM {source}) AS s"
    figures = [_of_person(i, m, inner, alone) for i, m in enumerate(measures)]
    if keys and stability.groups < stability.rows:
        source = _capped(source, ["c"], figures, stability.groups, dialect, hash_key)
        figures, alone = [f"m{i}" for i in range(len(measures))], True
    return f"SELECT {', '.join(('p', 'c', *figures))} FROM {source}" + ("" if alone else " GROUP BY p, c")


def selection_of(
    aggregate: plan.Aggregate, key: plan.Key, catalogue: Catalogue, dialect: Dialect, salt: str, weights: Sequence[int]
) -> str:
    """SQL of a first phase: each value k of ``key`` that some person has, and the sum w of its persons' weights.

    A person counts once for a value, with the weight for as many values as it has; of too many, those of least keyed
    hash are kept, and the others count for nothing. Rows are weighed as if each were a person's only one; persons with
    more rows are then put right. A snapshot tells who they may be; behind a join a hash does. Both may name others too:
    those are right already.
    """
    rows = rows_of(aggregate.input, catalogue, dialect)
    values = f"SELECT {quoted(rows.person)} AS p, {rows.expressions(dialect).value(key.expression, key=True)} AS k"
    base = f"base AS MATERIALIZED (SELECT p, k FROM ({values} FROM ({rows.sql}) AS r) AS o WHERE k IS NOT NULL)"
    shown, total = dialect.cast("k", Type.TEXT), dialect.cast("SUM(w)", Type.TEXT)
    weighed = f"SELECT k, {weights[0]} AS w FROM base"
    if stability_of(aggregate.input, catalogue).rows == 1:
        return f"WITH {base} SELECT {shown} AS k, {total} AS w FROM ({weighed}) AS h GROUP BY k"
    mark, order = (dialect.keyed_hash.format(text_literal(salt), of) for of in ("p", "p, k"))
    many = f"SELECT {mark} AS m FROM base GROUP BY m HAVING COUNT(*) > 1"
    *above, scan = (relation for _, relation in relations_of(aggregate.input))
    if isinstance(scan, plan.Scan) and all(isinstance(relation, plan.Filter | plan.Project) for relation in above):
        mark, many = "p", f"SELECT p AS m FROM {quoted(alias(scan.dataset))}.{quoted(SEVERAL)}"
    first, least, most = weights[0], weights[-1], len(weights)
    of_many = " ".join(f"WHEN {count} THEN {weight}" for count, weight in enumerate(weights, 1))
    return (
        f"WITH {base}, own AS MATERIALIZED (SELECT p, k, COUNT(*) AS c FROM base WHERE {mark} IN ({many})"
        f" GROUP BY p, k), held AS (SELECT p AS q, COUNT(*) AS t FROM own GROUP BY p),"
        f" pairs AS MATERIALIZED (SELECT p, k, c, t FROM own JOIN held ON p = q),"
        f" ranked AS (SELECT k, c, row_number() OVER (PARTITION BY p ORDER BY {order}, k) AS n FROM pairs"
        f" WHERE t > {most})"
        f" SELECT {shown} AS k, {total} AS w FROM ({weighed}"
        f" UNION ALL SELECT k, CASE t {of_many} END - {first} * c FROM pairs WHERE t <= {most}"
        f" UNION ALL SELECT k, CASE WHEN n <= {most} THEN {least} ELSE 0 END - {first} * c FROM ranked)"
        f" AS h GROUP BY k HAVING SUM(w) > 0"
    )


def _key(key: plan.Key, inner: Expressions) -> str:
    """A DECIMAL key whose values are whole is rounded: the doubles of ``(0.1 + 0.2) * 10`` lie beside them."""
    text = inner.value(key.expression, key=True)
    whole = all(v.value is None or getattr(v.value, "denominator", 0) == 1 for v in key.values)
    return f"round({text})" if whole and inner.domain(key.expression).type is Type.DECIMAL else text


def _listed(name: str, key: plan.Key, inner: Expressions, *, stored: bool) -> str:
    """Whether a row's key is listed; a bare column of the published view, where it is not NULL, always is."""
    held = [v for v in key.values if v.value is not None]
    if stored and isinstance(key.expression, plan.ColumnRef) and not key.selected_at_most:
        return "TRUE" if len(held) < len(key.values) else f"{name} IS NOT NULL"
    test = inner.dialect.listed.format(name, ", ".join(map(inner.literal, held))) if held else "FALSE"
    return test if len(held) == len(key.values) else f"({name} IS NULL OR {test})"


def _is_date(values: tuple[object, ...]) -> bool:
    return any(getattr(v, "type", None) is Type.DATE for v in values)


def _operands(position: int, measure: Measure, inner: Expressions) -> list[str]:
    """What a measure looks at, a row: x and the filter f."""
    value = [f"{_operand(measure, inner)} AS x{position}"] if measure.expression is not None else []
    return value + ([f"{inner.value(measure.filter)} AS f{position}"] if measure.filter is not None else [])


def _operand(measure: Measure, inner: Expressions) -> str:
    """What one measure looks at, a row: for a sum, the whole steps before they are clamped."""
    assert measure.expression is not None  # noqa: S101
    value = inner.value(measure.expression)
    if measure.statistic not in CLAMPED:
        return value
    kind, words = inner.domain(measure.expression).type, inner.dialect
    grid = grid_of(measure, inner.scope)
    if kind is Type.DATE:
        value = f"({value} - DATE '1970-01-01')"
    if kind is not Type.DECIMAL and grid.step == 1 and grid.centre.denominator == 1:
        return f"({value} - ({int(grid.centre)}))" if grid.centre else value
    number = words.cast(value, Type.DECIMAL) if kind is not Type.DECIMAL else value
    centred = f"({number} - {_double(grid.centre, words)})" if grid.centre else number
    scaled = _factors(("*", grid.step.denominator), ("/", grid.step.numerator), dialect=words)
    return f"floor({centred}{scaled} + 0.5)"


def _sum(position: int, measure: Measure, inner: Expressions, one_row: bool) -> str:
    """One measure over the operands x, f and p: an exact integer aggregate."""
    statistic, operand = measure.statistic, "1"
    if statistic in SUMS:
        operand = _clamped(f"x{position}", measure, inner)
    elif statistic in (Statistic.COUNT_PRESENT, Statistic.QUANTILE_TREE):
        operand = f"x{position}"
    elif statistic is Statistic.COUNT_PERSONS:
        operand = "p" if one_row else "DISTINCT p"
    elif statistic is not Statistic.COUNT_ROWS:
        raise Refused("POLICY_NOT_SUPPORTED", operator=statistic.name)
    return _filtered("SUM" if statistic in SUMS else "COUNT", operand, position, measure)


def _filtered(name: str, operand: str, position: int, measure: Measure) -> str:
    """One aggregate over the operands of the rows that pass the measure's filter."""
    if measure.filter is not None:
        _, distinct, plain = operand.rpartition("DISTINCT ")
        operand = f"{distinct}CASE WHEN f{position} THEN {plain} END"
    return f"{name}({operand})"


def _of_person(position: int, measure: Measure, inner: Expressions, alone: bool) -> str:
    """One measure over the rows of one person and cell, or over the only one, as a whole number that is never NULL."""
    found = _sum(position, measure, inner, one_row=True)
    if alone:  # an aggregate over one row
        name, _, operand = found.partition("(")
        found = operand[:-1] if name == "SUM" else f"CASE WHEN {operand[:-1]} IS NULL THEN 0 ELSE 1 END"
    elif measure.statistic is Statistic.COUNT_PERSONS:
        found = f"CASE WHEN {found} > 0 THEN 1 ELSE 0 END"
    return inner.dialect.cast(f"COALESCE({found}, 0)", Type.INTEGER)


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


def _ranked(source: str, keys: list[str], groups: int, dialect: Dialect, hash_key: str) -> str:
    """The rows of the groups that ``_capped`` keeps."""
    names = ", ".join(keys)
    order = dialect.keyed_hash.format(text_literal(hash_key), f"p, {names}")
    ranked = f"SELECT *, dense_rank() OVER (PARTITION BY p ORDER BY {order}, {names}) AS n FROM {source}"
    return f"(SELECT * FROM ({ranked}) AS a WHERE n <= {groups}) AS g"


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
