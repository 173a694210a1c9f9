"""How many of an analyst's questions were refused of late: refusals cost no budget, so they are limited.

Claim: nobody fills a journal, or keeps a node busy with refusals, in another analyst's name or without end.
Because: only requests that their analyst signed are counted; above the limit one is refused at once and unwritten.
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

    def count(self, analyst: str, now_ms: int) -> None:
        self._at.setdefault(analyst, []).append(now_ms)
