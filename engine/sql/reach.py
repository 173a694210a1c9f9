"""What an expression can come to on the rows that are left: narrower than its domain, which knows of no condition.

``Known`` maps expressions (columns, and whatever conditions compare) to domains. A domain without a single value,
``values == ()``, is that of an expression that is NULL on every row; None: nothing is known, not even the type.
Conditions are read for what must hold where they are true: of ``a AND b``, both; of ``a OR b``, nothing. Whatever is
not certain counts as possible, so that nothing is called impossible that some data could bring about. Every part is
looked at once, but for the parts of a condition that AND joins, which are looked at in turn and once more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from engine.sql.evaluate import evaluate
from engine.trusted import dates, intervals
from engine.trusted.domain import Domain, Use
from engine.trusted.domains import domain_of
from engine.trusted.functions import TABLE
from engine.trusted.intervals import Interval
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, LiteralValue, Type

F = Function
Known = Mapping[Expression, Domain | None]
TRUTH = Domain(Type.BOOLEAN, True, values=(False, True))
_NEVER = Domain(Type.TEXT, True, True, intervals.ZERO, ())
_ORDERING = {F.LESS: F.GREATER, F.LESS_EQUAL: F.GREATER_EQUAL, F.GREATER: F.LESS, F.GREATER_EQUAL: F.LESS_EQUAL}
_TURNED = {**_ORDERING, F.EQUAL: F.EQUAL, F.NOT_EQUAL: F.NOT_EQUAL}  # with the operands changed about
_DENIED = {
    F.EQUAL: F.NOT_EQUAL,
    F.NOT_EQUAL: F.EQUAL,
    F.LESS: F.GREATER_EQUAL,
    F.GREATER_EQUAL: F.LESS,
    F.GREATER: F.LESS_EQUAL,
    F.LESS_EQUAL: F.GREATER,
}
_COMPARE: Mapping[Function, Callable[[Any, Any], bool]] = {
    F.EQUAL: operator.eq,
    F.NOT_EQUAL: operator.ne,
    F.LESS: operator.lt,
    F.LESS_EQUAL: operator.le,
    F.GREATER: operator.gt,
    F.GREATER_EQUAL: operator.ge,
}
_TRUE_OR_FALSE = frozenset((*_DENIED, F.IN, F.LIKE, F.NOT, F.CAST_BOOLEAN))
_DIVIDING = frozenset((F.DIVIDE, F.INTEGER_DIVIDE, F.MODULO))
_OF_NUMBERS = frozenset((F.CAST_INTEGER, F.CAST_DECIMAL))
_MOST_LISTED = 10_000


def never(domain: Domain | None) -> bool:
    """Whether this is NULL on every row."""
    return domain is not None and domain.values == ()


def reach(expression: Expression, known: Known) -> Domain | None:
    """What the expression can come to."""
    if expression in known:
        return known[expression]
    match expression:
        case Literal():
            return domain_of(expression, {})
        case Call(function=function, arguments=arguments):
            chosen = _CHOICES.get(function)
            return chosen(arguments, known) if chosen is not None else _strict(expression, known)
    return None


def can_hold(condition: Expression, known: Known) -> bool:
    """Whether the condition can be true on some row."""
    return True in _values(reach(condition, known) or TRUTH)


def narrowed(condition: Expression, known: Known) -> Known | None:
    """What is known where the condition is true; None if it can be true nowhere."""
    held = dict(known)
    parts = tuple(conjuncts_of(condition))
    for part in (*parts, *parts):
        if not can_hold(part, held):
            return None
        for expression, domain in _told(part, held):
            held[expression] = domain
            if never(domain) and not _is_null_test(part):
                return None
    return held


def conjuncts_of(condition: Expression) -> Iterator[Expression]:
    left = [condition]
    while left:
        part = left.pop()
        if isinstance(part, Call) and part.function is F.AND:
            left += reversed(part.arguments)
        else:
            yield part


def _is_null_test(part: Expression) -> bool:
    return isinstance(part, Call) and part.function is F.IS_NULL


# -- what a condition tells of the expressions it compares


def _told(part: Expression, known: Known) -> Iterator[tuple[Expression, Domain]]:
    match part:
        case Call(function=F.IS_NULL, arguments=(inner,)):
            yield from _about(inner, known, lambda domain: replace(domain, nullable=True, values=()))
        case Call(function=F.NOT, arguments=(Call(function=F.IS_NULL, arguments=(inner,)),)):
            yield from _about(inner, known, lambda domain: domain)
        case Call(function=F.NOT, arguments=(Call(function=denied, arguments=operands),)) if denied in _DENIED:
            yield from _told(Call(_DENIED[denied], operands), known)
        case Call(function=F.NOT, arguments=(Call(function=F.IN | F.LIKE) as denied_test,)):
            yield from _about(denied_test.arguments[0], known, lambda domain: _picked(denied_test, domain, False))
        case Call(function=F.IN | F.LIKE) as test:
            yield from _about(test.arguments[0], known, lambda domain: _picked(test, domain, True))
        case Call(function=function, arguments=(first, second)) if function in _TURNED:
            other = reach(second, known), reach(first, known)
            yield from _about(first, known, lambda domain: _beside(function, domain, other[0]))
            yield from _about(second, known, lambda domain: _beside(_TURNED[function], domain, other[1]))
        case Call(function=F.NOT, arguments=(inner,)):
            yield from _about(inner, known, lambda domain: replace(domain, values=(False,)))
        case ColumnRef():
            yield from _about(part, known, lambda domain: replace(domain, values=(True,)))


def _about(inner: Expression, known: Known, change: Callable[[Domain], Domain]) -> Iterator[tuple[Expression, Domain]]:
    domain = reach(inner, known)
    if domain is not None and not isinstance(inner, Literal):
        yield inner, change(replace(domain, nullable=False))


def _picked(test: Call, domain: Domain, wanted: bool) -> Domain:
    """The listed values for which IN or LIKE comes out as wanted; IN lists them itself."""
    values = domain.values
    if values is None and test.function is F.IN and wanted:
        return replace(domain, values=tuple(a.value for a in test.arguments[1:] if isinstance(a, Literal)))
    if values is None or domain.type is Type.DECIMAL or _escapes(test):
        return domain
    passing = _passing(test, domain.type, values)
    return replace(domain, values=tuple(v for v in values if (v in passing) is wanted))


def _passing(test: Call, kind: Type, values: Iterable[LiteralValue]) -> frozenset[LiteralValue]:
    """Those of the values for which IN or LIKE is true."""
    if test.function is F.IN:
        return frozenset(values) & {item.value for item in test.arguments[1:] if isinstance(item, Literal)}
    pattern = test.arguments[1]
    return frozenset(v for v in values if evaluate(Call(F.LIKE, (Literal(kind, v), pattern)), {}) is True)


def _escapes(test: Call) -> bool:
    """Whether a pattern holds what engines read in different ways."""
    pattern = test.arguments[1]
    return test.function is F.LIKE and not (isinstance(pattern, Literal) and "\\" not in str(pattern.value))


def _beside(function: Function, domain: Domain, other: Domain | None) -> Domain:
    """A value of which the comparison with ``other`` holds."""
    if other is None:
        return domain
    values = domain.values
    if len(values or ()) * len(other.values or ()) > _MOST_LISTED:
        return domain
    if values is not None and other.values is not None:
        values = tuple(v for v in values if any(True in _of_two(function, domain, v, w) for w in other.values))
    elif function is F.EQUAL:
        values = values or other.values
    beside = _ends(other)
    if function is F.NOT_EQUAL or beside is None:
        return replace(domain, values=values)
    low, high = _ends(domain) or (-intervals.INFINITE, intervals.INFINITE)
    apart = Fraction(1 if domain.type is not Type.DECIMAL and other.type is not Type.DECIMAL else 0)
    if function in (F.EQUAL, F.GREATER, F.GREATER_EQUAL):
        low = max(low, beside[0] + (apart if function is F.GREATER else 0))
    if function in (F.EQUAL, F.LESS, F.LESS_EQUAL):
        high = min(high, beside[1] - (apart if function is F.LESS else 0))
    return replace(domain, values=() if low > high else values, interval=(min(low, high), high))


# -- comparisons


def _compared(function: Function, first: Domain, second: Domain) -> tuple[bool, ...]:
    """The outcomes there can be besides NULL."""
    if (
        first.values is not None
        and second.values is not None
        and len(first.values) * len(second.values) <= _MOST_LISTED
    ):
        pairs = ((v, w) for v in first.values for w in second.values)
        found = {outcome for v, w in pairs for outcome in _of_two(function, first, v, w)}
        return tuple(sorted(found))
    ends, beside = _ends(first), _ends(second)
    if ends is None or beside is None:
        return (False, True)
    if function in (F.GREATER, F.GREATER_EQUAL):
        return _compared(_TURNED[function], second, first)
    equal = function in (F.EQUAL, F.NOT_EQUAL)
    below, at_most = ends[0] < beside[1], ends[0] <= beside[1]
    over, at_least = ends[1] > beside[0], ends[1] >= beside[0]
    if equal:
        apart = not (at_most and at_least)
        return (function is F.NOT_EQUAL,) if apart else (False, True)
    can, cannot = (below, at_least) if function is F.LESS else (at_most, over)
    return (*([False] if cannot else []), *([True] if can else []))


def _of_two(function: Function, domain: Domain, first: LiteralValue, second: LiteralValue) -> Iterable[bool]:
    """Of two values; decimals that doubles may not hold apart or together are left open."""
    close = isinstance(first, Fraction) or isinstance(second, Fraction) or domain.type is Type.DECIMAL
    if close and first != second and float(first) == float(second):  # type: ignore[arg-type]
        return (False, True)
    return (_COMPARE[function](first, second),)


def _ends(domain: Domain) -> Interval | None:
    """The least and the largest value, as engines hold them."""
    interval = domain.interval
    if domain.values and domain.type in (Type.INTEGER, Type.DECIMAL, Type.DATE):
        numbers = [dates.day_number(v) if domain.type is Type.DATE else Fraction(v) for v in domain.values]  # type: ignore[arg-type]
        interval = intervals.hull(Fraction(n) for n in numbers)
    if interval is None or domain.type is not Type.DECIMAL or max(map(abs, interval)) > intervals.REPRESENTABLE:
        return interval
    return intervals.doubles(interval)


# -- functions


def _strict(call: Call, known: Known) -> Domain | None:
    """A function that is NULL where an argument is, and where it has no value."""
    function = call.function
    domains = [reach(argument, known) for argument in call.arguments]
    if any(map(never, domains)) or (function in _DIVIDING and domains[1] and domains[1].interval == intervals.ZERO):
        return replace(_NEVER, type=Type.BOOLEAN if function in _TRUE_OR_FALSE else Type.TEXT)
    first = domains[0]
    if first is None or None in domains:
        return TRUTH if function in _TRUE_OR_FALSE else None
    if function is F.NOT:
        return replace(first, values=first.values and tuple(sorted(not v for v in first.values)))
    if function in (F.IN, F.LIKE) and first.values and first.type is not Type.DECIMAL and not _escapes(call):
        passing = _passing(call, first.type, first.values)
        outcomes = {value in passing for value in first.values}
        return replace(TRUTH, nullable=first.nullable, values=tuple(sorted(outcomes)))
    if function is F.IN:
        plain = replace(first, values=None, interval=_ends(first))
        if any(d is None or True in _compared(F.EQUAL, plain, d) for d in domains[1:]):
            return TRUTH
        return replace(TRUTH, nullable=first.nullable, values=(False,))
    if function in _DENIED and (second := domains[1]) is not None:
        outcomes = {*_compared(function, first, second)}
        return replace(TRUTH, nullable=first.nullable or second.nullable, values=tuple(sorted(outcomes)))
    if function in _OF_NUMBERS and first.type is Type.TEXT and first.values and all(map(_no_number, first.values)):
        return _NEVER
    return _ruled(call, domains)


def _no_number(value: LiteralValue) -> bool:
    """Certain of texts without a digit, but for those of numbers that are not finite."""
    text = str(value).strip().lstrip("+-").lower()
    return not any(c.isdigit() for c in text) and not text.startswith(("inf", "nan"))


def _ruled(call: Call, domains: list[Domain | None]) -> Domain:
    """By the function's own rule; equal arguments stay equal ones."""
    scope: dict[str, Domain] = {}
    arguments: list[Expression] = []
    for argument, domain in zip(call.arguments, domains, strict=True):
        if isinstance(argument, Literal) or domain is None:
            arguments.append(argument)
        else:
            name = str(call.arguments.index(argument))
            scope[name] = domain
            arguments.append(ColumnRef(name))
    return domain_of(replace(call, arguments=tuple(arguments)), scope, local=True)


