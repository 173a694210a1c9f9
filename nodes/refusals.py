"""How many of an analyst's questions were refused of late: refusals cost no budget, so they are limited.

Claim: refusals fill no journal; an analyst's are limited, and nobody uses them up by forgeries.
Because: those of requests that their analyst signed are counted by analyst, and refused at once above the limit; all
         others are counted together, under no name. A request counts once, however often it is replayed or
         wrapped anew. Above the limit nothing is written.
Checked by: tests/nodes/test_rulebook.py::test_an_analyst_who_is_refused_too_often_has_to_wait
"""

from __future__ import annotations

from engine.errors import require

AN_HOUR = 100
HOUR_MS = 3_600_000


class Refusals:
    """Counts by analyst over the last hour; forgotten when the process ends."""

    def __init__(self) -> None:
        self._at: dict[str, dict[bytes, int]] = {}

    def require_few(self, analyst: str, now_ms: int) -> None:
        """Raises Refused POLICY_REFUSALS_LIMITED."""
        require(len(self._recent(analyst, now_ms)) < AN_HOUR, "POLICY_REFUSALS_LIMITED", name=analyst)

    def count(self, analyst: str, what: bytes, now_ms: int) -> bool:
        """One more, "": of nobody known; whether it is still worth an entry in the journal. ``what`` counts once."""
        recent = self._recent(analyst, now_ms)
        if len(recent) >= AN_HOUR:
            return False
        self._at[analyst] = {**recent, what: now_ms}
        return True

    def _recent(self, analyst: str, now_ms: int) -> dict[bytes, int]:
        return {what: at for what, at in self._at.get(analyst, {}).items() if now_ms - at < HOUR_MS}
