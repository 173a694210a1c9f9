"""A person's own question, put to a node's home on this machine: which rounds could have counted that person's rows.

The answer is made by ``python -m nodes subjects``, a process of its own beside the node; the person's id goes to it by
its standard input, never by the command line, which other users of a machine may see.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from engine.errors import error_for
from engine.trusted.home import Home


@dataclass(frozen=True, slots=True)
class Counting:
    """A round that could have counted the person. ``rows``: (dataset, how many rows of the person its table held)."""

    at_ms: int
    analyst: str
    rows: tuple[tuple[str, int], ...]
    request: str


@dataclass(frozen=True, slots=True)
class Told:
    """``unknown``: rounds over snapshots that are no longer kept; ``document``: the answer as the node gave it."""

    rounds: tuple[Counting, ...]
    unknown: int
    cannot_know: tuple[str, ...]
    document: dict[str, object]


def ask_node(home: Home, person: str) -> Told:
    """What the node's own program says. Raises the error that it ended with."""
    program = [sys.executable, "-m", "nodes", "subjects", "--home", str(home.path)]
    asked = subprocess.run(program, input=person + "\n", capture_output=True, text=True, check=False)
    if asked.returncode:
        code = str(json.loads(asked.stderr.splitlines()[-1])["code"])
        raise error_for(code, path=str(home.path), home=str(home.path))
    told = json.loads(asked.stdout)
    rounds = tuple(Counting(r["at_ms"], r["analyst"], tuple(r["rows"].items()), r["request"]) for r in told["rounds"])
    return Told(rounds, told["unknown"], tuple(told["cannot_know"]), told)
