# ruff: noqa: S608
"""SQL that turns a department's file into the published view: local columns -> binding -> cleaned columns.

Claim: every stored value is of its declared type and in its declared domain, whatever the file holds.
Because: the last step of each column is a CASE that gives a value of the domain or NULL, over a conversion that
         cannot fail; nothing about a CSV is guessed from its rows (every column is read as text).
Checked by: tests/sources/test_tables.py::test_stored_values_lie_in_their_domains
            tests/sources/test_tables.py::test_the_owner_learns_what_a_cut_lost
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from engine.errors import BadFile, Refused
from engine.trusted.catalogue import Column, Dataset, DatasetBinding, IdentifierForm, LocalColumn
from engine.trusted.dates import day_of
from engine.trusted.domain import Domain
from engine.trusted.plan import Expression, Literal, Type
from engine.trusted.walk import names_in
from nodes.sources.dialect import Dialect, quoted, text_literal
from nodes.sources.expressions import KEY, Expressions
from nodes.sources.render import has_key_form

LOST = "$lost"
_ALNUM = "regexp_replace(upper({0}), '[^A-Z0-9]', '', 'g')"
_DIGITS = "regexp_replace({0}, '[^0-9]', '', 'g')"
_WEIGHED = " + ".join(f"{11 - i} * TRY_CAST(substring({{0}}, {i}, 1) AS INTEGER)" for i in range(1, 11))
FORMS = {  # templates, applied one after the other; an empty text names nobody
    IdentifierForm.AS_IS: ("{0}",),
    IdentifierForm.UPPER_ALNUM: (_ALNUM,),
    IdentifierForm.DIGITS: (_DIGITS,),
    IdentifierForm.WHOLE_NUMBER: (_DIGITS, "regexp_replace({0}, '^0+([0-9])', '\\1')"),
    IdentifierForm.NHS_NUMBER: (
        _DIGITS,
        f"CASE WHEN length({{0}}) = 10 AND ({_WEIGHED}) % 11 = 0 THEN {{0}} ELSE '' END",
    ),
    IdentifierForm.NINO: (_ALNUM, "regexp_extract({0}, '^([A-Z][A-Z][0-9]{{6}})[A-D]?$', 1)"),
}


def published_columns(dataset: Dataset, dialect: Dialect) -> str:
    """Column definitions of a snapshot: the person as text, every other column, and the key form of bounded ones.

    Each other column has a mark while the snapshot is filled: whether a value was given and came to nothing.
    """
    parts = [f"{quoted(dataset.person.column)} {dialect.types[Type.TEXT]} NOT NULL"]
    for column in _others(dataset):
        parts += [f"{quoted(name)} {dialect.types[column.type]}" for name in _names(column, dataset)]
        parts.append(f"{quoted(column.name + LOST)} {dialect.types[Type.BOOLEAN]}")
    return ", ".join(parts)


def _names(column: Column, dataset: Dataset) -> list[str]:
    return [column.name, column.name + KEY] if column.name in has_key_form(dataset) else [column.name]


def _others(dataset: Dataset) -> list[Column]:
    return [c for c in dataset.columns if c.name != dataset.person.column]


def reading(file: Path, names: Sequence[str], local: Sequence[LocalColumn], dialect: Dialect) -> str:
    """The local columns of one file, each of its logical type; ``names``: all columns of a CSV, in its order."""
    path = text_literal(str(file))
    if file.suffix == ".parquet":
        table = f"read_parquet({path})"
    else:
        columns = ", ".join(f"{text_literal(name)}: 'VARCHAR'" for name in names)
        table = (
            f"read_csv({path}, auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
            f" strict_mode = true, columns = {{{columns}}})"
        )
    guards = {Type.DECIMAL: "CASE WHEN isfinite({0}) THEN {0} END", Type.DATE: dialect.dated}
    parts = []
    for column in local:
        name = quoted(column.name)
        parts.append(f"{guards.get(column.type, '{0}').format(dialect.try_cast(name, column.type))} AS {name}")
    return f"SELECT {', '.join(parts)} FROM {table}"


def selection(bound: DatasetBinding, dataset: Dataset, raw: str, dialect: Dialect) -> str:
    """The published rows of one file, marked; rows of no person and surplus ones still among them. FILE_BINDING_TYPE.

    A value is given where every local column that its expression names holds one.
    """
    local = Expressions(dialect, {c.name: Domain(c.type) for c in bound.local_columns}, local=True)
    bindings = {c.name: c.expression for c in bound.columns}
    person = _converted(bindings[dataset.person.column], Type.TEXT, local, dataset, dataset.person.column)
    for template in FORMS[dataset.person.form]:
        person = local.bound(template, person)
    values = [f"{person} AS {quoted(dataset.person.column)}"]
    for column in _others(dataset):
        value = _converted(bindings[column.name], column.type, local, dataset, column.name)
        values.append(f"{_on_grid(value, column, local)} AS {quoted(column.name)}")
        given = [_given(c) for c in bound.local_columns if c.name in names_in(bindings[column.name])]
        values.append(f"{' AND '.join(given) or 'FALSE'} AS {quoted(column.name + LOST)}")
    consent = ""
    if bound.consent is not None:
        consent = f" WHERE {_converted(bound.consent, Type.BOOLEAN, local, dataset, 'consent')}"
    stored = [f"COALESCE({quoted(dataset.person.column)}, '')"]
    for column in _others(dataset):
        forms = _stored(column, dialect)
        stored += [*forms, f"{quoted(column.name + LOST)} AND {forms[0]} IS NULL"]
    return f"SELECT {', '.join(stored)} FROM (SELECT {', '.join(values)} FROM ({raw}) AS f{consent}) AS b"


def _given(local: LocalColumn) -> str:
    name = quoted(local.name)
    return f"{name} IS NOT NULL" + (f" AND {name} <> ''" if local.type is Type.TEXT else "")


def counting(dataset: Dataset, table: str) -> list[str]:
    """Statements that drop the rows of no person, count for the owner's eyes, and take the marks away.

    Of each column: values ``kept``, ``lost`` (given, now NULL) and ``moved`` into the bounds.
    """
    counts = [f"{text_literal(dataset.person.column)}: {{'kept': COUNT(*)}}"]
    for column in _others(dataset):
        first, *key = map(quoted, _names(column, dataset))
        moved = f"COUNT({first}) - COUNT({key[0]})" if key else "0"
        lost = f"COUNT(*) FILTER ({quoted(column.name + LOST)})"
        name = text_literal(column.name)
        counts.append(f"{name}: {{'kept': COUNT({first}), 'lost': {lost}, 'moved': {moved}}}")
    return [
        f"DELETE FROM {table} WHERE {quoted(dataset.person.column)} = ''",
        f"SELECT {{{', '.join(counts)}}} FROM {table}",
        *(f"ALTER TABLE {table} DROP COLUMN {quoted(c.name + LOST)}" for c in _others(dataset)),
    ]


def _converted(expression: Expression, to: Type, local: Expressions, dataset: Dataset, column: str) -> str:
    try:
        return local.converted(local.value(expression), local.domain(expression).type, to, exact=False)
    except Refused as error:
        raise BadFile("FILE_BINDING_TYPE", dataset=dataset.name, column=column, internal=str(error)) from None


def _stored(column: Column, dialect: Dialect) -> list[str]:
    """The stored forms of one column, from a converted value of its name."""
    name = quoted(column.name)
    if column.domain:
        return [f"CASE WHEN {name} IN ({', '.join(map(text_literal, column.domain))}) THEN {name} END"]
    if column.bounds is None:
        return [name]
    words = Expressions(dialect, {})
    lower, upper = (words.literal(_end(column, e)) for e in (column.bounds.lower, column.bounds.upper))
    return [
        f"CASE WHEN {name} > {upper} THEN {upper} WHEN {name} < {lower} THEN {lower} ELSE {name} END",
        f"CASE WHEN {name} >= {lower} AND {name} <= {upper} THEN {name} END",
    ]


def _end(column: Column, end: Fraction) -> Literal:
    if column.type is Type.DATE:
        return Literal(Type.DATE, day_of(end))
    return Literal(column.type, int(end) if column.type is Type.INTEGER else end)


def _on_grid(value: str, column: Column, local: Expressions) -> str:
    """A decimal as the nearest multiple of its step: the double that a literal of that multiple is.

    Where no bounds keep it small, a double too large to have places as fine as the step stays as it is.
    """
    if column.step is None:
        return value
    up, down, large = (
        local.literal(Literal(Type.DECIMAL, Fraction(n)))
        for n in (column.step.denominator, column.step.numerator, column.step * 2**52)
    )
    nearest = f"(floor({{0}} * {up} / {down} + 0.5) * {down} / {up})"
    if column.bounds is None:
        nearest = f"CASE WHEN abs({{0}}) < {large} THEN {nearest} ELSE {{0}} END"
    return local.bound(nearest, value)


def row_cap(dataset: Dataset, table: str, several: str, key: str, dialect: Dialect) -> list[str]:
    """Statements that leave a person at most ``rows_per_person`` rows: those of least keyed hash of their content.

    The table ``several`` stays: persons with more rows than one, and how many they had.
    """
    person, most = quoted(dataset.person.column), dataset.rows_per_person
    content = ", ".join(quoted(name) for c in _others(dataset) for name in _names(c, dataset))
    order = dialect.keyed_hash.format(text_literal(key), ", ".join(filter(None, (person, content))))
    ranked = (
        f"SELECT rowid AS i, row_number() OVER (PARTITION BY {person} ORDER BY {order}) AS n FROM {table} AS r"
        f" WHERE {person} IN (SELECT s.p FROM {several} AS s WHERE s.n > {most})"
    )
    return [
        f"CREATE TABLE {several} AS SELECT {person} AS p, COUNT(*) AS n FROM {table} GROUP BY ALL HAVING COUNT(*) > 1",
        f"DELETE FROM {table} WHERE rowid IN (SELECT i FROM ({ranked}) AS s WHERE n > {most})",
    ]
