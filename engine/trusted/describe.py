"""A plan as people read and sign it: in English, and as normalised SQL. Both come from the plan alone.

Claim: whatever changes what a plan computes changes its text: every relation, key, list of values, measure, clamp and
       filter is shown, through the tables of wording.py.
Because: each field of each frozen type is rendered here; the title and hosts of a dataset come from the catalogue.
Checked by: tests/trusted_numerics/test_describe.py::test_a_change_of_the_plan_changes_the_text
"""

from __future__ import annotations

from engine.trusted.calibrate import cells_of, grid_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import Scope, clamp_of, domain_of, person_of, scope_of
from engine.trusted.plan import (
    Aggregate,
    ColumnRef,
    Feature,
    Filter,
    JoinKind,
    Key,
    Measure,
    NamedExpression,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    UnionAll,
)
from engine.trusted.stability import dataset_of, stability_of
from engine.trusted.wording import in_sql, in_words, literal_text, named, number_text

SHOWN_VALUES = 12
_COUNTED = {
    Statistic.COUNT_ROWS: "the number of rows",
    Statistic.COUNT_PERSONS: "the number of different persons",
    Statistic.COUNT_PRESENT: "the number of rows with a value of",
    Statistic.SUM: "the sum of",
    Statistic.CENTRED_SUM: "the sum, less {} a row, of",
    Statistic.QUANTILE_TREE: "for quantiles, the numbers of rows in ranges of",
}
# of a feature: in words and in SQL
_FEATURES = {
    Feature.COUNT_ROWS: ("the number of rows", "COUNT(*)"),
    Feature.COUNT_PRESENT: ("the number of rows with a value of {}", "COUNT({})"),
    Feature.SUM: ("the sum of {}", "SUM({})"),
    Feature.AVERAGE: ("the average of {}", "AVG({})"),
    Feature.MINIMUM: ("the least value of {}", "MIN({})"),
    Feature.MAXIMUM: ("the greatest value of {}", "MAX({})"),
    Feature.ANY_TRUE: ("whether for any row {}", "BOOL_OR({})"),
}
_JOINED = {
    JoinKind.INNER: "Joined with all rows of the same person, if there are any, from",
    JoinKind.LEFT: "Joined with all rows of the same person, or with missing values if there are none, from",
    JoinKind.SEMI: "Only rows of persons who have a row among",
    JoinKind.ANTI: "Only rows of persons who have no row among",
}
_SPELLED = {Statistic.SUM: "SUM", Statistic.CENTRED_SUM: "SUM", Statistic.QUANTILE_TREE: "QUANTILES"}


def english(plan: Plan, catalogue: Catalogue) -> str:
    """Lines of plain English. The plan must have passed verify_plan."""
    aggregate = plan.aggregate
    stability, scope = stability_of(aggregate.input, catalogue), scope_of(aggregate.input, catalogue)
    lines = _source_lines(aggregate.input, catalogue)
    lines += [f"Group key {i}: {_key_words(key)}." for i, key in enumerate(aggregate.keys, 1)]
    lines += [f"Groups: {_sets_words(aggregate)}."]
    lines += [f"Released for each group, {i}: {_measure_words(m, scope)}." for i, m in enumerate(aggregate.measures, 1)]
    persons, row = "one node" if stability.overlap == 1 else f"up to {stability.overlap} nodes", "row"
    if isinstance(aggregate.input, PrivateJoin):
        persons, row = "both nodes together", "joined row"
    cells = cells_of(aggregate, scope)
    lines.append(
        f"In all {cells} noisy numbers, and no rows. One person counts with at most"
        f" {_plural(stability.rows, row)} in at most {_plural(stability.groups, 'group')}, at {persons}."
    )
    return "\n".join(lines + (_revealed(*stability.hosts) if row == "joined row" else []))


