"""Rules for arithmetic: one a function, each a line or two of interval arithmetic.

Claim: as functions.py, for numbers: integers exactly, decimals as IEEE doubles.
Because: the arguments' intervals are widened to doubles, the extremes of the exact operation are taken, and the result
       is widened to doubles again, which covers rounding to nearest.
Checked by: tests/trusted_numerics/test_domains.py::test_every_value_lies_in_its_domain
"""

from __future__ import annotations

import operator
from fractions import Fraction
from math import ceil, floor, trunc

from engine.trusted import intervals
from engine.trusted.domain import Domain, Use, literal_argument, one_type, operands, range_of, refuse_type, shared
from engine.trusted.intervals import Interval
from engine.trusted.plan import Function, Type


def sum_rule(use: Use) -> Domain:
    held = operands(use)
    operation = operator.add if use.function is Function.ADD else operator.sub
    step = intervals.common_step(d.step for d in use.domains)
    return use.number(range_of(held, operation), step)


def multiply_rule(use: Use) -> Domain:
    held, (a, b) = operands(use), use.domains
    step = intervals.tidy_step(a.step * b.step) if a.step and b.step else None
    if held and use.arguments[0] == use.arguments[1]:
        least, most = intervals.absolute(held[0])
        return use.number((least * least, most * most), step)
    return use.number(range_of(held, operator.mul), step)


def divide_rule(use: Use) -> Domain:
    held, divisor = operands(use), use.domains[1]
    whole = Fraction(1) if divisor.type is Type.INTEGER else None
    ends = intervals.nonzero_ends(held[1], whole) if held else None
    zero = held is None or held[1][0] <= 0 <= held[1][1]
    interval: Interval | None = None
    if held and ends is not None:
        interval = intervals.hull(n / d for n in held[0] for d in ends) if ends else intervals.ZERO
    return use.result(Type.DECIMAL, interval and intervals.doubles(interval), nulls=zero)


def integer_divide_rule(use: Use) -> Domain:
    held = operands(use)
    if held is None:
        return use.number(None, nulls=True)
    ends = intervals.nonzero_ends(held[1], Fraction(1))
    interval = intervals.hull(Fraction(trunc(n / d)) for n in held[0] for d in ends) if ends else intervals.ZERO
    return use.number(interval, nulls=held[1][0] <= 0 <= held[1][1])


def modulo_rule(use: Use) -> Domain:
    held = operands(use)
    if held is None:
        return use.number(None, nulls=True)
    step = intervals.common_step(d.step for d in use.domains)
    return use.number(intervals.remainder(*held), step, nulls=held[1][0] <= 0 <= held[1][1])


def negate_rule(use: Use) -> Domain:
    held = operands(use)
    return use.number(range_of(held, operator.neg), use.domains[0].step)


def abs_rule(use: Use) -> Domain:
    held = operands(use)
    return use.number(intervals.absolute(held[0]) if held else None, use.domains[0].step)


def whole_rule(use: Use) -> Domain:
    held = operands(use)
    step = use.domains[0].step if use.domains[0].type is Type.INTEGER else Fraction(1)
    return use.number(range_of(held, floor if use.function is Function.FLOOR else ceil), step)


def round_rule(use: Use) -> Domain:
    digits = literal_argument(use, 1) if len(use.arguments) == 2 else 0
    if not isinstance(digits, int) or not -9 <= digits <= 9:
        raise refuse_type(use.function, "a literal number of digits from -9 to 9")
    held, argument = operands(use), use.domains[0]
    first = use._replace(domains=(argument,))
    if argument.type is Type.INTEGER and digits >= 0:
        return first.number(argument.interval, argument.step)
    scale = Fraction(10) ** digits
    interval: Interval | None = None
    if held:
        scaled = intervals.doubles((held[0][0] * scale, held[0][1] * scale))
        interval = intervals.corners(lambda v: intervals.round_half_away(v) / scale, scaled)
    return first.number(interval, 1 / scale)


def extreme_rule(use: Use) -> Domain:
    """LEAST, GREATEST: an argument without bounds still bounds the other side."""
    pick = min if use.function is Function.LEAST else max
    kind = one_type(use, use.domains)
    infinite = (-intervals.INFINITE, intervals.INFINITE)
    ends = [d.interval or infinite for d in use.domains]
    interval = pick(e[0] for e in ends), pick(e[1] for e in ends)
    step, grain = shared(use.domains)
    return use.result(kind, None if interval == infinite else interval, step=step, grain=grain)
