"""ROUND_: a round that did not end in an answer."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "ROUND_TOO_FEW_NODES": ErrorCode(
        "Fewer nodes than the request accepts are able to answer.", "Try again later; nothing was released."
    ),
    "ROUND_ALREADY_CHARGED": ErrorCode(
        "The round was charged before; it has one outcome only.", "Ask for the stored outcome, or open a new round."
    ),
    "ROUND_PHASE": ErrorCode(
        "The round names a phase this version does not know.", "Update the software of all sides."
    ),
    "ROUND_KEYS": ErrorCode(
        "The keys of the round's second phase are not those that its analyst signed.", "Submit the request again."
    ),
    "ROUND_KEYS_CHOSEN": ErrorCode(
        "The nodes had named keys; this machine has answered with one list of them, and the nodes count now.",
        "Run `splittally watch` for the request, then `splittally result`.",
    ),
    "ROUND_ATTEMPT": ErrorCode("The round is beyond the attempts signed for.", "Sign a new request."),
    "ROUND_RUN": ErrorCode("The round is beyond the runs signed for.", "Sign a new request."),
    "ROUND_LATE": ErrorCode("The round's deadline passed before the answer was ready.", "Try again later."),
    "ROUND_DEADLINE_FAR": ErrorCode(
        "The round's deadline is further away than a node accepts.",
        "Set the coordinator's deadline to an hour or less.",
    ),
    "ROUND_CALIBRATION": ErrorCode(
        "The round's units or noise are not those the members compute.", "Update the software of all sides."
    ),
    "ROUND_NODE_REPEATED": ErrorCode("The round names a node twice.", "Open a new round."),
    "ROUND_NOT_A_HOST": ErrorCode("The round names a node that does not host the data.", "Open a new round."),
    "ROUND_NOT_FOR_ME": ErrorCode("The round was sent to a member that has no part in it.", "Open a new round."),
    "ROUND_SNAPSHOT": ErrorCode(
        "The round names another snapshot than the node's current one.", "Try again; the node has announced its own."
    ),
    "ROUND_HELPER_REPEATED": ErrorCode("The round's committee names a member twice.", "Open a new round."),
    "ROUND_COMMITTEE_SMALL": ErrorCode(
        "The round's committee is smaller than the rules or the request allow.", "Start more helpers and try again."
    ),
    "ROUND_COMMITTEE_OF_ANALYST": ErrorCode(
        "A helper of the round belongs to the analyst's own body.", "Start helpers of other bodies and try again."
    ),
    "ROUND_COMMITTEE_ONE_BODY": ErrorCode(
        "All helpers of the round belong to one body.", "Start helpers of other bodies and try again."
    ),
    "ROUND_READY_MISSING": ErrorCode("A member of the round did not say that it is ready.", "Try again."),
    "ROUND_READY_OTHER_REQUEST": ErrorCode("The member {name} was ready for another request.", "Try again."),
    "ROUND_READY_STALE": ErrorCode(
        "The member {name} was ready too long ago, has started anew since, or its clock differs.",
        "Check the clocks and try again.",
    ),
    "ROUND_NOT_OPEN": ErrorCode("The helper was not asked to take part in this round.", "Open a new round."),
    "ROUND_JOIN_PARTIES": ErrorCode(
        "A private join takes its two owners, the left one first, and three helpers of three other bodies.",
        "Open a new round; the federation needs helpers of three bodies that are neither an owner's nor the analyst's.",
    ),
    "ROUND_JOIN_DUMMIES": ErrorCode(
        "The other owner of a private join adds more dummies than its price allows.",
        "Ask that department; nothing was charged where this was found.",
    ),
    "ROUND_JOIN_STREAM": ErrorCode(
        "What an owner of a private join sent did not arrive whole at a helper.",
        "Open a new round; the charges stay. The helper's log names the owner.",
    ),
    "ROUND_JOIN_COMMITMENT": ErrorCode(
        "What an owner of a private join sent to a helper is not what it committed to.",
        "Ask the helper, whose log names the owner, and that department; the charges stay.",
    ),
    "ROUND_SURVIVOR_REPEATED": ErrorCode("The survivors named for the round repeat a node.", "Open a new round."),
    "ROUND_SURVIVOR_UNKNOWN": ErrorCode("The survivors name a node that is not in the round.", "Open a new round."),
    "ROUND_SHARE_MISDIRECTED": ErrorCode("A share is for another round or member.", "Open a new round."),
    "ROUND_TOO_FEW_HELPERS": ErrorCode(
        "Too few helpers of different bodies are able to serve.",
        "Start more, of bodies other than the analyst's and, in a private join, the owners'; nothing was released.",
    ),
    "ROUND_HELPER_LOST": ErrorCode(
        "A helper was lost after the round had opened, and no attempt is left.",
        "Sign a new request; what the lost round cost stays charged.",
    ),
    "ROUND_DEADLINE": ErrorCode(
        "Nodes did not answer before the round's deadline.", "Try again later; nothing was released."
    ),
    "ROUND_SHARE_INVALID": ErrorCode(
        "A node sent a share that does not belong to the round.",
        "Its operator has to look at it; nothing was released.",
    ),
    "ROUND_ANSWER_INVALID": ErrorCode(
        "A helper sent an answer that does not belong to the round.",
        "Its operator has to look at it; nothing was released.",
    ),
    "ROUND_COORDINATOR_RESTARTED": ErrorCode(
        "The coordinator stopped during the round, and no attempt is left.",
        "Sign a new request; what the lost round cost stays charged.",
    ),
    "ROUND_NOT_RELEASED": ErrorCode("The request has no result yet.", "Ask again later."),
    "ROUND_RESULT_INVALID": ErrorCode(
        "The result sent does not belong to the request: {detail}.",
        "Keep it as evidence, and tell the federation's auditors.",
    ),
    "ROUND_CHECK_FAILED": ErrorCode(
        "The check cell does not count the nodes that answered, so the result cannot be opened.",
        "Ask again; if it happens again, tell the federation's auditors.",
    ),
    "ROUND_PENDING": ErrorCode(
        "The request has not ended yet.", "Wait longer, or use `splittally result` later with its request id."
    ),
    "ROUND_PENDING_REQUEST": ErrorCode(
        "The request {request} has not ended yet.",
        "Run the same SQL again later, which asks no second time, or see SELECT * FROM fed.requests.",
    ),
}