def _revealed(left: str, right: str) -> list[str]:
    """What a private join shows to whom, and what it cannot keep from parties that cheat together (PROTOCOLS P4)."""
    return [
        f"Private join: {left} and {right} send shares of what they computed, under pseudonyms, to three helpers.",
        f"Revealed to the helpers: this plan, and the numbers of persons of {left}, of {right} and of both, padded.",
        f"Revealed to the coordinator and the analyst: of these numbers those of {left} and of {right}, so padded.",
        f"Revealed to the analyst: the noisy numbers. Revealed to {left} and {right}: nothing of each other's rows.",
        f"Limit: {left} or {right}, if it cheats and sees the answer, can learn about chosen persons of the other.",
        f"Limit: a helper that conspires with {left} or {right} can find out whose rows the other sends.",
        "Limit: two helpers that conspire see the computed rows of both, under pseudonyms.",
    ]


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _source_lines(relation: Relation, catalogue: Catalogue) -> list[str]:
    match relation:
        case Scan(dataset=name):
            dataset = dataset_of(name, catalogue)
            return [f"Rows of: {named(name)} ({dataset.title}), held by {', '.join(dataset.hosts)}."]
        case Filter(input=source, predicate=predicate):
            return [*_source_lines(source, catalogue), f"Only rows where: {in_words(predicate)}."]
        case Project(input=source, columns=columns):
            made = [f"Computed: {named(c.name)} = {in_words(c.expression)}." for c in columns if not _kept(c)]
            names = ", ".join(named(c.name) for c in columns)
            return [*_source_lines(source, catalogue), *made, f"Only these columns go on: {names}."]
        case PersonAggregate(input=source, features=features):
            made = [f"For each person: {named(f.name)} = {_feature_text(f, 0)}." for f in features]
            return [*_source_lines(source, catalogue), "Put together: one row a person.", *made]
        case PersonJoin(join=kind, left=left, right=right):
            inner = [f"  {line}" for line in _source_lines(right, catalogue)]
            return [*_source_lines(left, catalogue), f"{_JOINED[kind]}:", *inner]
        case PrivateJoin(left=left, right=right):
            inner = [f"  {line}" for line in _source_lines(right, catalogue)]
            return [*_source_lines(left, catalogue), f"By a private join, j{_JOINED[JoinKind.INNER][1:]}:", *inner]
        case UnionAll(left=left, right=right):
            inner = [f"  {line}" for line in _source_lines(right, catalogue)]
            return [*_source_lines(left, catalogue), "And, under the same names, all of these rows too:", *inner]


def _feature_text(feature: PersonFeature, language: int) -> str:
    show, where = ((in_words, ", only rows where {}"), (in_sql, " FILTER (WHERE {})"))[language]
    inner = "" if feature.expression is None else show(feature.expression)
    text = _FEATURES[feature.feature][language].format(inner if language else _bracketed(inner))
    return text if feature.filter is None else text + where.format(show(feature.filter))


def _kept(column: NamedExpression) -> bool:
    return column.expression == ColumnRef(column.name)


def _key_words(key: Key) -> str:
    if key.selected_at_most:
        return f"{in_words(key.expression)}, at most {key.selected_at_most} values: those that enough persons share"
    values = [literal_text(v) if v.value is not None else "missing" for v in key.values]
    shown = values if len(values) <= SHOWN_VALUES else [*values[: SHOWN_VALUES - 2], "...", values[-1]]
    return f"{in_words(key.expression)}, {_plural(len(values), 'value')}: {', '.join(shown)}"


def _sets_words(aggregate: Aggregate) -> str:
    sets = []
    for grouping_set in aggregate.grouping_sets:
        names = [str(k + 1) for k in grouping_set.keys]
        sets.append(f"by key {' and key '.join(names)}" if names else "all rows together")
    return "; ".join(sets)


def _measure_words(measure: Measure, scope: Scope) -> str:
    text = _COUNTED[measure.statistic].format(number_text(grid_of(measure, scope).centre))
    if measure.expression is not None:
        text += f" {_bracketed(in_words(measure.expression))}"
    if measure.clamp is not None:
        text += f", each value limited to {number_text(measure.clamp.lower)} ... {number_text(measure.clamp.upper)}"
    if measure.weight > 1:
        text += f", with {measure.weight} parts of the accuracy"
    return text if measure.filter is None else f"{text}, only rows where {in_words(measure.filter)}"


def _bracketed(words: str) -> str:
    return f"({words})" if " " in words else words


