"""A federation founded over several machines: one folder a machine, files carried between them, all by commands."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from engine.cli.main import run

CATALOGUE = """
federation: realm
datasets:
  people:
    hosts: [north, south]
    person: {column: person_id, identifier: nino}
    rows_per_person: 1
    overlap: 1
    columns: {person_id: {type: text}, region: {type: text, domain: [N, S]}, age: {type: integer, bounds: [0, 110]}}
"""
WRITTEN = """
agreement: ages-by-region
title: Ages by region
parties: [north council, south council, university]
contacts: dpo@north.example
controllers: Separate controllers.
analysts: [ann]
purpose: To plan schools.
necessity: No published table has it.
lawful_basis: Public task.
special_category: None.
legal_gateway: research
legal_gateway_detail: Section 64
scope: {people: [region, age]}
operations: [aggregate]
dpia: {reference: DPIA-7, outcome: low residual risk}
security: Data stay in place.
rights: Through privacy notices.
budget: {epsilon: 4, delta: 1e-6}
per_plan: {epsilon: 1, delta: 1e-9}
from: 2026-01-01
until: 2027-01-01
decided_by: A. Officer
end_clause: Released answers may be kept.
retention_days: 30
"""
MEMBERS = {
    "coordinator": ("coordinator", "tally", ""),
    "policy": ("policy_officer", "cabinet", ""),
    "north": ("node", "north council", ""),
    "south": ("node", "south council", ""),
    "guardian-north": ("guardian", "north council", "north"),
    "guardian-south": ("guardian", "south council", "south"),
    "ann": ("analyst", "university", ""),
}


class Machines:
    """``at`` is a machine's folder; ``carry`` is the envelope that goes from one to the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.carry = folder / "envelope"
        self.carry.mkdir(parents=True, exist_ok=True)
        self.catalogue = self.carry / "catalogue.yaml"
        self.catalogue.write_text(CATALOGUE)

    def copy(self, folder: Path) -> Machines:
        """The same machines, to be changed by one test."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Machines(folder)

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def file(self, name: str) -> str:
        return str(self.carry / name)

    def said(self, *arguments: str, status: int = 0) -> str:
        """Runs one command; its output, or its error if ``status`` says that it is refused."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            found = run(arguments)
        assert found == status, err.getvalue() + out.getvalue()
        return out.getvalue() if status == 0 else err.getvalue()

    def json(self, *arguments: str) -> Any:
        return json.loads(self.said(*arguments, "--json"))

    def apply(self, name: str, *more: str) -> str:
        role, body, department = MEMBERS.get(name, ("helper", name, ""))
        given = ["--home", self.at(name), "--name", name, "--role", role, "--body", body]
        given += ["--department", department] if department else []
        self.said("federation", "apply", *given, "--out", self.file(f"{name}.application"), *more)
        return self.file(f"{name}.application")

    def admit(self, *files: str, roots: tuple[str, ...] = ("root",), more: tuple[str, ...] = ()) -> Any:
        given = [part for root in roots for part in ("--root", self.at(root))]
        return self.json("federation", "admit", *given, *files, "--out", str(self.carry), "--yes", *more)

    def join(self, name: str, *more: str, status: int = 0) -> str:
        files = [self.file(f"{name}.welcome"), self.file("federation.manifest")]
        held = [file for file in files if Path(file).exists()]
        return self.said("federation", "join", *held, "--home", self.at(name), *more, status=status)

    def found(self, roots: int = 1) -> None:
        """Roots, then everybody's application, admission and welcome."""
        given = ("--catalog", str(self.catalogue), "--roots", str(roots), "--only-roots")
        self.json("federation", "init", str(self.folder), *given, "--coordinator", "tally.example:7443")
        files = [self.apply(name) for name in MEMBERS]
        names = ("root",) if roots == 1 else tuple(f"root-{i + 1}" for i in range(roots))
        self.admit(*files, roots=names, more=("--catalog", str(self.catalogue)))
        for name in MEMBERS:
            self.join(name, "--yes")
