"""Domains: what is known of every column and expression of a plan, derived from the published catalogue alone.

Claim: every value of an expression, on any row that any data can produce at the published view, lies in
       ``domain_of`` of it; so explicit clamps and key lists never depend on data.
Because: stored columns lie in their declared domains (the snapshot cut mends what does not), and each function's rule
       carries that property on (functions.py).
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain

A column or function without a known bound gives a domain without one; that is an error only where a bound is needed
(a measure, a key, integer arithmetic). ``local`` expressions, those of a node's own binding, run at the snapshot cut
under the engine's own error handling and may use integers without bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import reduce
from math import ceil, floor
from operator import or_

from engine.errors import Refused
from engine.trusted import dates, intervals, plan
from engine.trusted.catalogue import Catalogue, Column, Dataset
from engine.trusted.domain import Domain, Use, bounded, enumerated, refuse_type
from engine.trusted.functions import TABLE
from engine.trusted.plan import Call, Clamp, ColumnRef, Expression, Function, Literal, Type
from engine.trusted.stability import dataset_of, stability_of

__all__ = ["DEFAULT_MAX_KEYS", "Domain", "Scope", "clamp_of", "domain_of", "key_values", "person_of", "scope_of"]

DEFAULT_MAX_KEYS = 10_000
ROW_NAME = "rowid"  # what an engine calls a row where no column has the name; a snapshot's rows are capped by it
Scope = Mapping[str, Domain]
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMPARISONS = frozenset(f for f in Function if Function.EQUAL.value <= f.value <= Function.LIKE.value)
_HARMLESS = frozenset({Function.FLOOR, Function.CEIL, Function.LEAST, Function.GREATEST})
_OVERFLOWING = frozenset(f for f in Function if f.value < Function.EQUAL.value and f not in _HARMLESS)
_OVERFLOWING |= {Function.DAYS_BETWEEN, Function.ADD_DAYS}


def scope_of(relation: plan.Relation, catalogue: Catalogue) -> Scope:
    """Domain of every output column, person column first.

    Raises Refused POLICY_PLAN_INVALID for names that do not resolve, and what ``domain_of`` and ``stability_of`` raise.
    """
    match relation:
        case plan.Scan(dataset=name):
            return _scan_scope(dataset_of(name, catalogue))
        case plan.Filter(input=source, predicate=predicate):
            scope = scope_of(source, catalogue)
            check_condition(predicate, scope, "WHERE")
            return scope
        case plan.Project(input=source, columns=columns):
            scope = scope_of(source, catalogue)
            return _beside(_person_in(scope), ((c.name, domain_of(c.expression, scope)) for c in columns))
        case plan.PersonAggregate(input=source, features=features):
            scope, rows = scope_of(source, catalogue), stability_of(source, catalogue).rows
            return _beside(_person_in(scope), ((f.name, feature_domain(f, scope, rows)) for f in features))
        case plan.PersonJoin(join=kind, left=left, right=right):
            stability_of(relation, catalogue)
            scope, other = scope_of(left, catalogue), scope_of(right, catalogue)
            if kind in (plan.JoinKind.SEMI, plan.JoinKind.ANTI):
                return scope
            absent = kind is plan.JoinKind.LEFT
            return _beside(scope, ((n, _or_null(d, absent)) for n, d in other.items() if not d.person))
        case plan.UnionAll(left=left, right=right):
            stability_of(relation, catalogue)
            scope, other = scope_of(left, catalogue), scope_of(right, catalogue)
            if [*scope][1:] != [*other][1:]:
                raise Refused("POLICY_PLAN_INVALID", internal="columns of a union")
            return {n: _either(a, b) for (n, a), b in zip(scope.items(), other.values(), strict=True)}
        case plan.PrivateJoin(left=left, right=right):
            stability_of(relation, catalogue)
            scope, other = (_of_side(i, scope_of(side, catalogue)) for i, side in enumerate((left, right), 1))
            return _beside(scope, ((n, d) for n, d in other.items() if not d.person))


def _either(left: Domain, right: Domain) -> Domain:
    """Of a value that comes from one side or the other, as of a CASE."""
    if left.type is not right.type or left.person != right.person:
        raise Refused("POLICY_PLAN_INVALID", internal="types of a union")
    either = Use(Function.CASE, (), (Domain(Type.BOOLEAN), left, right))
    return left if left.person else TABLE[Function.CASE].rule(either)


def _of_side(side: int, scope: Scope) -> Scope:
    return {name: replace(domain, side=side) for name, domain in scope.items()}


def _check_names(names: Sequence[str]) -> None:
    """Engines do not tell upper from lower case and use `$` for names of their own: POLICY_PLAN_INVALID for both."""
    if len({n.lower() for n in names}) < len(names) or not all(_NAME.fullmatch(n) for n in names):
        raise Refused("POLICY_PLAN_INVALID", internal="names of columns")


def person_of(relation: plan.Relation, catalogue: Catalogue) -> str:
    """The name of the person column among the columns of a relation."""
    return next(iter(_person_in(scope_of(relation, catalogue))))


def _person_in(scope: Scope) -> Scope:
    return {name: domain for name, domain in scope.items() if domain.person}


def _or_null(domain: Domain, absent: bool) -> Domain:
    return replace(domain, nullable=domain.nullable or absent, null_key=domain.null_key or absent)


def _beside(held: Scope, columns: Iterable[tuple[str, Domain]]) -> Scope:
    """What is held, and new columns of other names."""
    added = tuple(columns)
    _check_names((*held, *(name for name, _ in added)))
    if any(domain.person for _, domain in added):
        raise Refused("POLICY_PLAN_INVALID", internal="a person column under another name")
    return {**held, **dict(added)}


_ACCEPTED_BY = {  # the function that takes the same types
    **dict.fromkeys((plan.Feature.SUM, plan.Feature.AVERAGE), Function.NEGATE),
    **dict.fromkeys((plan.Feature.MINIMUM, plan.Feature.MAXIMUM), Function.LEAST),
    plan.Feature.ANY_TRUE: Function.NOT,
}


def feature_domain(feature: plan.PersonFeature, scope: Scope, rows: int) -> Domain:
    """A figure over the 1 to ``rows`` rows of one person; NULL where no row has a value.

    Claim: the exact figure lies in this domain, and computing it as whole steps overflows nothing and rounds once.
    Because: each value is put on a step inside its clamp, at most ``rows`` of them are added, and steps and divisors
             stay within 2^53 (engines hold them exactly), so one division gives the nearest double: monotone.
    Checked by: tests/sources/test_persons.py::test_every_feature_lies_in_its_domain
    """
    kind, filtered = feature.feature, feature.filter is not None
    if (feature.expression is None) != (kind is plan.Feature.COUNT_ROWS):
        raise Refused("POLICY_PLAN_INVALID", internal="a feature's expression")
    if feature.filter is not None:
        check_condition(feature.filter, scope, "FILTER")
    counted = Domain(Type.INTEGER, False, False, (Fraction(0), Fraction(rows)), step=Fraction(1))
    domain = counted if feature.expression is None else domain_of(feature.expression, scope)
    if domain.person:
        raise Refused("SQL_PERSON_COLUMN")
    if kind not in _ACCEPTED_BY:
        return counted
    _check_type(kind.name, domain, TABLE[_ACCEPTED_BY[kind]].accepts[0])
    domain = _or_null(domain, filtered)
    return _totalled(domain, kind, rows) if kind in (plan.Feature.SUM, plan.Feature.AVERAGE) else domain


def _totalled(domain: Domain, kind: plan.Feature, rows: int) -> Domain:
    """A sum or average of whole steps; a sum of integers is exact."""
    clamp, whole, summed = clamp_of(domain), domain.type is Type.INTEGER, kind is plan.Feature.SUM
    reach = max(abs(clamp.lower), abs(clamp.upper))
    step = intervals.step_within(domain.step, reach)
    if rows * max(reach + step, Fraction(1)) * step.denominator > intervals.EXACT or (whole and step != domain.step):
        raise Refused("SQL_TOO_LARGE", what="a sum over the rows of one person")
    low, high = (floor(end / step + Fraction(1, 2)) * step for end in (clamp.lower, clamp.upper))
    interval = (rows * min(low, Fraction(0)), rows * max(high, Fraction(0))) if summed else (low, high)
    interval = interval if whole else intervals.doubles(interval)
    made = domain.type if summed else Type.DECIMAL
    return replace(domain, type=made, values=None, step=step if summed else None, interval=interval)


def check_condition(expression: Expression, scope: Scope, where: str) -> None:
    if domain_of(expression, scope).type is not Type.BOOLEAN:
        raise Refused("SQL_TYPE_MISMATCH", function=where, expected="a condition that is true or false")


def _check_type(function: str, domain: Domain, accepted: frozenset[Type]) -> None:
    if domain.type not in accepted:
        expected = " or ".join(t.name.lower() for t in Type if t in accepted)
        raise Refused("SQL_TYPE_MISMATCH", function=function, expected=expected)


def _scan_scope(dataset: Dataset) -> Scope:
    _check_names([ROW_NAME, *(c.name for c in dataset.columns)])
    person = {dataset.person.column: Domain(Type.TEXT, nullable=False, person=True)}
    return person | {c.name: column_domain(c) for c in dataset.columns if c.name != dataset.person.column}


def column_domain(column: Column) -> Domain:
    """What the published view guarantees for a declared column: any may be NULL, NULL is a key only if declared."""
    interval = (column.bounds.lower, column.bounds.upper) if column.bounds else None
    values = column.domain or None
    if column.type is Type.BOOLEAN:
        return Domain(Type.BOOLEAN, True, column.nullable, values=(False, True))
    step = Fraction(1) if column.type is Type.INTEGER else column.step
    return Domain(column.type, True, column.nullable, interval, values, step)


def domain_of(expression: Expression, scope: Scope, *, local: bool = False) -> Domain:
    """What is known of an expression over the columns of ``scope``.

    Raises Refused SQL_TYPE_MISMATCH, SQL_TOO_LARGE (integers not provably within +-2^53, dates outside the years
    1 to 9999), SQL_PERSON_LITERAL and SQL_PERSON_COLUMN; POLICY_PLAN_INVALID for an unknown column.
    """
    match expression:
        case ColumnRef(name=name):
            if name not in scope:
                raise Refused("POLICY_PLAN_INVALID", internal=f"column {name}")
            return scope[name]
        case Literal():
            return _literal_domain(expression)
        case Call(function=function, arguments=arguments):
            domains = tuple(domain_of(argument, scope, local=local) for argument in arguments)
            return _apply(Use(function, arguments, domains), local)


def _literal_domain(literal: Literal) -> Domain:
    value = literal.value
    if value is None:
        numeric = literal.type in (Type.INTEGER, Type.DECIMAL, Type.DATE)
        return Domain(literal.type, True, True, intervals.ZERO if numeric else None, ())
    if isinstance(value, date):
        day = dates.day_number(value)
        return Domain(literal.type, False, interval=(day, day), values=(value,))
    if isinstance(value, str | bool):
        return Domain(literal.type, False, values=(value,))
    number = Fraction(value)
    step = intervals.tidy_step(abs(number) or Fraction(1))
    return _within_limits(Domain(literal.type, False, False, (number, number), (value,), step))


def _apply(use: Use, local: bool) -> Domain:
    if any(domain.person for domain in use.domains):
        literal = use.function in _COMPARISONS and any(isinstance(a, Literal) for a in use.arguments)
        raise Refused("SQL_PERSON_LITERAL" if literal else "SQL_PERSON_COLUMN")
    row = TABLE[use.function]
    if not row.least <= len(use.domains) <= row.most:
        raise refuse_type(
            use.function, f"{row.least} arguments" if row.least == row.most else "more or fewer arguments"
        )
    for position, domain in enumerate(use.domains):
        _check_type(use.function.name, domain, row.accepts[min(position, len(row.accepts) - 1)])
    result = row.rule(use)
    if not local and use.function in _OVERFLOWING and result.type is not Type.DECIMAL and not bounded(result):
        raise Refused("SQL_TOO_LARGE", what=f"the result of {use.function.name}")
    return _within_limits(replace(result, side=reduce(or_, (d.side for d in use.domains))))


def product_of(expression: Expression, scope: Scope) -> tuple[Expression, Expression] | None:
    """The factors of a product across a private join, each of one side only, the left side's first."""
    match expression:
        case Call(function=Function.MULTIPLY, arguments=(first, second)):
            sides = domain_of(first, scope).side, domain_of(second, scope).side
            return {(1, 2): (first, second), (2, 1): (second, first)}.get(sides)
    return None


