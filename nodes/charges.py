"""What a round costs this node, and how its end is written down.

Claim: every round that reached this node stands in its journal: as a charge and an outcome, or as a free refusal.
Because: the two context managers journal each error of the tree before it goes on; the ledger writes charge and
         entry in one transaction.
Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
            tests/nodes/test_answer.py::test_failure_after_the_charge_keeps_the_charge
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.errors import Refused, SplittallyError
from engine.trusted.plan import Plan
from engine.trusted.records import AccountScope, Agreement, JournalEntry, JournalKind
from engine.trusted.wire import digest
from nodes.ledger import entry_of
from nodes.manifest import Arrival, Round, Seat, own_datasets


def entry_about(round_: Round, kind: JournalKind, survivors: tuple[str, ...] = ()) -> JournalEntry:
    """A journal entry about a round: digests and names."""
    request, snapshots = round_.request, tuple(s for p in round_.manifest.participants for s in p.snapshots)
    digests = {"round": round_.id, "request_digest": round_.request_digest}
    digests |= {"plan_digest": request.plan_digest, "agreement_digest": request.agreement_digest}
    return entry_of(kind, analyst=request.analyst, snapshots=snapshots, survivors=survivors, **digests)


def charge(round_: Round, plan: Plan, agreement: Agreement, seat: Seat) -> None:
    """Charges the request's loss to each identifier and dataset of the plan at this node, the agreement, the analyst.

    Claim: on return the charge is on disk; if any account lacks the budget, nothing is charged.
    Because: Ledger.charge is one durable transaction over all of them.
    Checked by: tests/nodes/test_answer.py::test_charge_is_durable_before_any_row_is_read
    """
    datasets = own_datasets(plan, seat)
    names = [d.name for d in datasets]
    accounts = [(AccountScope.IDENTIFIER, d.person.identifier) for d in datasets]
    accounts += [(AccountScope.DATASET, d.name) for d in datasets]
    accounts += [(AccountScope.SHARE_ACCOUNT, f"{round_.request.analyst} {d.name}") for d in datasets]
    entry, manifest = entry_about(round_, JournalKind.CHARGED), round_.manifest
    own = [s for p in manifest.participants if p.node == seat.name for s in p.snapshots if s.dataset in names]
    heads = [ready.head for ready in round_.readies]
    place = {"run": manifest.run, "phase": manifest.phase}
    seat.ledger.charge(round_.request, agreement, accounts, entry, **place, own=own, heads=heads)


@contextmanager
def free_refusals(arrival: Arrival, seat: Seat) -> Iterator[Callable[[Round], Round]]:
    """Journals an error that ends a round before its charge. What is yielded is told the round once it is authentic:
    too many refusals of one analyst are refused at once, unwritten."""
    rounds: list[Round] = []

    def known(round_: Round) -> Round:
        seat.refusals.require_few(round_.request.analyst, arrival.at_ms)
        rounds.append(round_)
        return round_

    try:
        yield known
    except SplittallyError as error:
        name, what = "", digest(arrival.manifest)
        if rounds and isinstance(error, Refused):
            name, what = rounds[0].request.analyst, rounds[0].request_digest
        if error.code != "POLICY_REFUSALS_LIMITED" and seat.refusals.count(name, what, arrival.at_ms):
            entry = entry_of(JournalKind.ROUND_REFUSED, round=digest(arrival.manifest), code=error.code)
            seat.ledger.record(entry)
        raise


@contextmanager
def charged_outcome(round_: Round, seat: Seat) -> Iterator[None]:
    """Makes an error after the charge the round's outcome: its code is stored, the charge stays."""
    try:
        yield
    except SplittallyError as error:
        seat.ledger.store_refusal(round_.id, error.code)
        raise
