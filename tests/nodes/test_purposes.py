"""Consent by purpose, from the department's own file to the sums: the agreement's legal gateway chooses the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.governance.homes import create_home
from engine.trusted import ring
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.plan import Call, ColumnRef, Function, Literal, NamedExpression, Type
from engine.trusted.records import JournalEntry, JournalKind, LegalGateway, Participant
from engine.trusted.wire import decode
from nodes.answer import Node, answer
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import cut
from tests.nodes.conftest import CountedRandomness, Federation, FixedSampler

ROWS = """person_id,region,income,health,opt_out
p1,N,10,good,none
p2,N,20,good,research
p3,S,40,bad,all
p4,S,30,bad,none
"""
COLUMNS = ("person_id", "region", "income", "health")


def says(*words: str) -> Call:
    told = tuple(Call(Function.EQUAL, (ColumnRef("opt_out"), Literal(Type.TEXT, word))) for word in words)
    return told[0] if len(told) == 1 else Call(Function.OR, told)


@pytest.fixture
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture
def node(tmp_path: Path, source: DuckDBSource) -> Node:
    """North, which lets research have fewer rows than statistics, and fraud none at all."""
    federation = Federation(tmp_path)
    file = tmp_path / "lone.csv"
    file.write_text(ROWS)
    rules = (NamedExpression("statistics", says("none", "research")), NamedExpression("research", says("none")))
    income = Call(Function.CAST_INTEGER, (ColumnRef("income"),))
    expressions = {c: ColumnRef(c) for c in COLUMNS} | {"income": income}
    bound = DatasetBinding(
        "lone",
        (str(file),),
        tuple(LocalColumn(c, Type.TEXT) for c in (*COLUMNS, "opt_out")),
        tuple(NamedExpression(name, expression) for name, expression in expressions.items()),
        purposes=rules,
    )
    home = create_home(tmp_path / "home", "north", "node", "demo")
    binding = NodeBinding(1, "north", (bound,))
    randomness = CountedRandomness("snapshots")
    tables = cut(binding, federation.manifest.catalogue, home, randomness=randomness, source=source)
    return Node(federation.seat("north"), tables, source, FixedSampler(0))


def asked(node: Node, gateway: LegalGateway, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """North's exact sums under an agreement of this gateway, or the code that it refuses with."""
    federation, sums = Federation(folder), list[tuple[int, ...]]()
    federation.adopt(agreement=replace(federation.agreement, legal_gateway=gateway))
    seat = replace(node.seat, agreements={federation.agreement_digest: federation.agreement})
    plan = federation.plan("lone")
    record = federation.sign(federation.request(plan, n_min=1))
    hosts = (Participant("north", node.tables.refs()),)
    arrival = federation.arrive(federation.round(record, plan, participants=hosts))

    def keep(vector: Any, *rest: Any) -> Any:
        sums.append(ring.to_signed(vector))
        return vector

    monkeypatch.setattr("nodes.answer.add_noise", keep)
    try:
        answer(arrival, replace(node, seat=seat))
    except SplittallyError as error:
        return error.code
    finally:
        for other in federation.seats.values():
            other.ledger.close()
    units = decode_units(federation, plan)
    north_rows, south_rows, north_sum, south_sum, check = sums[0]
    assert check == 1
    return north_rows // units[0], south_rows // units[0], north_sum // units[1], south_sum // units[1]


def decode_units(federation: Federation, plan: Any) -> tuple[int, ...]:
    request = federation.request(plan, n_min=1)
    return calibrate(plan, federation.manifest.catalogue, request.loss, 1, 0).multipliers


def test_rows_are_those_that_the_purpose_may_use(node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for gateway in (LegalGateway.STATISTICS, LegalGateway.RESEARCH, LegalGateway.FRAUD):
        (folder := tmp_path / gateway.name).mkdir()
        found[gateway.name] = asked(node, gateway, folder, monkeypatch)
    assert found == {
        "STATISTICS": (2, 1, 30, 30),
        "RESEARCH": (1, 1, 10, 30),
        "FRAUD": "POLICY_CONSENT_PURPOSE",
    }
    ledger = node.seat.ledger
    entries: list[JournalEntry] = [decode(JournalEntry, ledger.entry(i)) for i in range(ledger.head().size)]
    assert [e.kind for e in entries].count(JournalKind.CHARGED) == 2  # what was refused cost nothing
    ledger.close()
