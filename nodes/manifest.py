"""Opening a round manifest: what a node and a helper check alike before they take part in a round.

Claim: a round that passes these checks is one that its analyst signed, under this federation's current manifest,
       over enough distinct hosts, with an honest-sized committee, and with exactly the noise this member computes.
Because: every field is compared with the signed request, with the member's own copy of the federation manifest, or
       with the member's own recomputation; a field that none of them vouches for is read by nobody.
Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.errors import require
from engine.trusted import sign, wire
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.clock import Clock
from engine.trusted.join import JOIN_HELPERS, is_join
from engine.trusted.plan import Plan
from engine.trusted.random import Randomness
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    Calibration,
    Ready,
    Request,
    Role,
    RoundManifest,
    Rules,
    Selection,
    SnapshotRef,
)
from engine.trusted.seal import SealingKey
from engine.trusted.selection import Choice, choice_for, phases_of, with_keys
from engine.trusted.stability import stability_of
from engine.trusted.verify import verify_plan
from nodes.join_keys import JoinKeys
from nodes.ledger import Ledger
from nodes.refusals import Refusals

READY_MS = 30_000
ROUND_MS = 3_600_000
COMMITTEE = 3


@dataclass(frozen=True, slots=True)
class Keys:
    """A member's private keys; neither prints itself."""

    signing: sign.SigningKey
    sealing: SealingKey


@dataclass(frozen=True, slots=True)
class Seat:
    """What every member of a round needs; ``agreements`` by the digest of their signed bytes.

    ``ended``: digests of those revoked; ``guardians``: approvals of this department wanted for each plan; ``refused``:
    request and guardian of each refusal, and its date; ``unvouched``: the code that keeps a member closed whose
    journal nobody vouched for yet (witnesses.py).
    """

    name: str
    roster: sign.Roster
    agreements: Mapping[bytes, Agreement]
    ledger: Ledger
    clock: Clock
    randomness: Randomness
    keys: Keys
    ended: frozenset[bytes] = frozenset()
    guardians: int = 0
    paused: bool = False
    pause_ms: int = 0
    started_ms: int = 0
    unvouched: str = ""
    refused: Mapping[tuple[bytes, str], int] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=Refusals)
    join_keys: JoinKeys = field(default_factory=JoinKeys)

    def require_open(self, agreement_digest: bytes = b"") -> None:
        """Raises what keeps this member from taking part, in anything or under one agreement.

        Claim: a paused member, one whose journal is not vouched for, and one whose agreement was revoked, do nothing.
        Because: every duty asks here when it begins, and rounds that are open are dropped when the answer changes.
        Checked by: tests/nodes/test_rulebook.py::test_open_rounds_are_dropped_when_a_record_ends_them
        """
        require(not self.unvouched, self.unvouched)
        require(not self.paused, "NODE_PAUSED")
        require(agreement_digest not in self.ended, "POLICY_AGREEMENT_REVOKED")

    @property
    def catalogue(self) -> Catalogue:
        return self.roster.manifest.catalogue

    @property
    def rules(self) -> Rules:
        return self.roster.manifest.rules


@dataclass(frozen=True, slots=True)
class Arrival:
    """The bytes of a round manifest and when they came: wall clock, and monotonic milliseconds."""

    manifest: bytes
    at_ms: int
    monotonic_ms: float
    sealed_keys: bytes = b""


@dataclass(frozen=True, slots=True)
class Round:
    """A manifest whose request is authentic; ``id`` is SHA-256 of its bytes as received."""

    id: bytes
    manifest: RoundManifest
    request: Request
    request_digest: bytes
    readies: tuple[Ready, ...]  # not signed by anybody until ``check_readies`` returns

    @property
    def committee(self) -> tuple[str, ...]:
        return (self.request.analyst, *self.manifest.helpers)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(p.node for p in self.manifest.participants)


