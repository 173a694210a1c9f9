"""How long the bulk of a private join may take: an estimate from public figures alone, never from what is sent.

Each owner sends every helper a pseudonym a row, and two of them a third share of every word.
"""

from __future__ import annotations

from engine.errors import Refused
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import scope_of
from engine.trusted.join import side_columns
from engine.trusted.plan import Plan, PrivateJoin
from engine.trusted.stability import stability_of

PSEUDONYM_BYTES, WORD_BYTES = 16, 8
BYTES_A_MS = 10_000  # 10 MB a second: a slow line, and more than a slow disk
MOST_MS = 25 * 60_000  # twice, it leaves a round within the hour that members accept


def streaming_ms(plan: Plan, catalogue: Catalogue) -> int:
    """Milliseconds that both owners' streams take, one after the other. Raises what typing the plan raises."""
    join = plan.aggregate.input
    if not isinstance(join, PrivateJoin):
        raise Refused("POLICY_PLAN_INVALID", internal="a private join below other relations")
    scope, total = scope_of(join, catalogue), 0
    for side, relation in enumerate((join.left, join.right), 1):
        width = sum(block.width for block in side_columns(plan.aggregate, scope, side))
        rows = stability_of(relation, catalogue).at_most_rows
        total += rows * (3 * PSEUDONYM_BYTES + 2 * WORD_BYTES * width)
    return min(total // BYTES_A_MS, MOST_MS)
