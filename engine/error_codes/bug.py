"""BUG_: ours."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "BUG_UNEXPECTED": ErrorCode("Something went wrong inside Splittally.", "Please report it with the code."),
    "BUG_UNKNOWN_CODE": ErrorCode(
        "Another machine answered with a code this version does not know.", "Update the software of both sides."
    ),
    "BUG_SECOND_REPLY": ErrorCode(
        "A second, different reply was made for one round.", "Please report it with the code."
    ),
    "BUG_REPLY_WITHOUT_CHARGE": ErrorCode(
        "A reply was made for a round that was never charged.", "Please report it with the code."
    ),
}