def _within_limits(domain: Domain) -> Domain:
    """Refuses integers and dates that could be out of range; an end at infinity was inherited from a column."""
    if domain.interval is not None and domain.type is not Type.DECIMAL:
        limits = (dates.FIRST, dates.LAST) if domain.type is Type.DATE else (-intervals.EXACT, intervals.EXACT)
        if any(abs(end) != intervals.INFINITE and not limits[0] <= end <= limits[1] for end in domain.interval):
            raise Refused("SQL_TOO_LARGE", what="a date" if domain.type is Type.DATE else "an integer")
    return domain


def key_values(domain: Domain, max_keys: int) -> tuple[Literal, ...]:
    """Every value of a group key, in cell order; NULL last where it is declared. ``max_keys`` 0: the default.

    Raises Refused SQL_KEY_NO_DOMAIN, SQL_KEY_TOO_MANY, SQL_PERSON_COLUMN.
    """
    if domain.person:
        raise Refused("SQL_PERSON_COLUMN")
    values = enumerated(domain, max_keys or DEFAULT_MAX_KEYS)
    if values is None:
        countable = domain.type is Type.DATE or (domain.step is not None and domain.step.denominator == 1)
        raise Refused("SQL_KEY_TOO_MANY" if countable and bounded(domain) else "SQL_KEY_NO_DOMAIN")
    null = (Literal(domain.type, None),) if domain.nullable and domain.null_key else ()
    return tuple(Literal(domain.type, value) for value in values) + null


