"""The manual's page on the desk names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import typer

from engine.cli.main import app
from engine.desk.desk import ROLES
from engine.desk.pages import PAGES

MANUAL = Path(__file__).resolve().parents[2] / "engine/docs/manual/desk.md"
TEXT = MANUAL.read_text()


def rows(heading: str) -> list[list[str]]:
    """The table under a heading of its columns."""
    table = TEXT.partition(f"{heading}\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def test_the_pages_are_those_of_the_navigation() -> None:
    told = {name: whom for name, whom, _ in rows("| page | for whom | what it shows |")}
    words = {frozenset(ROLES): "everybody", **{frozenset({role}): said.lower() for role, said in ROLES.items()}}
    shared = {page.menu: words[page.roles] for page in PAGES if page.menu and page.roles in words}
    assert {name: whom for name, whom in shared.items() if name in told} == told
    assert {page.menu for page in PAGES if page.menu and page.roles in (frozenset(ROLES), {"analyst"})} == set(told)


def test_the_pages_of_the_other_roles_are_those_of_their_navigation() -> None:
    told = {name: whom for name, whom, _ in rows("| page | for | what it is for |")}
    others = {p.menu: p.roles for p in PAGES if p.menu and p.roles not in (frozenset(ROLES), {"analyst"})}
    words = {menu: ", ".join(said.lower() for role, said in ROLES.items() if role in on) for menu, on in others.items()}
    assert told == words


def test_the_options_are_those_of_the_command() -> None:
    command = typer.main.get_command(app).commands["desk"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    told = {name for cell, _ in rows("| option | meaning |") for name in re.findall(r"--[a-z-]+", cell)}
    assert told <= known
    assert known - told <= {"--help", "--flight"}


def test_what_the_guard_says_is_explained() -> None:
    guard = (Path(__file__).resolve().parents[2] / "engine/desk/guard.py").read_text()
    for said, _ in rows("| what you see | what to do |")[:3]:
        assert said in guard
