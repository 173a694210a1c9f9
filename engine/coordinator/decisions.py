"""What a request waits for, whether it may run, or why it has ended: a state machine without I/O.

``note`` takes one event into the state; ``judge`` says what follows at a time: ``Wait`` for those named, ``Go`` over
these nodes with these approvals, or ``End``. Nothing here is trusted by a node: each counts approvals for itself.

Times are milliseconds of the wall clock. Names are members of the federation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.trusted.messages import RequestState

_STATES = {
    "": RequestState.RELEASED,
    "POLICY_REQUEST_EXPIRED": RequestState.EXPIRED,
    "POLICY_AGREEMENT_EXPIRED": RequestState.EXPIRED,
    "POLICY_AGREEMENT_REVOKED": RequestState.REVOKED,
}
SECOND_THOUGHTS = "APPROVAL_REFUSED"  # the one end that the same guardian may take back


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request fixes. ``guardians``: of each host, all who may decide for it. ``always``: every host wants at
    least one approval, whatever it says itself (a private join)."""

    analyst: str
    hosts: tuple[str, ...]
    n_min: int
    runs: int
    expires: int
    agreement_ends: int
    guardians: Mapping[str, tuple[str, ...]]
    always: bool = False


# -- events: what happened


@dataclass(frozen=True, slots=True)
class Decided:
    """A guardian's decision; of several, the one decided last counts, whatever came first."""

    guardian: str
    approved: bool
    decided: int
    expires: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a node says of itself: approvals it wants for each plan, and whether it is paused."""

    node: str
    wanted: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """The snapshots a connected node answers from."""

    node: str
    snapshots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Named:
    """The nodes have named keys, and the analyst has to choose, or has ``chosen``."""

    chosen: bool = False


@dataclass(frozen=True, slots=True)
class RunReleased:
    """The run is released; ``used``: what each node answered from."""

    used: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Ended:
    """For good: withdrawn, or its agreement was revoked."""

    code: str


Event = Decided | Said | Shown | Named | RunReleased | Ended


@dataclass(frozen=True, slots=True)
class State:
    run: int = 1
    decisions: Mapping[str, Decided] = field(default_factory=dict)  # by guardian
    said: Mapping[str, Said] = field(default_factory=dict)  # by node
    shown: Mapping[str, frozenset[str]] = field(default_factory=dict)
    used: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by earlier runs
    choosing: bool = False
    ended: str = ""


# -- outcomes


@dataclass(frozen=True, slots=True)
class Wait:
    waiting_for: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Go:
    """Over these hosts; ``guardians``: whose approvals go with it."""

    run: int
    hosts: tuple[str, ...]
    guardians: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class End:
    state: RequestState
    code: str
    reason: str = ""


Outcome = Wait | Go | End


def end(code: str, reason: str = "") -> End:
    """The end that a code stands for; no code: all runs are released."""
    return End(_STATES.get(code, RequestState.REFUSED_STATE), code, reason)


def note(state: State, event: Event) -> State:
    """The state after ``event``."""
    match event:
        case Decided(guardian):
            older = state.decisions.get(guardian)
            if older is not None and older.decided > event.decided:
                return state
            return replace(state, decisions={**state.decisions, guardian: event})
        case Said(node):
            return replace(state, said={**state.said, node: event})
        case Shown(node, snapshots):
            return replace(state, shown={**state.shown, node: snapshots})
        case Named(chosen):
            return replace(state, choosing=not chosen)
        case RunReleased(used):
            earlier = {n: state.used.get(n, frozenset()) | used.get(n, frozenset()) for n in {*state.used, *used}}
            return replace(state, run=state.run + 1, used=earlier, choosing=False)
        case Ended(code):
            return replace(state, ended=state.ended or code)


def judge(terms: Terms, state: State, now: int) -> Outcome:
    """What follows now. A refusal by any host's guardian ends the request, whether its node asked for a decision or
    not; a paused node is left out where ``n_min`` allows."""
    if state.ended:
        return end(state.ended)
    if now >= terms.expires:
        return end("POLICY_REQUEST_EXPIRED")
    if now >= terms.agreement_ends:
        return end("POLICY_AGREEMENT_EXPIRED")
    if state.run > terms.runs:
        return end("")
    refusal = _refusal(terms, state)
    if refusal is not None:
        return refusal
    hosts = tuple(h for h in terms.hosts if h not in state.said or not state.said[h].paused)
    waiting: list[str] = []
    if len(hosts) < terms.n_min:
        waiting += [f"the paused node {h}" for h in terms.hosts if h not in hosts]
    for host in hosts:
        waiting += _undecided(terms, state, host, now)
    if state.run > 1:
        waiting += [f"a new snapshot of {h}" for h in hosts if not _fresh(state, h)]
    if state.choosing:
        waiting.append(terms.analyst)
    if waiting:
        return Wait(tuple(waiting))
    return Go(state.run, hosts, tuple(sorted(g for h in hosts for g in _approving(terms, state, h, now))))


def changes_at(terms: Terms, state: State, now: int) -> int:
    """When the outcome may be another one though nothing happens: a date is reached."""
    approvals = (d.expires for d in state.decisions.values() if d.approved and d.expires > now)
    return min(terms.expires, terms.agreement_ends, *approvals)


def _deciding(terms: Terms, host: str) -> tuple[str, ...]:
    """The guardians of a host, never the analyst."""
    return tuple(g for g in terms.guardians.get(host, ()) if g != terms.analyst)


def _refusal(terms: Terms, state: State) -> End | None:
    for host in terms.hosts:
        for guardian in _deciding(terms, host):
            decision = state.decisions.get(guardian)
            if decision is not None and not decision.approved:
                return end(SECOND_THOUGHTS, f"{guardian}: {decision.reason}")
    return None


def _approving(terms: Terms, state: State, host: str, now: int) -> tuple[str, ...]:
    found = ((g, state.decisions.get(g)) for g in _deciding(terms, host))
    return tuple(g for g, decision in found if decision is not None and decision.approved and now < decision.expires)


def _undecided(terms: Terms, state: State, host: str, now: int) -> tuple[str, ...]:
    """Those who can still decide for a host that wants more approvals than it has."""
    wanted = state.said[host].wanted if host in state.said else 0
    approving = _approving(terms, state, host, now)
    if len(approving) >= max(wanted, int(terms.always)):
        return ()
    return tuple(g for g in _deciding(terms, host) if g not in approving) or (f"another guardian of {host}",)


def _fresh(state: State, host: str) -> bool:
    shown = state.shown.get(host, frozenset())
    return bool(shown) and not shown & state.used.get(host, frozenset())
