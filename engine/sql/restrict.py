"""Pass 3, restrict: what may be released. ``BoundQuery`` -> ``Restricted``.

Every key gets the explicit list of all its values, every sum and mean its clamp; both come from the published bounds
by lineage. What has no list or no bound is refused here, with the place.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import Refused
from engine.sql.bind import BoundQuery
from engine.sql.bound import Bound, located
from engine.sql.outputs import COUNTS, QUANTILES, AggregateUse
from engine.sql.relations import filtered, pruned
from engine.sql.sides import is_private, side_of
from engine.sql.statement import Context, Figure
from engine.trusted.domains import DEFAULT_MAX_KEYS, Domain, clamp_of, is_selectable, key_values
from engine.trusted.plan import Clamp, Key, Relation
from engine.trusted.walk import names_in

_QUANTILES = {Figure.LOWEST: "MIN", Figure.HIGHEST: "MAX"}


@dataclass(frozen=True, slots=True)
class Restricted:
    """``clamps``: one an aggregate, None for counts."""

    query: BoundQuery
    relation: Relation
    keys: tuple[Key, ...]
    clamps: tuple[Clamp | None, ...]


def restrict(query: BoundQuery, context: Context) -> Restricted:
    """Raises Refused SQL_KEY_NO_DOMAIN, SQL_KEY_TOO_MANY, SQL_UNBOUNDED_MEASURE, SQL_PERSON_COLUMN; for joins of two
    departments SQL_JOIN_SIDES, SQL_JOIN_KEY, SQL_JOIN_FIGURE."""
    above = [use.argument for use in query.aggregates] + [use.filter for use in query.aggregates]
    above += [use.second for use in query.aggregates] + [*query.keys]
    needed = frozenset().union(*(names_in(bound.expression) for bound in above if bound is not None))
    whole = filtered(query.relation, None if query.predicate is None else query.predicate.expression)
    relation = pruned(whole, needed, context.catalogue)
    keys = tuple(_key(key, context.rules.max_keys or DEFAULT_MAX_KEYS) for key in query.keys)
    private = is_private(relation)
    for bound, key in zip(query.keys, keys, strict=True):
        if private and side_of(bound) and key.selected_at_most:
            raise Refused("SQL_JOIN_KEY", at=bound.at)
    for use in query.aggregates:
        if private and use.figure in QUANTILES:
            raise Refused("SQL_JOIN_FIGURE", at=use.at, figure=_QUANTILES.get(use.figure, "A quantile"))
    selected = [bound for bound, key in zip(query.keys, keys, strict=True) if key.selected_at_most]
    if len(selected) > 1:
        raise Refused("SQL_KEYS_SELECTED_TWICE", at=selected[1].at)
    return Restricted(query, relation, keys, tuple(_clamp(use) for use in query.aggregates))


def _key(key: Bound, max_keys: int) -> Key:
    """With its list of values; without one, values that nodes choose privately."""
    domain = _known(key)
    with located(key.at):
        try:
            return Key(key.expression, key_values(domain, max_keys))
        except Refused as refused:
            if refused.code != "SQL_KEY_NO_DOMAIN" or not is_selectable(domain, max_keys):
                raise
    return Key(key.expression, (), max_keys)


def _clamp(use: AggregateUse) -> Clamp | None:
    if use.figure in COUNTS or use.argument is None:
        return None
    with located(use.at):
        if use.second is not None:
            clamp_of(_known(use.second))
        return clamp_of(_known(use.argument))


def _known(bound: Bound) -> Domain:
    if bound.domain is None:
        raise Refused("SQL_UNTYPED_NULL", at=bound.at)
    return bound.domain
