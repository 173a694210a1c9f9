"""The states of a request in the words that people, pages and JSON use, and as the errors they end in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from engine.errors import Unavailable, Waiting, error_for
from engine.governance.letters import plain
from engine.trusted.messages import RequestState, RequestStatus

_WORDS = {
    RequestState.DRAFTED: "drafted",
    RequestState.SUBMITTED: "submitted",
    RequestState.WAITING: "waiting",
    RequestState.APPROVED_STATE: "approved",
    RequestState.RUNNING: "running",
    RequestState.RELEASED: "released",
    RequestState.REFUSED_STATE: "refused",
    RequestState.EXPIRED: "expired",
    RequestState.REVOKED: "revoked",
}
ENDED_BADLY = (RequestState.REFUSED_STATE, RequestState.EXPIRED, RequestState.REVOKED)


def state_word(state: RequestState) -> str:
    return _WORDS[state]


def status_words(status: RequestStatus) -> str:
    """One line: the state, for whom it waits, what was carried of a join, how many have replied, a refusal's code."""
    waiting = f" for {', '.join(map(plain, status.waiting_for))}" if status.waiting_for else ""
    replied = f", {len(status.replied)} of {len(status.participants)} replied" if status.participants else ""
    run = f", run {status.run}" if status.run > 1 else ""
    carried = f", {status.relayed_bytes / 1e6:,.1f} MB carried" if status.relayed_bytes else ""
    return f"{state_word(status.state)}{waiting}{run}{carried}{replied}{' ' + status.code if status.code else ''}"


def check_ended_well(status: RequestStatus, agreement: str = "") -> None:
    """Raises the refusal of a request that was refused, expired or was revoked, with what is known of it;
    ``agreement``: the name of the one that it was asked under."""
    if status.state not in ENDED_BADLY:
        return
    code = status.code or "POLICY_REQUEST_EXPIRED"
    if code == "BUDGET_EXHAUSTED":
        account = plain(status.account) or "an account that the node did not name"
        raise error_for(code, account=account, refreshes=_refreshes(status))
    if code == "APPROVAL_REFUSED":
        raise error_for(code, name=f"“{plain(status.reason)}”")
    if code.startswith("POLICY_AGREEMENT_") and agreement:
        raise error_for(code, name=plain(agreement))
    raise error_for(code)


def _refreshes(status: RequestStatus) -> str:
    if status.refreshes_ms:
        return f"it is filled up again on {day(status.refreshes_ms)}"
    return "it is not filled up again" if status.account else "ask too whether it is filled up again"


def day(ms: int) -> str:
    """The date in UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()


def require_nobody_awaited(status: RequestStatus, own: str) -> None:
    """Raises Waiting APPROVAL_WAITING while somebody but ``own`` has something to decide or do."""
    others = [plain(name) for name in status.waiting_for if name != own]
    if status.state is RequestState.WAITING and others:
        raise Waiting("APPROVAL_WAITING", names=", ".join(others))


@contextmanager
def named_if_late(own: str) -> Iterator[list[RequestStatus]]:
    """A request that is not over in time says for whom it waits: put each status into the list."""
    seen: list[RequestStatus] = []
    try:
        yield seen
    except Unavailable as late:
        if late.code == "ROUND_PENDING" and seen:
            require_nobody_awaited(seen[-1], own)
        raise
