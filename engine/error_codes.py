"""The table of error codes: sentence and hint of each. Codes are never reused or renamed.

Sentences are filled with public facts in braces. Prefixes decide the exit status (engine/errors.py).
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    sentence: str
    hint: str


CODES: dict[str, ErrorCode] = {
    # -- FILE_: files people write and options they give
    "FILE_MISSING": ErrorCode("There is no file {path}.", "Check the path."),
    # -- SQL_: the statement, refused before anything is spent
    "SQL_SYNTAX": ErrorCode("The statement cannot be read: {detail}.", "Check it near the place shown."),
    # -- POLICY_: what the federation's rules or a node's own policy forbid
    "POLICY_PLAN_INVALID": ErrorCode(
        "The plan is not one that this node can verify.", "Update the software of both sides and ask again."
    ),
    "POLICY_WIRE_INVALID": ErrorCode(
        "A message has unknown, repeated or malformed fields.", "Update the software of both sides."
    ),
    # -- BUDGET_: privacy budget
    "BUDGET_EXHAUSTED": ErrorCode(
        "A privacy budget does not allow this statement.", "Ask with a smaller epsilon, or see `splittally budget`."
    ),
    # -- APPROVAL_: people who have to agree
    "APPROVAL_WAITING": ErrorCode("The request waits for approval.", "Ask again later with the same statement."),
    # -- ROUND_: a round that did not end in an answer
    "ROUND_TOO_FEW_NODES": ErrorCode(
        "Fewer nodes than the request accepts are able to answer.", "Try again later; nothing was released."
    ),
    # -- NODE_: a node, helper or coordinator that cannot serve now
    "NODE_UNREACHABLE": ErrorCode("The coordinator cannot be reached.", "Check the address and try again."),
    # -- BUG_: ours
    "BUG_UNEXPECTED": ErrorCode("Something went wrong inside Splittally.", "Please report it with the code."),
    "BUG_UNKNOWN_CODE": ErrorCode(
        "Another machine answered with a code this version does not know.", "Update the software of both sides."
    ),
}
