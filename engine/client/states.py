"""The states of a request in the words that people, pages and JSON use."""

from __future__ import annotations

from engine.trusted.messages import RequestState

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


def state_word(state: RequestState) -> str:
    return _WORDS[state]
