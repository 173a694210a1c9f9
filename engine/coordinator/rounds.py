"""A request's way through its rounds, as a state machine without I/O: an event and the time in, actions out.

    GATHERING   enough hosts and helpers are not connected yet
    READYING    helpers were asked whether they are ready; in a private join the two owners too
    SHARING     the round is open: nodes charge, compute and send masked vectors
    ANSWERING   the survivors are fixed, and each helper was asked once; left out where nodes only name keys
    ENDED       released or refused

Nothing is charged before SHARING. From then on a lost or silent helper costs the round: the next attempt, if the
request allows one, is a new round with other helpers. A lost node is missed only when fewer than ``n_min`` remain;
it is then waited for a little, and sent the same manifest again when it comes back. An owner of a private join that
was restarted has lost its keys, and costs the round as a helper does.
Times are milliseconds of one monotonic clock. Names are members of the federation.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from engine.coordinator.events import (
    Abandon,
    Action,
    Answered,
    AskAnswers,
    AskReadies,
    Declined,
    Dismiss,
    Event,
    Joined,
    Keep,
    Lost,
    Open,
    Readied,
    Refuse,
    Release,
    Reopen,
    Shared,
    Terms,
    Unready,
)
from engine.error_codes import CODES

CLOSED = "NODE_WITNESSES_MISSING"  # of a node that has just started: as good as away, it joins once more when it opens
# of an owner that was restarted before it charged, or after: the keys of its *ready* were in memory only
KEYS_LOST = ("ROUND_READY_STALE", "NODE_ROUND_LOST")
TRANSIENT = ("ROUND_", "NODE_")  # refusals that another round may not meet
REFUSAL_ORDER = ("POLICY_", "APPROVAL_", "BUDGET_", "SQL_", "NODE_", "ROUND_", "BUG_")


class Phase(enum.Enum):
    GATHERING = 1
    READYING = 2
    SHARING = 3
    ANSWERING = 4
    ENDED = 5


@dataclass(frozen=True, slots=True)
class State:
    phase: Phase
    attempt: int  # of the round last opened; 0 before the first
    connected: frozenset[str]
    deadline: int  # when the phase ends by itself
    closes: int = 0  # when the round that is open stops taking shares
    participants: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()
    avoided: frozenset[str] = frozenset()  # helpers that failed this request before
    ready: frozenset[str] = frozenset()
    shared: Mapping[str, bytes] = field(default_factory=dict)  # digest of each node's share set
    refusals: Mapping[str, str] = field(default_factory=dict)
    answered: frozenset[str] = frozenset()


Step = tuple[State, tuple[Action, ...]]


def begin(terms: Terms, connected: Iterable[str], now: int, attempt: int = 0, code: str = "") -> Step:
    """The first step of a request, or of one found unfinished after a restart.

    ``attempt`` rounds were opened before; ``code`` is the refusal when no further one is allowed.
    """
    state = State(Phase.GATHERING, attempt, frozenset(connected), now + terms.windows.gather)
    if attempt and attempt >= terms.max_attempts:
        return _refuse(state, code)
    return _gather(terms, state, now)


def step(terms: Terms, state: State, event: Event, now: int) -> Step:
    """The state after ``event``, and what has to be done. An event of another round changes nothing."""
    if state.phase is Phase.ENDED or getattr(event, "attempt", state.attempt) != state.attempt:
        return state, ()
    match event:
        case Joined(name):
            state = replace(state, connected=state.connected | {name})
        case Lost(name):
            state = replace(state, connected=state.connected - {name})
    match state.phase:
        case Phase.GATHERING:
            return _gather(terms, state, now)
        case Phase.READYING:
            return _on_readying(terms, state, event, now)
        case Phase.SHARING:
            return _on_sharing(terms, state, event, now)
        case _:
            return _on_answering(terms, state, event, now)


# -- GATHERING


def _gather(terms: Terms, state: State, now: int) -> Step:
    participants = tuple(h for h in terms.hosts if h in state.connected)
    helpers = _choose(terms, state, ())
    if now >= terms.expires:
        return _refuse(state, "POLICY_REQUEST_EXPIRED")
    if len(participants) >= terms.n_min and len(helpers) == terms.helpers:
        chosen = replace(state, phase=Phase.READYING, deadline=now + terms.windows.ready, helpers=helpers)
        return replace(chosen, ready=frozenset()), (AskReadies(_asked(terms, helpers), terms.hosts),)
    if now >= state.deadline:
        short = len(participants) < terms.n_min
        return _refuse(state, "ROUND_TOO_FEW_NODES" if short else "ROUND_TOO_FEW_HELPERS")
    return state, ()


def _asked(terms: Terms, helpers: tuple[str, ...]) -> tuple[str, ...]:
    """Whose *ready* a round needs."""
    return (*helpers, *(terms.hosts if terms.joins else ()))


def _choose(terms: Terms, state: State, kept: tuple[str, ...]) -> tuple[str, ...]:
    """Connected helpers of distinct bodies, the ``kept`` ones first, those that failed before last."""
    body = {c.name: c.body for c in terms.candidates}
    names = [c.name for c in terms.candidates if c.name in state.connected and c.name not in kept]
    chosen = list(kept)
    for name in sorted(names, key=lambda n: n in state.avoided):
        if len(chosen) < terms.helpers and body[name] not in {body[c] for c in chosen}:
            chosen.append(name)
    return tuple(chosen)


# -- READYING


def _on_readying(terms: Terms, state: State, event: Event, now: int) -> Step:
    failed, asked = tuple[str, ...](), _asked(terms, state.helpers)
    match event:
        case Readied(member) if member in asked:
            state = replace(state, ready=state.ready | {member})
        case Unready(name, code) if name in asked[len(state.helpers) :] and not _is_transient(code):
            return _refuse(state, known_code(code))
        case Lost(name) | Unready(name) if name in asked:
            failed = (name,)
    if now >= state.deadline:
        failed = tuple(m for m in asked if m not in state.ready)
    if failed:
        return _replace_failed(terms, state, failed, now)
    if len(state.ready) < len(asked):
        return state, ()
    participants = tuple(h for h in terms.hosts if h in state.connected)
    if len(participants) < terms.n_min:
        return _regather(terms, state, now)
    closes = min(now + terms.windows.share, terms.expires)
    opened = replace(
        state,
        phase=Phase.SHARING,
        attempt=state.attempt + 1,
        deadline=closes,
        closes=closes,
        participants=participants,
        shared={},
        refusals={},
        answered=frozenset(),
    )
    return opened, (Open(opened.attempt, participants, opened.helpers),)


def _replace_failed(terms: Terms, state: State, failed: tuple[str, ...], now: int) -> Step:
    """Nothing is charged yet: ask other helpers in the place of those that failed, and keep the ready ones. An owner
    of a join cannot be replaced: it counts as away until it joins."""
    owners = frozenset(terms.hosts if terms.joins else ()).intersection(failed)
    state = replace(state, avoided=state.avoided.union(failed), deadline=now + terms.windows.ready)
    if owners:
        return _regather(terms, replace(state, connected=state.connected - owners), now)
    kept = tuple(h for h in state.helpers if h not in failed)
    trusted = replace(state, connected=state.connected - state.avoided)
    helpers = _choose(terms, trusted, kept)
    if len(helpers) < terms.helpers:
        silent = state.connected.intersection(failed)
        return _refuse(state, "ROUND_TOO_FEW_HELPERS") if silent else _regather(terms, state, now)
    asked = tuple(h for h in helpers if h not in kept)
    ready = state.ready.difference(failed)
    return replace(state, helpers=helpers, ready=ready), (AskReadies(asked, terms.hosts),)


def _regather(terms: Terms, state: State, now: int) -> Step:
    return _gather(terms, replace(state, phase=Phase.GATHERING, deadline=now + terms.windows.gather), now)


# -- SHARING


def _on_sharing(terms: Terms, state: State, event: Event, now: int) -> Step:
    actions: tuple[Action, ...] = ()
    match event:
        case Shared(_, node, digest) if node in state.participants and node not in state.refusals:
            state, actions = _accept_share(state, node, digest)
        case Declined(_, member, code) if member in state.participants and code == CLOSED:
            state = replace(state, connected=state.connected - {member})
            state = replace(state, deadline=_sharing_deadline(terms, state, now))
        case Declined(_, member, code) if terms.joins and member in state.participants and code in KEYS_LOST:
            return _lose_member(terms, state, member, code, now)
        case Declined(_, member, code) if member in state.participants:
            if member not in state.shared:
                state = replace(state, refusals={**state.refusals, member: known_code(code)})
        case Declined(_, member, code) if member in state.helpers and not terms.names_keys:
            return _lose_member(terms, state, member, known_code(code), now)
        case Joined(name) if name in state.participants and name not in state.shared:
            state, actions = replace(state, deadline=_sharing_deadline(terms, state, now)), (Reopen(name),)
        case Lost(name) if name in state.helpers and not terms.names_keys:
            return _lose_member(terms, state, name, "ROUND_HELPER_LOST", now)
        case Lost():
            state = replace(state, deadline=_sharing_deadline(terms, state, now))
    later, more = _judge_sharing(terms, state, now)
    return later, actions + more


def _accept_share(state: State, node: str, digest: bytes) -> Step:
    if node not in state.shared:
        return replace(state, shared={**state.shared, node: digest}), (Keep(node),)
    return state, () if state.shared[node] == digest else (Dismiss(node),)


def _sharing_deadline(terms: Terms, state: State, now: int) -> int:
    """A lost node is waited for when its loss would end the request, and not longer than ``rejoin``."""
    left = [p for p in state.participants if p in state.shared or (p in state.connected and p not in state.refusals)]
    return state.closes if len(left) >= terms.n_min else min(state.deadline, now + terms.windows.rejoin)


def _judge_sharing(terms: Terms, state: State, now: int) -> Step:
    willing = [p for p in state.participants if p not in state.refusals]
    open_ = [p for p in willing if p not in state.shared]
    if len(willing) < terms.n_min:
        return _refuse(state, first_refusal(state.refusals.values()))
    enough = len(state.shared) >= terms.n_min
    if enough and (now >= state.deadline or not any(p in state.connected for p in open_)):
        return _fix_survivors(terms, state, now)
    if now < state.deadline:
        return state, ()
    silent = all(p in state.connected for p in open_)
    return _refuse(state, "ROUND_DEADLINE" if silent else "ROUND_TOO_FEW_NODES")


def _fix_survivors(terms: Terms, state: State, now: int) -> Step:
    survivors = tuple(p for p in state.participants if p in state.shared)
    if terms.names_keys:
        return replace(state, phase=Phase.ENDED), (Release(survivors),)
    state = replace(state, phase=Phase.ANSWERING, deadline=now + terms.windows.answer)
    return state, (AskAnswers(survivors, state.helpers),)


# -- ANSWERING


def _on_answering(terms: Terms, state: State, event: Event, now: int) -> Step:
    pending = [h for h in state.helpers if h not in state.answered]
    match event:
        case Answered(_, helper) if helper in pending:
            state = replace(state, answered=state.answered | {helper})
            if len(state.answered) == len(state.helpers):
                survivors = tuple(p for p in state.participants if p in state.shared)
                return replace(state, phase=Phase.ENDED), (Release(survivors),)
        case Declined(_, member, code) if member in pending:
            return _lose_member(terms, state, member, known_code(code), now)
        case Lost(name) if name in pending:
            return _lose_member(terms, state, name, "ROUND_HELPER_LOST", now)
    if now >= state.deadline:
        state = replace(state, avoided=state.avoided.union(pending))
        return _lose_member(terms, state, pending[0], "ROUND_HELPER_LOST", now)
    return state, ()


def _lose_member(terms: Terms, state: State, member: str, code: str, now: int) -> Step:
    """The round cannot end in an answer any more: the next attempt, or the refusal."""
    if not _is_transient(code) or state.attempt >= terms.max_attempts:
        return _refuse(state, code)
    later, actions = _regather(terms, replace(state, avoided=state.avoided | {member}), now)
    return later, (Abandon(code), *actions)


# -- refusals


def _is_transient(code: str) -> bool:
    return known_code(code).startswith(TRANSIENT)


def known_code(code: str) -> str:
    """A code as it may be shown: one of the table, whatever another machine sent."""
    return code if code in CODES else "BUG_UNKNOWN_CODE"


def first_refusal(codes: Iterable[str]) -> str:
    """The refusal people are shown when nodes refuse for several reasons: by a fixed order, not by arrival."""

    def rank(code: str) -> tuple[int, str]:
        places = [i for i, prefix in enumerate(REFUSAL_ORDER) if code.startswith(prefix)]
        return (places[0] if places else len(REFUSAL_ORDER), code)

    return min(codes, key=rank)


def _refuse(state: State, code: str) -> Step:
    return replace(state, phase=Phase.ENDED), (Refuse(code),)
