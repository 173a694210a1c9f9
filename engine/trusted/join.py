"""A private join, planned: what each of its two owners computes, and how the helpers put it together.

The answer is a sum over all pairs of rows of one person, a row of each side. A plan is answered so only if every
measure is a product of what one row of the left side gives and what one of the right side gives; then, for each person,
the sum over pairs is the product of the sums over rows, and an owner needs nothing of the other's rows.

Claim: for all rows, the sum over persons of (left vector) x (right vector), taken as ``pairs`` says, is the vector
       of the aggregate over the joined rows; and the padded numbers of persons that helpers see, with the noise of
       ``sizes_of``, cost no more than the sixteenth of rho and the delta that the noise of the cells does not have.
Because: a pair lies in a cell if its left row has the cell's left keys and its right row the right ones, passes a
       filter if each row passes its side's conditions, and adds f(left) g(right): sums of such terms factor. A person
       is in a cell if any pair is: if both sides have such a row. One person moves at most two of three disjoint
       counts (left only, right only, both) by 1: squared L2 norm 2, so rho = 1 / sigma^2. Each count is padded by
       max(0, shift + Z) with Z a discrete Gaussian of scale sigma: that is shift + Z but with probability
       P[Z <= -shift] <= delta / 2, for each of the two.
Checked by: tests/trusted_numerics/test_join.py::test_factors_multiply_to_the_joined_vector
            tests/trusted_numerics/test_join.py::test_sizes_cost_what_the_loss_leaves
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from engine.errors import Refused
from engine.trusted.account import BILLION, QUINTILLION, SIZES_PART, noise_part
from engine.trusted.calibrate import Block, cells_of, layout_of, root_up
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import Scope, clamp_of, domain_of, product_of, scope_of
from engine.trusted.plan import (
    Aggregate,
    Call,
    Expression,
    Function,
    GroupingSet,
    Measure,
    Plan,
    PrivateJoin,
    Relation,
    Statistic,
)
from engine.trusted.records import Loss
from engine.trusted.selection import rare
from engine.trusted.stability import stability_of

LEFT, RIGHT = 1, 2
JOIN_HELPERS = 3  # the whole committee: three bodies, none of them an owner's
MOST_WORDS = 1_024  # of one person's row at one side


@dataclass(frozen=True, slots=True)
class Side:
    """One owner's part: for each person, the cells of ``aggregate`` over that person's own rows, in ``layout_of`` order
    by the scope of its input, as whole steps without multipliers; ``words`` cells in all."""

    number: int  # LEFT or RIGHT
    host: str
    aggregate: Aggregate
    words: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A block of the answer is the sum over persons of a left and a right block: cells ``left.shape + right.shape``,
    then transposed by ``axes``, row-major."""

    block: Block
    left: Block
    right: Block
    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How the numbers of persons are hidden: each is padded by max(0, shift + Z), Z of scale ``sigma`` persons."""

    noise: Loss  # what is left for the noise of the cells
    sigma: int
    shift: int


def sizes_of(loss: Loss) -> Sizes:
    """Refused SQL_EPSILON_RANGE or SQL_DELTA_RANGE for a loss that pays for nothing."""
    noise = noise_part(loss)
    sigma = root_up(Fraction(BILLION, loss.rho_billionths // SIZES_PART))
    return Sizes(noise, sigma, rare(sigma, Fraction(loss.delta_quintillionths, 2 * QUINTILLION)))


def is_join(aggregate: Aggregate) -> bool:
    return isinstance(aggregate.input, PrivateJoin)


def sides_of(plan: Plan, catalogue: Catalogue) -> tuple[Side, Side]:
    """Both owners' parts, left first. Raises Refused POLICY_PLAN_INVALID for a plan without a private join, and what
    ``check_join`` raises."""
    aggregate, hosts = plan.aggregate, stability_of(plan.aggregate.input, catalogue).hosts
    scope = scope_of(aggregate.input, catalogue)
    left, right = (side_of(aggregate, scope, side) for side in (LEFT, RIGHT))
    return Side(LEFT, hosts[0], left, cells_of(left, scope)), Side(RIGHT, hosts[1], right, cells_of(right, scope))


def side_at(plan: Plan, node: str, catalogue: Catalogue) -> Side:
    """The part of one owner; POLICY_PLAN_INVALID at a node that owns neither side."""
    for side in sides_of(plan, catalogue):
        if side.host == node:
            return side
    raise Refused("POLICY_PLAN_INVALID", internal="a side of another node")


def side_of(aggregate: Aggregate, scope: Scope, side: int) -> Aggregate:
    """Keys, grouping sets and measures of one side, each once, over its own relation; ``scope``: of the join."""
    mine = _keys_of(aggregate, scope, side)
    sets = dict.fromkeys(_own_keys(chosen, mine) for chosen in aggregate.grouping_sets)
    measures = dict.fromkeys(factors_of(measure, scope)[side - 1] for measure in aggregate.measures)
    keys = tuple(aggregate.keys[key] for key in mine)
    return Aggregate(_relations(aggregate)[side - 1], keys, tuple(map(GroupingSet, sets)), tuple(measures))


def side_columns(aggregate: Aggregate, scope: Scope, side: int) -> tuple[Block, ...]:
    """Where the words of a person's row lie at one side; places of sets and measures are those of ``side_of``."""
    return layout_of(side_of(aggregate, scope, side), scope)


