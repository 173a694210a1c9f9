"""BUDGET_: privacy budget."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "BUDGET_EXHAUSTED": ErrorCode(
        "The privacy budget of {account} does not allow this statement.",
        "Ask with a smaller epsilon, or ask the department what is left; {refreshes}.",
    ),
    "BUDGET_NO_CAP": ErrorCode(
        "The federation's rules set no budget for the identifier {name}.",
        "Ask a policy officer to set its caps in the manifest.",
    ),
}