def authenticate(arrival: Arrival, seat: Seat) -> Round:
    """The round of a manifest, once its request is known to be its analyst's.

    Claim: the request was signed by a current analyst of this federation, and is still valid.
    Because: the signature is over the exact request bytes; epoch and federation must be this member's own.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    manifest: RoundManifest = wire.decode(RoundManifest, arrival.manifest)
    federation, now = seat.roster.manifest, arrival.at_ms
    seat.require_open()
    sign.require_current(federation, now)
    require(manifest.version == RECORD_VERSION, "POLICY_RECORD_INVALID")
    require(manifest.epoch == federation.epoch, "POLICY_EPOCH_DIFFERS")
    request: Request = sign.open_request(manifest.request, seat.roster)
    require(now < request.expires_ms, "POLICY_REQUEST_EXPIRED")
    analyst = seat.roster.require(request.analyst, Role.ANALYST)
    require(request.sealing_key == analyst.sealing_key, "POLICY_SEALING_KEY", name=analyst.name)
    readies = tuple(wire.decode(Ready, record.payload) for record in manifest.readies)
    return Round(wire.digest(arrival.manifest), manifest, request, wire.digest(manifest.request.payload), readies)


def decode_plan(round_: Round) -> Plan:
    """The plan the analyst signed for.

    Claim: the plan is the one whose digest stands in the request.
    Because: SHA-256 of the bytes received is compared before they are decoded.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    require(wire.digest(round_.manifest.plan) == round_.request.plan_digest, "POLICY_PLAN_DIFFERS")
    plan: Plan = wire.decode(Plan, round_.manifest.plan, wire.PLAN_BYTES)
    return plan


def check_plan(plan: Plan, seat: Seat) -> None:
    """Everything that can be checked on the plan alone, against this member's own catalogue and rules.

    Claim: a plan that passes is total, bounded, and over this catalogue.
    Because: verify_plan derives each domain, clamp and key list again and reads no number that it can compute.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    verify_plan(plan, seat.catalogue, seat.rules)


def check_round(round_: Round, plan: Plan, arrival: Arrival, seat: Seat) -> None:
    """The round against the request, the rules and this member's own calibration.

    Claim: enough distinct hosts, a committee that cannot be one body, noise of the computed size, and no more
           runs or attempts than the analyst signed.
    Because: see each check; none of them takes the coordinator's word.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    manifest, request = round_.manifest, round_.request
    require(1 <= manifest.phase <= phases_of(plan), "ROUND_PHASE")
    require((request.selection is None) == (phases_of(plan) == 1), "ROUND_PHASE")
    require(1 <= manifest.attempt <= request.max_attempts, "ROUND_ATTEMPT")
    require(1 <= manifest.run <= request.runs, "ROUND_RUN")
    require(arrival.at_ms < manifest.deadline_ms, "ROUND_LATE")
    require(manifest.deadline_ms <= arrival.at_ms + ROUND_MS, "ROUND_DEADLINE_FAR")
    _check_participants(round_, plan, seat)
    _check_committee(round_, seat)
    if is_join(plan.aggregate):
        _check_parties(round_, plan, seat)
    require(manifest.calibration == _calibration(round_, plan, seat), "ROUND_CALIBRATION")


def names_keys(round_: Round, plan: Plan) -> bool:
    """Whether this is the first of two phases, in which nodes name keys."""
    return round_.manifest.phase < phases_of(plan)


def choice(round_: Round, plan: Plan, seat: Seat) -> Choice:
    """How a node names keys at the price that the request gives for it."""
    return choice_for(plan, seat.catalogue, round_.request.selection)


def selection(round_: Round, plan: Plan, seat: Seat) -> Selection | None:
    """In a second phase, what the analyst signed about its keys; else None. Raises ROUND_KEYS.

    Claim: the length is the one signed for this request, and at most what the plan allows.
    Because: the analyst's signature is over the record, which names the request's digest.
    Checked by: tests/nodes/test_selection.py::test_forged_keys_are_refused_and_cost_nothing
    """
    record = round_.manifest.selection
    second = not names_keys(round_, plan) and phases_of(plan) == 2
    require((record is not None) == second, "ROUND_KEYS")
    if record is None:
        return None
    found = sign.open_selection(record, seat.roster, round_.request.analyst)
    require(found.request_digest == round_.request_digest, "ROUND_KEYS")
    require(1 <= found.length <= max(key.selected_at_most for key in plan.aggregate.keys), "ROUND_KEYS")
    return found


def _calibration(round_: Round, plan: Plan, seat: Seat) -> Calibration:
    request, signed = round_.request, selection(round_, plan, seat)
    if names_keys(round_, plan):
        return choice(round_, plan, seat).calibration
    plan = plan if signed is None else with_keys(plan, most=signed.length)
    return calibrate(plan, seat.catalogue, request.loss, request.n_min, request.f)


