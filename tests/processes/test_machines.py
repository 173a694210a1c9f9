"""A federation founded over several machines answers, and goes on after members have drawn new keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalogue import parse_catalogue
from engine.client.session import Session, connect
from engine.governance.federation import Federation
from engine.local.children import stop
from engine.local.federation import LocalFederation
from engine.trusted.home import Home
from tests.governance.machines import CATALOGUE, MEMBERS, WRITTEN, Machines

SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region ORDER BY region"


class Carried(LocalFederation):
    """Founded by applications and welcomes; everything else as in any local federation."""

    @property
    def machines(self) -> Machines:
        return Machines(self.directory / "homes")

    def _found(self) -> None:
        machines = self.machines
        machines.found()
        self._read()
        until = WRITTEN.replace("until: 2027-01-01", "until: 2099-01-01")
        Path(machines.file("a.yaml")).write_text(until)
        signers = [p for name in ("policy", "guardian-north", "guardian-south") for p in ("--home", machines.at(name))]
        machines.said("agreement", "sign", machines.file("a.yaml"), *signers)
        enforcing = [p for name in ("coordinator", "north", "south") for p in ("--home", machines.at(name))]
        machines.said("agreement", "install", machines.file("a.agreement"), *enforcing)

    def _read(self) -> None:
        manifest = Home.load(self.machines.at("ann")).manifest()
        self.federation = Federation(self.directory / "homes", manifest, ("root",))

    def session(self) -> Session:
        return connect(self.federation.home("ann"))

    def again(self) -> None:
        """Stop everybody and start them on what their homes hold now."""
        stop(self.children)
        self.children.clear()
        (self.federation.home("coordinator") / "address").unlink(missing_ok=True)
        self._read()
        self._start()


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    bindings = {}
    for node in ("north", "south"):
        bindings[node] = tmp_path_factory.mktemp(node)
        rows = [f"{node}{i},{'NS'[i % 4 == 0]},{i % 90}" for i in range(2_000)]
        (bindings[node] / "people.csv").write_text("\n".join(["person_id,region,age", *rows]) + "\n")
    with Carried(parse_catalogue(CATALOGUE, "c.yaml"), bindings) as running:
        yield running


def counted(running: Carried, sql: str) -> dict[str, int]:
    home = ("--home", str(running.federation.home("ann")))
    answer = running.machines.json("submit", *home, "--epsilon", "0.5", sql)
    assert answer["nodes"] == ["north", "south"]
    return {row["region"]: row["n"] for row in answer["rows"]}


def test_it_answers_before_and_after_new_keys(carried: Carried) -> None:
    """Noise has a standard deviation below 10 here: 200 is twenty of them, so it alone never fails this."""
    first = counted(carried, SQL)
    assert abs(first["N"] - 3_000) < 200
    assert abs(first["S"] - 1_000) < 200
    machines = carried.machines
    for name in ("north", "ann", "coordinator"):
        stated = machines.file(f"{name}.application")
        machines.said("federation", "rotate", "--home", machines.at(name), "--out", stated)
    files = [machines.file(f"{name}.application") for name in ("north", "ann", "coordinator")]
    machines.admit(*files)
    for name in MEMBERS:
        if name not in ("north", "ann", "coordinator"):
            Path(machines.file(f"{name}.welcome")).unlink()
        machines.join(name)
    carried.again()
    assert Home.load(machines.at("north")).manifest().epoch == 2
    second = counted(carried, SQL.replace("GROUP", "WHERE age < 45 GROUP"))
    assert abs(second["N"] + second["S"] - 2_000) < 300
