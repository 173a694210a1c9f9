"""Step 1 of the coordinator: whether a submission may run at all, and on what terms.

Nodes and helpers check everything again and trust none of this: checking here spares them, and the budget, rounds
that cannot end well. The coordinator reads the typed plan, never the statement.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from engine.coordinator.agreements import Agreements
from engine.coordinator.events import Candidate, Terms, Windows
from engine.coordinator.streams import streaming_ms
from engine.errors import Refused, Unavailable
from engine.trusted import wire
from engine.trusted.calibrate import calibrate
from engine.trusted.join import JOIN_HELPERS, is_join
from engine.trusted.messages import Chosen, Submission
from engine.trusted.plan import Plan
from engine.trusted.records import Calibration, Loss, Request, Role, Selection, SignedRecord
from engine.trusted.selection import choice_for, phases_of, with_keys
from engine.trusted.sign import Roster, open_request, open_selection, require_current
from engine.trusted.stability import stability_of

LEAST_COMMITTEE = 3


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission that may run. ``digest`` names the request: SHA-256 of its signed bytes. ``streaming_ms``: what a
    join's bulk may take, by the owners' public figures, on its way to the helpers and again inside them."""

    digest: bytes
    submission: Submission
    request: Request
    hosts: tuple[str, ...]
    helpers: int
    calibration: Calibration
    phase: int = 1
    names_keys: bool = False  # the first of two phases
    chosen: Chosen | None = None  # the second: what the analyst signed, and sealed to each host
    datasets: frozenset[str] = frozenset()
    agreement_ends: int = 0
    joins: bool = False  # two departments' rows: approved plan by plan, whatever they say
    streaming_ms: int = 0
    run: int = 1
    approvals: tuple[SignedRecord, ...] = ()

    @property
    def join_price(self) -> Loss | None:
        """What members are told when they are asked to get ready for a join."""
        return self.request.loss if self.joins else None


def admit(
    submission: Submission, agreements: Agreements, roster: Roster, now_ms: int, chosen: Chosen | None = None
) -> Admitted:
    """The request if it is its analyst's, current, for these plan bytes, and under an agreement in force; with
    ``chosen``, its second phase.

    Raises Refused POLICY_* or SQL_* for the first check that fails; nothing was charged anywhere.
    """
    manifest = roster.manifest
    require_current(manifest, now_ms)
    request = open_request(submission.request, roster)
    if now_ms >= request.expires_ms:
        raise Refused("POLICY_REQUEST_EXPIRED")
    if wire.digest(submission.plan) != request.plan_digest:
        raise Refused("POLICY_PLAN_DIFFERS")
    agreement = agreements.standing(request.agreement_digest, now_ms)
    agreements.require_newest(agreement)
    if request.analyst not in agreement.analysts:
        raise Refused("POLICY_ANALYST_NOT_NAMED", name=request.analyst)
    plan: Plan = wire.decode(Plan, submission.plan, wire.PLAN_BYTES)
    if plan.catalogue_digest != wire.digest(wire.encode(manifest.catalogue)):
        raise Refused("POLICY_CATALOGUE_DIFFERS")
    stability = stability_of(plan.aggregate.input, manifest.catalogue)
    hosts = stability.hosts
    joins = is_join(plan.aggregate)
    usual = len(hosts) if joins else min(manifest.rules.n_min or len(hosts), len(hosts))
    least = max(usual, request.f + 1)
    if request.f != manifest.rules.f:
        raise Refused("POLICY_F_DIFFERS")
    if not least <= request.n_min <= len(hosts):
        raise Refused("POLICY_N_MIN")
    committee = max(LEAST_COMMITTEE, manifest.rules.committee, request.committee)
    if joins and committee > JOIN_HELPERS + 1:
        raise Refused("POLICY_COMMITTEE_JOIN")
    digest = wire.digest(submission.request.payload)
    case = partial(
        Admitted,
        digest,
        submission,
        request,
        hosts,
        JOIN_HELPERS if joins else committee - 1,
        datasets=frozenset(stability.datasets),
        agreement_ends=agreement.until_ms,
        joins=joins,
        streaming_ms=streaming_ms(plan, manifest.catalogue) if joins else 0,
    )
    if phases_of(plan) == 1:
        return case(calibrate(plan, manifest.catalogue, request.loss, request.n_min, request.f))
    if request.runs > 1:
        raise Refused("POLICY_NOT_SUPPORTED", operator="several runs of a statement whose keys the nodes name")
    if chosen is None:
        return case(choice_for(plan, manifest.catalogue, request.selection).calibration, phase=1, names_keys=True)
    selection = _selection(chosen, digest, plan, request, roster)
    plan = with_keys(plan, most=selection.length)
    return case(calibrate(plan, manifest.catalogue, request.loss, request.n_min, request.f), phase=2, chosen=chosen)


def _selection(chosen: Chosen, digest: bytes, plan: Plan, request: Request, roster: Roster) -> Selection:
    selection = open_selection(chosen.selection, roster, request.analyst)
    most = max(key.selected_at_most for key in plan.aggregate.keys)
    if selection.request_digest != digest or not 1 <= selection.length <= most:
        raise Unavailable("ROUND_KEYS")
    return selection


def terms_of(case: Admitted, roster: Roster, windows: Windows, expires: int) -> Terms:
    """What the rounds of a request have to keep to. Helpers are tried in an order of the request's own.

    ``expires``: the request's expiry on the clock of the rounds. No helper is of the analyst's body, nor in a join of
    an owner's.
    """
    barred = {roster.member(name).body for name in (case.request.analyst, *(case.hosts if case.joins else ()))}
    others = [m for m in roster.manifest.members if Role.HELPER in m.roles and m.body not in barred]
    others.sort(key=lambda m: wire.digest(case.digest + m.name.encode()))
    candidates = tuple(Candidate(m.name, m.body) for m in others)
    more, least, most = case.streaming_ms, case.request.n_min, case.request.max_attempts
    windows = replace(windows, share=windows.share + more, answer=windows.answer + more)
    return Terms(
        case.hosts,
        candidates,
        least,
        case.helpers,
        most,
        expires,
        windows,
        names_keys=case.names_keys,
        joins=case.joins,
    )
