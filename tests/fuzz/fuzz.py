"""``make fuzz``: both fuzzers for FUZZ_SECONDS (600), half the time each; prints what was tried and what was found."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

import plans
import texts

MEMORY = Path("/dev/shm")  # noqa: S108 - where there is one


def timed(name: str, attack: Callable[[random.Random, Counter[str]], None], seconds: float, start: int) -> list[str]:
    """Cases from one seed after another until the time is over; the seed of a case is told with what it found."""
    told, found, seed = Counter[str](), list[str](), start
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seed += 1
        try:
            attack(random.Random(seed), told)
        except texts.Found as error:
            found.append(f"{name} {seed}: {error}")
            print(found[-1], flush=True)
    print(f"{name}: {seed - start} cases from seed {start + 1}, {len(found)} found", flush=True)
    for what, count in told.most_common(12):
        print(f"  {count:8} {what}", flush=True)
    return found


def main() -> int:
    seconds = float(os.environ.get("FUZZ_SECONDS", "600")) / 2
    start = int(os.environ.get("FUZZ_SEED", str(int(time.time()) * 1000)))
    found = timed("texts", texts.attack, seconds, start)
    with TemporaryDirectory(dir=MEMORY if MEMORY.exists() else None) as folder:
        bench = plans.Bench(Path(folder))
        found += timed("plans", lambda rng, told: plans.attack(rng, told, bench), seconds, start)
        bench.close()
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
