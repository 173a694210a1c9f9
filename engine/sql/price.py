"""Pass 5, price: the whole plan, checked exactly as nodes check it, with its privacy figures in words.

``Decomposed`` -> ``Statement``. The loss itself is chosen by whoever asks; what one person can change is fixed here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from engine.errors import Refused
from engine.sql.bound import Bound
from engine.sql.consistency import families
from engine.sql.decompose import Decomposed
from engine.sql.idle import idle_of
from engine.sql.split import split
from engine.sql.statement import Context, Figure, MeanLeaf, MomentLeaf, Ordering, Output, QuantileLeaf, Statement
from engine.trusted.calibrate import cells_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.join import is_join
from engine.trusted.plan import PLAN_VERSION, Aggregate, Plan, Type
from engine.trusted.selection import selected_key
from engine.trusted.stability import Stability, stability_of
from engine.trusted.verify import DEFAULT_MAX_CELLS, verify_plan
from engine.trusted.wire import digest, encode

LEAST_SELECTED = 16  # with room for fewer values of a selected key, a statement is refused


def price(decomposed: Decomposed, context: Context) -> Statement:
    """Raises Refused for what no node would accept: SQL_TOO_COMPLEX, SQL_OVERLAP_PERSONS, SQL_TEXT_UNPRINTABLE."""
    query = decomposed.query
    aggregate = split(decomposed.aggregate, decomposed.leaves, [o.bound.expression for o in query.outputs])
    decomposed = replace(decomposed, aggregate=_fitted(aggregate, context))
    plan = Plan(PLAN_VERSION, _catalogue_digest(context.catalogue), decomposed.aggregate)
    verify_plan(plan, context.catalogue, context.rules)
    stability = stability_of(decomposed.aggregate.input, context.catalogue)
    return Statement(
        sql=query.sql,
        plan=plan,
        leaves=decomposed.leaves,
        outputs=tuple(Output(o.name, _type(o.bound), o.bound.expression) for o in query.outputs),
        steps=query.steps,
        order=tuple(Ordering(s.bound.expression, s.descending, s.nulls_first) for s in query.order),
        limit=query.limit,
        offset=query.offset,
        notes=_notes(decomposed, stability, adds_up=bool(families(decomposed.aggregate, context.catalogue))),
        idle=idle_of(query, decomposed.aggregate.input, context.catalogue),
    )


def _fitted(aggregate: Aggregate, context: Context) -> Aggregate:
    """With as many values of a selected key as the cells of an answer allow; the most shared ones are kept."""
    position = selected_key(aggregate)
    if position is None:
        return aggregate
    scope = scope_of(aggregate.input, context.catalogue)

    def of(most: int) -> Aggregate:
        keys = list(aggregate.keys)
        keys[position] = replace(keys[position], selected_at_most=most)
        return replace(aggregate, keys=tuple(keys))

    one, two = (cells_of(of(most), scope) for most in (1, 2))
    fitting = ((context.rules.max_cells or DEFAULT_MAX_CELLS) - (2 * one - two)) // max(two - one, 1)
    wanted = aggregate.keys[position].selected_at_most
    return aggregate if fitting >= wanted else of(max(fitting, min(LEAST_SELECTED, wanted)))


def _type(bound: Bound) -> Type:
    if bound.domain is None:
        raise Refused("SQL_UNTYPED_NULL", at=bound.at)
    return bound.domain.type


@lru_cache(maxsize=8)
def _catalogue_digest(catalogue: Catalogue) -> bytes:
    return digest(encode(catalogue))


def _across(left: str, right: str) -> tuple[str, ...]:
    return (
        f"{left} and {right} each add all of the noise, so errors are 1.41 times those of one department's answer.",
        f"Guardians of {left} and of {right} approve each such question. Neither learns of the other's rows.",
        "Three helpers learn the numbers of persons of each side and of both, with some added who do not exist.",
        "A sixteenth of rho, and half of delta, is for hiding those numbers.",
    )


def _notes(decomposed: Decomposed, stability: Stability, *, adds_up: bool) -> tuple[str, ...]:
    rows = "1 row" if stability.rows == 1 else f"{stability.rows} rows"
    notes = [f"One person counts with at most {rows}; further rows of a person are left out."]
    if decomposed.aggregate.keys and stability.groups < stability.rows:
        groups = "1 group" if stability.groups == 1 else f"{stability.groups} groups"
        notes.append(f"One person counts in at most {groups}.")
    if stability.overlap > 1:
        notes.append(
            f"One person may appear at {stability.overlap} nodes, so noise is {stability.overlap} times as large."
        )
    if is_join(decomposed.aggregate):
        notes += _across(*stability.hosts)
    if adds_up:
        notes.append(
            "Counts and sums are adjusted so that subtotals add up, but for rounding where noise is hardly larger than"
            " that; which makes their errors smaller."
        )
    if any(isinstance(leaf, MeanLeaf | MomentLeaf) for _, leaf in decomposed.leaves):
        notes.append("An average over fewer than one row, as counted with noise, is NULL; variances and the like too.")
    if any(isinstance(leaf, QuantileLeaf) for _, leaf in decomposed.leaves):
        notes.append("A quantile comes from noisy counts of ranges and is exact to the width of one range at best.")
    if selected_key(decomposed.aggregate) is not None:
        notes.append("A key without a published list shows values that enough persons share; rarer ones are left out.")
    figures = {use.figure for use in decomposed.query.aggregates}
    ends = [("MIN", "1 %", Figure.LOWEST), ("MAX", "99 %", Figure.HIGHEST)]
    notes += [
        f"{name} is the {place} quantile: the extreme itself would show one person."
        for name, place, figure in ends
        if figure in figures
    ]
    return tuple(notes)
