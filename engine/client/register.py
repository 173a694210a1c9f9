"""The sources of a register from a person's home, asked of the coordinator; nothing of them is verified here."""

from __future__ import annotations

from engine.client.calls import Line
from engine.governance.register.sources import Sources, gathered
from engine.trusted.home import Home


def fetch_sources(home: Home) -> Sources:
    """All that an auditor or a policy officer may see. Raises Unavailable NODE_*, Refused POLICY_CALLER."""
    line = Line(home)
    try:
        return gathered(home, line.register(), line.journal)
    finally:
        line.close()