def _both(arguments: tuple[Expression, ...], known: Known) -> Domain:
    domains = [reach(argument, known) or TRUTH for argument in arguments]
    values = (*([False] if any(False in _values(d) for d in domains) else []),)
    values += (True,) if all(True in _values(d) for d in domains) else ()
    return replace(TRUTH, nullable=any(d.nullable for d in domains), values=values)


def _either(arguments: tuple[Expression, ...], known: Known) -> Domain:
    domains = [reach(argument, known) or TRUTH for argument in arguments]
    values = (*([False] if all(False in _values(d) for d in domains) else []),)
    values += (True,) if any(True in _values(d) for d in domains) else ()
    return replace(TRUTH, nullable=any(d.nullable for d in domains), values=values)


def _values(domain: Domain) -> tuple[LiteralValue, ...]:
    return (False, True) if domain.values is None else domain.values


def _is_null(arguments: tuple[Expression, ...], known: Known) -> Domain:
    domain = reach(arguments[0], known)
    values = (False, True) if domain is None or domain.nullable else (False,)
    return Domain(Type.BOOLEAN, False, values=(True,) if never(domain) else values)


def _case(arguments: tuple[Expression, ...], known: Known) -> Domain | None:
    """Of the branches that some row can take."""
    taken: list[Domain | None] = []
    for condition, outcome in zip(arguments[:-1:2], arguments[1::2], strict=True):
        domain = reach(condition, known) or TRUTH
        if True in _values(domain):
            taken.append(reach(outcome, known))
        if domain.values == (True,) and not domain.nullable:
            return _one_of(taken)
    return _one_of([*taken, reach(arguments[-1], known)])


