"""Takes each scenario's guard out of a copy of the tree: the scenario must then fail.

The guard is the line that the scenario is about: [file, text that stands there once, text that takes its place]. All
scenarios must pass in the unchanged copy. ``--only WORDS`` runs those whose names hold the words.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "mutants"))

from run import copy_to, run_tests

HERE = Path(__file__).parent
TEST = "tests/faults/test_faults.py::test_scenario"


def scenarios() -> list[dict[str, Any]]:
    return [row for file in sorted(HERE.glob("*.yaml")) for row in yaml.safe_load(file.read_text(encoding="utf-8"))]


def noticed(scenario: dict[str, Any], tree: Path) -> bool:
    """Whether the scenario fails without its guard. The tree is as before afterwards."""
    file, *texts = scenario["guard"]
    path = tree / file
    whole = changed = path.read_text(encoding="utf-8")
    for old, new in zip(texts[::2], texts[1::2], strict=True):
        changed = changed.replace(old, new)
    path.write_text(changed, encoding="utf-8")
    try:
        status, output = run_tests(tree, [f"{TEST}[{scenario['name']}]"])
    finally:
        path.write_text(whole, encoding="utf-8")
    return status == 1 and "FAILED " in output


def main(arguments: Sequence[str] | None = None) -> int:
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    chosen = [scenario for scenario in scenarios() if options.only in scenario["name"]]
    console, trees = Console(width=160), SimpleQueue[Path]()
    with tempfile.TemporaryDirectory(prefix="guards-") as folder:
        for number in range(options.workers):
            trees.put(copy_to(Path(folder) / str(number)))
        whole = trees.get()
        status, output = run_tests(whole, [f"{TEST}[{scenario['name']}]" for scenario in chosen])
        trees.put(whole)
        if status:
            console.print(output[-4000:], markup=False)
            console.print("scenarios fail with all guards in place", style="red")
            return 1

        def run(scenario: dict[str, Any]) -> bool:
            tree = trees.get()
            try:
                return noticed(scenario, tree)
            finally:
                trees.put(tree)

        with ThreadPoolExecutor(options.workers) as pool:
            found = list(pool.map(run, chosen))
    table = Table("scenario", "guard in", "without it")
    for scenario, failed in zip(chosen, found, strict=True):
        table.add_row(scenario["name"], scenario["guard"][0], "fails" if failed else "[red]passes[/red]")
    console.print(table)
    console.print(f"{sum(found)} of {len(chosen)} guards are noticed")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