def is_selectable(domain: Domain, max_keys: int) -> bool:
    """Whether the values of a key may be chosen privately: it has no list, and values that all engines write alike."""
    plain = domain.type in (Type.TEXT, Type.INTEGER, Type.DATE)
    return plain and not domain.person and enumerated(domain, max_keys) is None


def clamp_of(domain: Domain) -> Clamp:
    """The widest clamp a measure of this domain may have; on the grid of the step where there is one.

    Whatever an engine's rounding does, the clamp is applied to the value it computed. Raises Refused
    SQL_UNBOUNDED_MEASURE; SQL_TYPE_MISMATCH for booleans and text.
    """
    if domain.type in (Type.BOOLEAN, Type.TEXT):
        raise Refused("SQL_TYPE_MISMATCH", function="SUM", expected="a number")
    if domain.interval is None or not bounded(domain):
        raise Refused("SQL_UNBOUNDED_MEASURE")
    lower, upper = domain.interval
    if domain.step is not None:
        on_grid = ceil(lower / domain.step) * domain.step, floor(upper / domain.step) * domain.step
        if on_grid[0] <= on_grid[1] and all(abs(end.numerator) <= intervals.REPRESENTABLE for end in on_grid):
            lower, upper = on_grid
    return Clamp(lower, upper)