def _coalesce(arguments: tuple[Expression, ...], known: Known) -> Domain | None:
    taken: list[Domain | None] = []
    for argument in arguments:
        domain = reach(argument, known)
        taken += [] if never(domain) else [domain]
        if domain is not None and not domain.nullable:
            found = _one_of(taken)
            return found and replace(found, nullable=False)
    return _one_of(taken) if taken else reach(arguments[0], known)


def _one_of(taken: list[Domain | None]) -> Domain | None:
    """Any one of these, as by a CASE."""
    domains = [domain for domain in taken if domain is not None]
    real = [domain for domain in domains if not never(domain)]
    if len(domains) < len(taken) or not real:
        return domains[0] if domains and len(domains) == len(taken) else None
    nullable = len(real) < len(domains)
    if len(real) == 1:
        return replace(real[0], nullable=real[0].nullable or nullable)
    pairs = [each for domain in real for each in (TRUTH, domain)]
    found = TABLE[F.CASE].rule(Use(F.CASE, (), (*pairs, real[0])))
    return replace(found, nullable=found.nullable or nullable)


def _nullif(arguments: tuple[Expression, ...], known: Known) -> Domain | None:
    first, second = (reach(argument, known) for argument in arguments)
    if first is None or second is None or never(first):
        return first
    alike = arguments[0] == arguments[1] or (len(first.values or ()) == 1 and first.values == second.values)
    if alike and (not second.nullable or arguments[0] == arguments[1]):
        return replace(first, nullable=True, values=())
    return replace(first, nullable=True)


_CHOICES: dict[Function, Callable[[tuple[Expression, ...], Known], Domain | None]] = {
    F.AND: _both,
    F.OR: _either,
    F.IS_NULL: _is_null,
    F.CASE: _case,
    F.COALESCE: _coalesce,
    F.NULLIF: _nullif,
}
