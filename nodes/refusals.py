"""How many of an analyst's questions were refused of late: refusals cost no budget, so they are limited.

Claim: refusals fill no journal; an analyst's are limited, and nobody uses them up by forgeries.
Because: those of requests that their analyst signed are counted by analyst, and refused at once above the limit; all
         others are counted together, under no name. Above the limit nothing is written.
Checked by: tests/nodes/test_rulebook.py::test_an_analyst_who_is_refused_too_often_has_to_wait
"""

from __future__ import annotations

from engine.errors import require

AN_HOUR = 100
HOUR_MS = 3_600_000


class Refusals:
    """Counts by analyst over the last hour; forgotten when the process ends."""

    def __init__(self) -> None:
        self._at: dict[str, list[int]] = {}

    def require_few(self, analyst: str, now_ms: int) -> None:
        """Raises Refused POLICY_REFUSALS_LIMITED."""
        recent = [at for at in self._at.get(analyst, ()) if now_ms - at < HOUR_MS]
        self._at[analyst] = recent
        require(len(recent) < AN_HOUR, "POLICY_REFUSALS_LIMITED", name=analyst)

    def count(self, analyst: str, now_ms: int) -> bool:
        """One more, "": of nobody known; whether it is still worth an entry in the journal."""
        recent = [at for at in self._at.get(analyst, ()) if now_ms - at < HOUR_MS][-AN_HOUR:]
        self._at[analyst] = [*recent, now_ms]
        return len(recent) < AN_HOUR