def pairs(aggregate: Aggregate, scope: Scope) -> tuple[Pair, ...]:
    """One pair for each block of the answer, in its order."""
    factors = [factors_of(measure, scope) for measure in aggregate.measures]
    mine = [_keys_of(aggregate, scope, side) for side in (LEFT, RIGHT)]
    held = []
    for part in (side_of(aggregate, scope, side) for side in (LEFT, RIGHT)):
        blocks = layout_of(part, scope)
        held.append({(part.grouping_sets[b.grouping_set].keys, part.measures[b.measure]): b for b in blocks})
    found = []
    for block in layout_of(aggregate, scope):
        chosen = aggregate.grouping_sets[block.grouping_set]
        halves = zip(held, mine, factors[block.measure], strict=True)
        left, right = (blocks[_own_keys(chosen, keys), measure] for blocks, keys, measure in halves)
        order = [key for keys in mine for key in keys if key in chosen.keys]
        found.append(Pair(block, left, right, tuple(map(order.index, chosen.keys))))
    return tuple(found)


def factors_of(measure: Measure, scope: Scope) -> tuple[Measure, Measure]:
    """The measure of each side whose product is the measure's value for a pair of rows.

    Raises Refused SQL_JOIN_SIDES where an expression or condition reads both sides in one, SQL_JOIN_FIGURE for
    quantiles, POLICY_PLAN_INVALID for a product with a narrower clamp.
    """
    statistic, expression = measure.statistic, measure.expression
    filters = [_condition(measure.filter, scope, side) for side in (LEFT, RIGHT)]
    if statistic is Statistic.QUANTILE_TREE:
        raise Refused("SQL_JOIN_FIGURE", figure="A quantile")
    if expression is None:
        return Measure(statistic, filter=filters[0]), Measure(statistic, filter=filters[1])
    product = product_of(expression, scope) if statistic is not Statistic.CENTRED_SUM else None
    if product is None:
        other = 2 - one_side(expression, scope)
        both = [Measure(statistic, expression, f, measure.clamp) for f in filters]
        both[other] = Measure(Statistic.COUNT_ROWS, filter=filters[other])
        return both[0], both[1]
    if measure.clamp and measure.clamp != clamp_of(domain_of(expression, scope)):
        raise Refused("POLICY_PLAN_INVALID", internal="clamp of a product")
    clamps = [measure.clamp and clamp_of(domain_of(factor, scope)) for factor in product]
    left, right = (Measure(statistic, *factor) for factor in zip(product, filters, clamps, strict=True))
    return left, right


def one_side(expression: Expression, scope: Scope) -> int:
    """LEFT or RIGHT, whose columns an expression reads; a constant counts as the left one's. Refused SQL_JOIN_SIDES."""
    side = domain_of(expression, scope).side or LEFT
    if side not in (LEFT, RIGHT):
        raise Refused("SQL_JOIN_SIDES")
    return side


def check_join(aggregate: Aggregate, scope: Scope) -> None:
    """What a private join takes besides a sound plan.

    Raises Refused SQL_JOIN_SIDES, SQL_JOIN_FIGURE, SQL_JOIN_KEY, SQL_TOO_COMPLEX above 1,024 words a row of a side.
    """
    if any(key.selected_at_most for key in aggregate.keys):
        raise Refused("SQL_JOIN_KEY")
    for side in (LEFT, RIGHT):
        if cells_of(side_of(aggregate, scope, side), scope) > MOST_WORDS:
            raise Refused("SQL_TOO_COMPLEX", what=f"more than {MOST_WORDS} numbers a person at one department")


def _relations(aggregate: Aggregate) -> tuple[Relation, Relation]:
    match aggregate.input:
        case PrivateJoin(left=left, right=right):
            return left, right
    raise Refused("POLICY_PLAN_INVALID", internal="no private join")


def _keys_of(aggregate: Aggregate, scope: Scope, side: int) -> list[int]:
    return [i for i, key in enumerate(aggregate.keys) if one_side(key.expression, scope) == side]


def _own_keys(chosen: GroupingSet, mine: list[int]) -> tuple[int, ...]:
    """Of one grouping set, the keys of one side, by their places among its own."""
    return tuple(place for place, key in enumerate(mine) if key in chosen.keys)


def _condition(condition: Expression | None, scope: Scope, side: int) -> Expression | None:
    """What of a conjunction is one side's."""
    mine = [part for part in conjuncts_of(condition) if one_side(part, scope) == side]
    return reduce(lambda a, b: Call(Function.AND, (a, b)), mine) if mine else None


def conjuncts_of(condition: Expression | None) -> Iterator[Expression]:
    """The conditions that AND joins, left to right."""
    below = [] if condition is None else [condition]
    while below:
        match below.pop():
            case Call(function=Function.AND, arguments=parts):
                below += reversed(parts)
            case part:
                yield part
