"""What to do next, for somebody at a page: where the hint of an error names a command, the page that does the same."""

from __future__ import annotations

from engine.errors import SplittallyError

_LISTED = "The lists of requests show what there is; give an id in full."
_SHOWN = "The page of the request shows the answer once there is one."
ON_PAGES = {
    "SQL_RUNS_RANGE": "Give one run or more, and 1 to 3,660 days.",
    "POLICY_REFUSALS_LIMITED": "Wait an hour. Checking a statement and forecasting its error are free.",
    "POLICY_REQUEST_UNKNOWN": _LISTED,
    "POLICY_REQUEST_NOT_QUEUED": _LISTED,
    "POLICY_REQUEST_ENDED": "The list of all requests shows what became of it.",
    "APPROVAL_WAITING": f"Ask those who have to decide. {_SHOWN}",
    "APPROVAL_MISSING": "The page of the request names those who have to decide.",
    "ROUND_PENDING": f"Wait longer. {_SHOWN}",
    "POLICY_REASON_MISSING": "Say why in a sentence.",
    "POLICY_CARD_ONCE": "Ask for it without choosing figures: that is free. Others are an ordinary question: Ask.",
    "POLICY_CARD_PUBLISHED": "Ask whoever published it for the card's file, and take it here: that is free.",
    "POLICY_CARD_NONE": "Ask for one on the page of the dataset, or take the file of one that was published.",
    "NODE_PAUSED": "Ask the department; one of its guardians lets it go on.",
}


def advice(error: SplittallyError) -> str:
    """The hint of an error as pages show it."""
    return ON_PAGES.get(error.code, error.hint)
