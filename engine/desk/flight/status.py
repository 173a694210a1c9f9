"""Errors as drivers show them: a gRPC status, and ``[CODE] sentence hint`` as its text."""

from __future__ import annotations

import grpc

from engine.errors import Bug, SplittallyError, Waiting

LONGEST = 2_000  # a status travels in a header
_BY_PREFIX = {
    "SQL_": grpc.StatusCode.INVALID_ARGUMENT,
    "FILE_": grpc.StatusCode.INVALID_ARGUMENT,
    "POLICY_": grpc.StatusCode.PERMISSION_DENIED,
    "BUDGET_": grpc.StatusCode.PERMISSION_DENIED,
    "APPROVAL_": grpc.StatusCode.PERMISSION_DENIED,
    "ROUND_": grpc.StatusCode.UNAVAILABLE,
    "NODE_": grpc.StatusCode.UNAVAILABLE,
    "BUG_": grpc.StatusCode.INTERNAL,
}


def status_of(error: SplittallyError) -> grpc.StatusCode:
    """Drivers make ProgrammingError of a refusal, OperationalError of what may work later."""
    if error.code == "POLICY_DESK_TOKEN":
        return grpc.StatusCode.UNAUTHENTICATED
    if isinstance(error, Waiting) or error.code.startswith("ROUND_PENDING"):
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return _BY_PREFIX[error.code[: error.code.index("_") + 1]]


def text_of(error: SplittallyError) -> str:
    where = f"{error.at}: " if error.at else ""
    return f"[{error.code}] {where}{error.message} {error.hint}".strip()[:LONGEST]


def unexpected(error: Exception) -> Bug:
    """What was not foreseen leaves without a library's text."""
    return Bug("BUG_UNEXPECTED", internal=repr(error))
