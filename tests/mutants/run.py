"""Plants each error of ``mutants.yaml`` in a copy of the tree and runs its tests: ``make mutants``.

The named tests must pass in the unchanged copy, and one of them must fail - by an assertion or an error of the product,
not for want of importing it - with the error in place. ``--only WORDS`` runs the mutants whose names hold the words.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("engine", "nodes", "protos", "tests", "pyproject.toml")
SECONDS = 300  # for one mutant; the unchanged copy has to run every named test, and gets six times that


@dataclass(frozen=True)
class Mutant:
    """``old`` stands once in ``file``; with ``new`` in its place one of ``tests`` fails."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def planted(self, text: str) -> str:
        """The file's text with the error in it. ValueError unless ``old`` stands there exactly once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {self.file} holds the old text {text.count(self.old)} times")
        changed = text.replace(self.old, self.new)
        compile(changed, self.file, "exec")
        return changed


def mutants() -> tuple[Mutant, ...]:
    rows = yaml.load(Path(__file__).with_name("mutants.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return tuple(Mutant(**{**row, "tests": tuple(row["tests"])}) for row in rows)


def copy_to(folder: Path) -> Path:
    """A copy of what the tests need, without caches."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, target)
    return folder


def run_tests(tree: Path, tests: Sequence[str], seconds: int = SECONDS, workers: int = 0) -> tuple[int, str]:
    """pytest's exit status and output, with the copy alone on the path."""
    options = ("-x", "-rfE", "--tb=line", "-p", "no:cacheprovider", "-n", str(workers), "--dist", "loadfile")
    command = [sys.executable, "-m", "pytest", *options, *tests]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree), "AUDIT": "short"}
    environment.pop("PYTEST_ADDOPTS", None)
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return -1, "took too long"
    return done.returncode, done.stdout + done.stderr


def judge(mutant: Mutant, tree: Path) -> str:
    """The test that caught it; empty if none did. The tree is as before afterwards."""
    path = tree / mutant.file
    text = path.read_text(encoding="utf-8")
    path.write_text(mutant.planted(text), encoding="utf-8")
    try:
        status, output = run_tests(tree, mutant.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    failed = [
        line.split(" - ")[0].removeprefix("FAILED ") for line in output.splitlines() if line.startswith("FAILED ")
    ]
    return failed[0] if status == 1 and failed else ""


def main(arguments: Sequence[str] | None = None) -> int:
    from rich.console import Console
    from rich.progress import Progress

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args(arguments)
    chosen = [m for m in mutants() if options.only in m.name]
    for mutant in chosen:
        mutant.planted((ROOT / mutant.file).read_text(encoding="utf-8"))
    console, trees = Console(width=160), SimpleQueue[Path]()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for number in range(options.workers):
            trees.put(copy_to(Path(folder) / str(number)))
        whole = trees.get()
        named = sorted({test for m in chosen for test in m.tests})
        status, output = run_tests(whole, named, 6 * SECONDS, options.workers)
        trees.put(whole)
        if status:
            console.print(output[-4000:], markup=False)
            console.print("the named tests fail without any planted error", style="red")
            return 1

        def run(mutant: Mutant) -> str:
            tree = trees.get()
            try:
                test = judge(mutant, tree)
            finally:
                trees.put(tree)
            progress.update(bar, advance=1, description=mutant.name)
            return test

        with Progress(console=console) as progress, ThreadPoolExecutor(options.workers) as pool:
            bar, caught = progress.add_task("", total=len(chosen)), []
            for mutant, test in zip(chosen, pool.map(run, chosen), strict=True):
                caught.append(test)
                by = f"caught by {test.removeprefix('tests/')}" if test else "[red]caught by nothing[/red]"
                progress.print(f"{mutant.name} ({mutant.file}): {by}")
    console.print(f"{sum(map(bool, caught))} of {len(chosen)} caught")
    return 0 if all(caught) else 1


if __name__ == "__main__":
    sys.exit(main())
