"""Times as the register writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def time_of(ms: int) -> str:
    """ISO 8601 in UTC to the second; empty for 0, which stands for no time."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if ms else ""
    except (ValueError, OverflowError, OSError):
        return ""
