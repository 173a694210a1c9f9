"""One statement over one's own files: what ``splittally try`` does, without the printing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

from engine.catalogue import load_catalogue
from engine.client.release import Release
from engine.governance.federation import default_rules, helpers_to_add
from engine.local.data import folders_of
from engine.local.federation import LocalFederation, Terms
from engine.trusted.catalogue import Catalogue
from engine.trusted.epsilon import times
from engine.trusted.join import is_join
from engine.trusted.plan import Plan
from engine.trusted.records import AccountCap, AccountScope, Loss
from engine.trusted.stability import stability_of

ATTEMPTS = 4


def terms_for(price: Loss, n_min: int | None, plan: Plan, catalogue: Catalogue) -> Terms:
    """Terms that allow one statement of this price, and a few attempts at it, with as many helpers as it needs."""
    budget = times(price, ATTEMPTS)
    caps = (AccountCap(AccountScope.IDENTIFIER, "", 365, budget, budget),)
    owners = stability_of(plan.aggregate.input, catalogue).hosts if is_join(plan.aggregate) else ()
    return Terms(caps, budget, price, n_min or 0, helpers=helpers_to_add(catalogue, owners))


def attempt(
    sql: str,
    catalogue_file: Path,
    data: Sequence[str],
    epsilon: Fraction,
    delta: Fraction,
    n_min: int | None,
    progress: Callable[[str], None],
    tell: Callable[[str], None] = lambda _: None,
) -> Release:
    """The release of one statement by a federation that lives as long as it takes.

    Catalogue, folders and statement are checked before any process starts. ``tell`` is told what the
    owner of the files should know of them. Raises BadFile, Refused, Unavailable.
    """
    from engine.client.terms import least_nodes, price_of, require_delta
    from engine.local.approvals import answered
    from engine.sql import prepare

    require_delta(delta)
    catalogue = load_catalogue(catalogue_file)
    folders = folders_of(data, catalogue)
    rules = default_rules(n_min or 0)
    plan = prepare(sql, catalogue, rules).plan
    terms = terms_for(price_of(epsilon, delta, plan).total, n_min, plan, catalogue)
    hosts = stability_of(plan.aggregate.input, catalogue).hosts
    least_nodes(rules, hosts, n_min, joins=is_join(plan.aggregate))  # refused before anything starts
    with LocalFederation(catalogue, folders, terms, progress) as local, local.session() as session:
        progress("asking the nodes")
        release = answered(local, session.query(sql, epsilon=epsilon, delta=delta, n_min=n_min))
        for note in local.notes():
            tell(note)
        progress("stopping the nodes")
        return release
