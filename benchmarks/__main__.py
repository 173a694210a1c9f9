"""Every benchmark, one after the other: ``python -m benchmarks [name ...]``. Figures count as ratios in one run."""

from __future__ import annotations

import importlib
import sys

NAMES = ("fixed_cost", "ten_million", "sampler", "selection", "split", "private_join", "extract")


def main(chosen: list[str]) -> int:
    for name in chosen or NAMES:
        print(f"\n{name}", flush=True)
        for what, figure in importlib.import_module(f"benchmarks.{name}").run():
            print(f"  {what:58} {figure}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