def normalised_sql(plan: Plan, catalogue: Catalogue) -> str:
    """One SELECT in DuckDB's dialect that says what the plan computes before noise. For reading, never executed.

    A clamp that changes nothing (the published bounds themselves) is left out.
    """
    aggregate = plan.aggregate
    keys = [in_sql(key.expression) for key in aggregate.keys]
    columns = keys + [_measure_sql(m, aggregate, catalogue) for m in aggregate.measures]
    text = f"SELECT {', '.join(columns)}\nFROM {_source_sql(aggregate.input, catalogue)}"
    sets = [", ".join(keys[k] for k in grouping_set.keys) for grouping_set in aggregate.grouping_sets]
    if len(sets) == 1:
        return text + (f"\nGROUP BY {sets[0]}" if sets[0] else "")
    return text + f"\nGROUP BY GROUPING SETS ({', '.join(f'({s})' for s in sets)})"


def _source_sql(relation: Relation, catalogue: Catalogue) -> str:
    match relation:
        case Scan(dataset=name):
            return named(name)
        case Filter(input=Scan(dataset=name), predicate=predicate):
            return f"{named(name)}\nWHERE {in_sql(predicate)}"
        case Filter(input=source, predicate=predicate):
            return f"(SELECT * FROM {_source_sql(source, catalogue)}) AS t\nWHERE {in_sql(predicate)}"  # noqa: S608
        case Project(input=source, columns=columns):
            person = person_of(source, catalogue)
            made = [named(c.name) if _kept(c) else f"{in_sql(c.expression)} AS {named(c.name)}" for c in columns]
            return f"(SELECT {', '.join([named(person), *made])} FROM {_source_sql(source, catalogue)}) AS t"  # noqa: S608
        case PersonAggregate(input=source, features=features):
            person = named(person_of(source, catalogue))
            made = [f"{_feature_text(f, 1)} AS {named(f.name)}" for f in features]
            inner = _source_sql(source, catalogue)
            return f"(SELECT {', '.join([person, *made])} FROM {inner} GROUP BY {person}) AS t"  # noqa: S608
        case PersonJoin(join=kind, left=left, right=right):
            sides = [f"(SELECT * FROM {_source_sql(side, catalogue)})" for side in (left, right)]  # noqa: S608
            on = [f"{a}.{named(person_of(side, catalogue))}" for a, side in (("a", left), ("b", right))]
            joined = f"{sides[0]} AS a {kind.name} JOIN {sides[1]} AS b ON {' = '.join(on)}"
            return f"(SELECT * FROM {joined}) AS t"  # noqa: S608
        case PrivateJoin(left=left, right=right):
            return _source_sql(PersonJoin(JoinKind.INNER, left, right), catalogue)
        case UnionAll(left=left, right=right):
            both = [(", ".join(map(named, scope_of(s, catalogue))), _source_sql(s, catalogue)) for s in (left, right)]
            return f"({' UNION ALL '.join(f'SELECT {names} FROM {source}' for names, source in both)}) AS t"  # noqa: S608


def _measure_sql(measure: Measure, aggregate: Aggregate, catalogue: Catalogue) -> str:
    scope = scope_of(aggregate.input, catalogue)
    if measure.statistic is Statistic.COUNT_PERSONS:
        text = f"COUNT(DISTINCT {named(person_of(aggregate.input, catalogue))})"
    elif measure.expression is None:
        text = "COUNT(*)"
    elif measure.clamp is None:
        text = f"COUNT({in_sql(measure.expression)})"
    else:
        value = in_sql(measure.expression)
        if measure.clamp != clamp_of(domain_of(measure.expression, scope)):
            low, high = number_text(measure.clamp.lower), number_text(measure.clamp.upper)
            value = f"CASE WHEN {value} < {low} THEN {low} WHEN {value} > {high} THEN {high} ELSE {value} END"
        if measure.statistic is Statistic.CENTRED_SUM:
            value = f"{_bracketed(value)} - {number_text(grid_of(measure, scope).centre)}"
        text = f"{_SPELLED[measure.statistic]}({value})"
    return text if measure.filter is None else f"{text} FILTER (WHERE {in_sql(measure.filter)})"
