"""APPROVAL_: people who have to agree."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "APPROVAL_WAITING": ErrorCode(
        "The request waits for {names}.",
        "Ask those who have to decide; `splittally result` with the request id, or the same statement, fetches the"
        " answer once there is one.",
    ),
    "APPROVAL_WAITING_REQUEST": ErrorCode(
        "The request {request} waits for {names}.",
        "Run the same SQL again once they have decided, which fetches the answer, or see SELECT * FROM fed.requests.",
    ),
    "APPROVAL_MISSING": ErrorCode(
        "A department's guardians have not approved the request.",
        "`splittally requests` names those who have to decide.",
    ),
    "APPROVAL_OWN_REQUEST": ErrorCode(
        "{name} asked this, and nobody decides about a request of one's own.",
        "Another guardian of the department has to decide.",
    ),
    "APPROVAL_NOT_A_HOST": ErrorCode(
        "The request reads nothing that {name} holds.", "Only guardians of a node that is asked decide about it."
    ),
    "APPROVAL_OTHER_REQUEST": ErrorCode(
        "The approval of {name} is for another request.", "Ask the guardian to decide on this one."
    ),
    "APPROVAL_SHOWN_OTHER": ErrorCode(
        "What would be signed is no longer what was shown, so nothing was signed.",
        "Read it as it is now, then sign.",
    ),
    "APPROVAL_EXPIRED": ErrorCode("The approval of {name} is past its date.", "Ask the guardian to decide again."),
    "APPROVAL_REFUSED": ErrorCode(
        "A guardian refused the request: {name}.",
        "Mend what the reason names and submit again, or ask the guardian to think again.",
    ),
}