def _check_participants(round_: Round, plan: Plan, seat: Seat) -> None:
    request, rules = round_.request, seat.rules
    hosts = stability_of(plan.aggregate.input, seat.catalogue).hosts
    require(request.f == rules.f, "POLICY_F_DIFFERS")
    least = max(min(rules.n_min or len(hosts), len(hosts)), rules.f + 1)
    require(least <= request.n_min, "POLICY_N_MIN")
    require(len(set(round_.nodes)) == len(round_.nodes), "ROUND_NODE_REPEATED")
    require(set(round_.nodes) <= set(hosts), "ROUND_NOT_A_HOST")
    require(len(round_.nodes) >= request.n_min, "ROUND_TOO_FEW_NODES")


def _check_committee(round_: Round, seat: Seat) -> None:
    committee = round_.committee
    require(len(set(committee)) == len(committee), "ROUND_HELPER_REPEATED")
    bodies = {seat.roster.require(name, Role.HELPER).body for name in round_.manifest.helpers}
    least = max(COMMITTEE, seat.rules.committee, round_.request.committee)
    require(len(committee) >= least, "ROUND_COMMITTEE_SMALL")
    require(seat.roster.member(round_.request.analyst).body not in bodies, "ROUND_COMMITTEE_OF_ANALYST")
    require(len(bodies) >= 2, "ROUND_COMMITTEE_ONE_BODY")


def _check_parties(round_: Round, plan: Plan, seat: Seat) -> None:
    """A private join has both its owners, the left one first, and three helpers of three bodies that are no party's.

    Claim: no two of the three shares of a row come together at one body, nor any at an owner's or the analyst's.
    Because: names of bodies are those of the signed federation manifest.
    Checked by: tests/nodes/test_join_forged.py::test_a_forged_private_join_is_refused_and_costs_nothing
    """
    parties = [seat.roster.member(name).body for name in (*round_.manifest.helpers, *round_.nodes)]
    hosts = stability_of(plan.aggregate.input, seat.catalogue).hosts
    sound = round_.nodes == hosts and round_.request.n_min == len(hosts) == len(round_.manifest.helpers) - 1
    helping = set(parties[: len(round_.manifest.helpers)])
    require(sound and len(helping) == JOIN_HELPERS and not helping & set(parties[JOIN_HELPERS:]), "ROUND_JOIN_PARTIES")


def check_readies(round_: Round, plan: Plan, arrival: Arrival, seat: Seat) -> None:
    """Every helper, and both owners of a private join, said at most 30 s before the manifest came that they would
    answer this request.

    Claim: nothing is charged for a round whose committee was not there, nor by a ledger older than one a helper saw.
    Because: each *ready* is signed by its helper over the request digest, its own time and the head it holds of every
             node of the round, also where it holds none: who asks for it cannot leave one out.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    readies = [sign.open_ready(record, seat.roster) for record in round_.manifest.readies]
    asked = round_.manifest.helpers + (round_.nodes if is_join(plan.aggregate) else ())
    require(tuple(r.member for r in readies) == asked, "ROUND_READY_MISSING")
    for ready in readies:
        require(ready.request_digest == round_.request_digest, "ROUND_READY_OTHER_REQUEST", name=ready.member)
        require(abs(arrival.at_ms - ready.at_ms) <= READY_MS, "ROUND_READY_STALE", name=ready.member)
        require(set(round_.nodes) <= {held.node for held in ready.held}, "ROUND_READY_MISSING")
        for held in ready.held:
            goes_on = held.node != seat.name or seat.ledger.goes_on_from(held.size, held.root)
            require(goes_on, "NODE_LEDGER_ROLLED_BACK")


def own_datasets(plan: Plan, seat: Seat) -> tuple[Dataset, ...]:
    """The datasets of a plan that this member hosts: all of them, or those of its side of a private join."""
    names = stability_of(plan.aggregate.input, seat.catalogue).datasets
    return tuple(d for d in seat.catalogue.datasets if d.name in names and seat.name in d.hosts)


def check_snapshots(round_: Round, plan: Plan, current: Iterable[SnapshotRef], seat: Seat) -> None:
    """This node takes part, and the round names its current snapshots of the plan's datasets, for its purpose.

    Claim: the rows that are read are those announced, under the consent rule of that version.
    Because: id and consent version are compared with the node's own.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    require(seat.name in round_.nodes, "ROUND_NOT_FOR_ME")
    named = next(p.snapshots for p in round_.manifest.participants if p.node == seat.name)
    read, held = {dataset.name for dataset in own_datasets(plan, seat)}, tuple(current)
    require(read <= {ref.dataset for ref in held}, "POLICY_CONSENT_PURPOSE")
    relevant = {s for s in named if s.dataset in read}
    require(read == {s.dataset for s in relevant} and relevant <= set(held), "ROUND_SNAPSHOT")
