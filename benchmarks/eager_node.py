"""A node whose grid of reply times is as good as continuous: shows what a query costs without the hold.

Used by the benchmarks alone; a real node has no such setting.
"""

from __future__ import annotations

import sys

import nodes.rounds
from nodes.__main__ import main

if __name__ == "__main__":
    nodes.rounds.TICK_MS = 1e-3
    sys.exit(main(sys.argv[1:]))
