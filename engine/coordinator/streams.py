"""How long the bulk of a private join may take: an estimate from public figures alone, never from what is sent.

Each owner sends every helper a pseudonym a row, and two of them a third share of every word.
"""

from __future__ import annotations

from engine.trusted.catalogue import Catalogue
from engine.trusted.join import sides_of
from engine.trusted.plan import Plan
from engine.trusted.stability import stability_of

PSEUDONYM_BYTES, WORD_BYTES = 16, 8
BYTES_A_MS = 10_000  # 10 MB a second: a slow line, and more than a slow disk
MOST_MS = 25 * 60_000  # twice, it leaves a round within the hour that members accept


def streaming_ms(plan: Plan, catalogue: Catalogue) -> int:
    """Milliseconds that both owners' streams take, one after the other. Raises what typing the plan raises."""
    rows = (stability_of(side.aggregate.input, catalogue).at_most_rows for side in sides_of(plan, catalogue))
    sizes = (3 * PSEUDONYM_BYTES + 2 * WORD_BYTES * side.words for side in sides_of(plan, catalogue))
    return min(sum(n * size for n, size in zip(rows, sizes, strict=True)) // BYTES_A_MS, MOST_MS)
