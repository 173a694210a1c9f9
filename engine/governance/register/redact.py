"""A plan as the public reads it: English and SQL in which no text stands that nobody has published.

A text of a plan is shown only where it is compared with columns that declare their values in the signed catalogue,
all of them, and is one of those values. Everything else is '…': names, patterns, labels, and values of open columns.
Names that an analyst made up for columns become computed_1, computed_2 ... Numbers and dates are shown.

So a text passes only if it stands in the catalogue, which is public; what people learn from it is which values of
which published column were asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.errors import Refused
from engine.trusted.catalogue import Catalogue
from engine.trusted.describe import english, normalised_sql
from engine.trusted.plan import (
    Aggregate,
    Call,
    ColumnRef,
    Expression,
    Filter,
    Function,
    Key,
    Literal,
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
    Type,
    UnionAll,
)
from engine.trusted.walk import names_in

HIDDEN = "…"
Published = frozenset[str] | None  # texts that the columns declare; None: one of them declares none
Names = Mapping[str, Published]  # of the columns of a relation
_CONDITIONS = (Function.AND, Function.OR, Function.NOT)


def public_text(plan: Plan, catalogue: Catalogue) -> tuple[str, str]:
    """(English, SQL) of a plan for everybody; both empty for one that this version cannot describe."""
    shown = redacted(plan, catalogue)
    try:
        return english(shown, catalogue), normalised_sql(shown, catalogue)
    except Refused:
        return "", ""


def redacted(plan: Plan, catalogue: Catalogue) -> Plan:
    """The plan without any text or name that the catalogue does not hold."""
    return replace(plan, aggregate=_Redaction(catalogue).aggregate(plan.aggregate))


class _Redaction:
    """One plan's: the names made up in it get the same new name everywhere, so columns still find each other."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known = {column.name for dataset in catalogue.datasets for column in dataset.columns}
        self._made: dict[str, str] = {}

    def aggregate(self, aggregate: Aggregate) -> Aggregate:
        source, names = self.relation(aggregate.input)
        keys = tuple(self._key(key, names) for key in aggregate.keys)
        measures = tuple(self._measure(measure, names) for measure in aggregate.measures)
        return Aggregate(source, keys, aggregate.grouping_sets, measures)

    def relation(self, relation: Relation) -> tuple[Relation, Names]:
        """The relation, and what its columns declare (by their names before)."""
        match relation:
            case Scan(dataset=name):
                dataset = self._catalogue.dataset(name)
                columns = dataset.columns if dataset else ()
                return relation, {c.name: _declared(c.type, c.domain) for c in columns}
            case Filter(input=source, predicate=predicate):
                inner, names = self.relation(source)
                return Filter(inner, self.expression(predicate, names)), names
            case Project(input=source, columns=columns):
                inner, names = self.relation(source)
                shown = tuple(
                    NamedExpression(self._name(c.name), self.expression(c.expression, names)) for c in columns
                )
                return Project(inner, shown), {**names, **{c.name: _of(c.expression, names) for c in columns}}
            case PersonAggregate(input=source, features=features):
                inner, names = self.relation(source)
                made = {f.name: _of(f.expression, names) if f.expression else frozenset[str]() for f in features}
                return PersonAggregate(inner, tuple(self._feature(f, names) for f in features)), {**names, **made}
            case PersonJoin() | PrivateJoin():
                left, held = self.relation(relation.left)
                right, joined = self.relation(relation.right)
                both = {
                    name: _both(held.get(name, frozenset()), joined.get(name, frozenset())) for name in {*held, *joined}
                }
                return replace(relation, left=left, right=right), both
            case UnionAll():
                left, held = self.relation(relation.left)
                right, added = self.relation(relation.right)
                return UnionAll(left, right), {name: _both(held[name], added.get(name)) for name in held}

    def expression(self, expression: Expression, names: Names, around: Published = frozenset()) -> Expression:
        """``around``: what the columns declare that stand beside it in the comparison it is part of."""
        match expression:
            case ColumnRef(name=name):
                return ColumnRef(self._name(name))
            case Literal():
                return _literal(expression, around)
            case Call(function=function, arguments=arguments) if function in _CONDITIONS:  # comparisons of their own
                return Call(function, tuple(self.expression(a, names) for a in arguments))
            case Call(function=function, arguments=arguments):
                within, last = _both(around, _of(expression, names)), len(arguments) - 1
                apart = [function is Function.CASE and i % 2 == 0 and i < last for i in range(len(arguments))]
                shown = (
                    self.expression(a, names, frozenset() if c else within)
                    for a, c in zip(arguments, apart, strict=True)
                )
                return Call(function, tuple(shown))

    def _key(self, key: Key, names: Names) -> Key:
        declared = _of(key.expression, names)
        values = tuple(_literal(value, declared) for value in key.values)
        return Key(self.expression(key.expression, names), values, key.selected_at_most)

    def _measure(self, measure: Measure, names: Names) -> Measure:
        shown, where = (e if e is None else self.expression(e, names) for e in (measure.expression, measure.filter))
        return replace(measure, expression=shown, filter=where)

    def _feature(self, feature: PersonFeature, names: Names) -> PersonFeature:
        shown, where = (e if e is None else self.expression(e, names) for e in (feature.expression, feature.filter))
        return PersonFeature(self._name(feature.name), feature.feature, shown, where)

    def _name(self, name: str) -> str:
        if name in self._known:
            return name
        if name not in self._made:
            number = len(self._made) + 1
            while f"computed_{number}" in self._known | set(self._made.values()):
                number += 1
            self._made[name] = f"computed_{number}"
        return self._made[name]


def _declared(kind: Type, domain: tuple[str, ...]) -> Published:
    """Of a column of another type than text: no text, but it does not stand in the way of others."""
    return frozenset(domain) if kind is not Type.TEXT or domain else None


def _both(left: Published, right: Published) -> Published:
    return None if left is None or right is None else left | right


def _of(expression: Expression, names: Names) -> Published:
    """What all columns of an expression declare together."""
    found: Published = frozenset()
    for name in names_in(expression):
        found = _both(found, names.get(name))
    return found


def _literal(literal: Literal, published: Published) -> Literal:
    hidden = literal.type is Type.TEXT and literal.value is not None
    if hidden and (published is None or literal.value not in published):
        return Literal(Type.TEXT, HIDDEN)
    return literal
