"""What a department's own guardians have to say before one of its nodes runs a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.trusted import wire
from engine.trusted.records import Decision, Member, Role
from nodes.answer import answer
from nodes.committee import remember
from nodes.rulebook import accept, recalled

FIRST, SECOND, SOUTH = "guardian of north", "second guardian of north", "guardian of south"


@pytest.fixture
def two_guardians(federation: Any) -> Any:
    """North has a second guardian, and its analyst-guardian: ada herself may sign for north."""
    known = {m.name: m for m in federation.manifest.members}
    second = replace(known[FIRST], name=SECOND, signing_key=federation.keys["helper-3"].signing.public)
    ada = replace(known["ada"], roles=(Role.ANALYST, Role.GUARDIAN), department="north")
    members: tuple[Member, ...] = (*(m for m in known.values() if m.name not in ("ada", "helper-3")), second, ada)
    federation.manifest = replace(federation.manifest, members=members)
    federation.roster = type(federation.roster)(federation.manifest)
    own = federation.keys["helper-3"]
    federation.keys[SECOND] = replace(own, signing=type(own.signing)(SECOND, own.signing._key))
    return federation


def code_of(federation: Any, guardians: int, *approvals: str | dict[str, Any], node: str = "north") -> str:
    record = federation.sign(federation.request())
    signed = [a if isinstance(a, dict) else {"by": a} for a in approvals]
    given = tuple(
        federation.approval(record, **{"guardian": a.get("by", FIRST), **a, "by": a.get("by", FIRST)}) for a in signed
    )
    federation.seats.clear()
    arrival = federation.arrive(federation.round(record, approvals=given))
    served = federation.node(node)
    try:
        answer(arrival, replace(served, seat=replace(served.seat, guardians=guardians)))
    except SplittallyError as error:
        spent = served.seat.ledger._db.execute("SELECT count(*) FROM accounts").fetchone()
        assert spent == (0,)
        return error.code
    return ""


@pytest.mark.parametrize(
    ("guardians", "approvals", "code"),
    [
        (0, [], ""),
        (1, [], "APPROVAL_MISSING"),
        (1, [FIRST], ""),
        (1, [SECOND], ""),
        (2, [FIRST], "APPROVAL_MISSING"),
        (2, [FIRST, FIRST], "APPROVAL_MISSING"),  # the same pair of eyes twice
        (2, [FIRST, SECOND], ""),
        (3, [FIRST, SECOND], "APPROVAL_MISSING"),
        (1, [{"by": SOUTH, "node": "south"}], "APPROVAL_MISSING"),  # another department's
        (2, [FIRST, {"by": "ada"}], "APPROVAL_MISSING"),  # the analyst's own
        (2, [FIRST, SECOND, {"by": SOUTH, "node": "south"}], ""),
        (1, [{"request_digest": bytes(32)}], "APPROVAL_OTHER_REQUEST"),
        (2, [FIRST, {"by": SECOND, "expires_ms": 1_800_000_000_000}], "APPROVAL_EXPIRED"),
    ],
)
def test_a_plan_needs_the_guardians_that_its_department_wants(
    guardians: int, approvals: list[Any], code: str, two_guardians: Any
) -> None:
    assert code_of(two_guardians, guardians, *approvals) == code


def test_a_helper_wants_no_approval_of_its_own(federation: Any) -> None:
    """Its department's data are not asked; a host that also helps wants its own as a host."""
    arrival = federation.honest(helpers=("helper-1", "south"))
    remember(arrival, replace(federation.seat("helper-1"), guardians=2))
    with pytest.raises(SplittallyError) as refused:
        remember(arrival, replace(federation.seat("south"), guardians=1))
    assert refused.value.code == "APPROVAL_MISSING"


def test_a_newer_edition_supersedes_the_older_from_its_first_day(federation: Any) -> None:
    arrival = federation.honest()
    node, begins = federation.node("north"), federation.now + 10_000
    later = replace(federation.agreement, edition=2, from_ms=begins)
    agreements = {**node.seat.agreements, wire.digest(wire.encode(later)): later}
    amended = replace(node, seat=replace(node.seat, agreements=agreements))
    answer(arrival, amended)  # the second edition is known and has not begun
    federation.clock.forward(10_000)
    with pytest.raises(SplittallyError) as refused:
        answer(federation.honest(nonce=bytes([1]) * 16, readies=()), amended)
    assert refused.value.code == "POLICY_AGREEMENT_SUPERSEDED"
    again = federation.request(agreement_digest=wire.digest(wire.encode(later)))
    answer(federation.arrive(federation.round(federation.sign(again))), amended)
    budgets = "SELECT name, rho FROM accounts WHERE scope = 3"
    twice = 2 * federation.request().loss.rho_billionths
    assert node.seat.ledger._db.execute(budgets).fetchall() == [("incomes", twice)]


@pytest.mark.parametrize("guardians", [0, 1])
@pytest.mark.parametrize(
    ("yes", "no", "code"),
    [
        (None, -2, "APPROVAL_REFUSED"),
        (-3, -2, "APPROVAL_REFUSED"),  # the older yes of a guardian who said no since
        (-2, -2, "APPROVAL_REFUSED"),
        (-1, -2, ""),  # thought again
    ],
)
def test_a_refusal_that_a_node_keeps_outweighs_an_older_approval(
    guardians: int, yes: int | None, no: int, code: str, federation: Any
) -> None:
    """Whatever the coordinator shows: the refusal came to the node by itself, and a restart recalls it."""
    record, minute = federation.sign(federation.request()), 60_000
    refusal = federation.approval(record, decision=Decision.REFUSED, decided_ms=federation.now + no * minute)
    node = federation.node("north")
    accept(refusal, (), node.seat)
    seat = replace(recalled(node.seat), guardians=guardians)
    given = () if yes is None else (federation.approval(record, decided_ms=federation.now + yes * minute),)
    arrival = federation.arrive(federation.round(record, approvals=given))
    try:
        answer(arrival, replace(node, seat=seat))
    except SplittallyError as error:
        assert error.code == code
    else:
        assert code == ""


def test_a_node_takes_no_approval_and_no_other_departments_refusal(federation: Any) -> None:
    """A yes travels in the manifest; who refuses for another node says nothing to this one."""
    record, seat = federation.sign(federation.request()), federation.seat("north")
    for wrong in (
        federation.approval(record),
        federation.approval(record, guardian=SOUTH, by=SOUTH, node="south", decision=Decision.REFUSED),
    ):
        with pytest.raises(SplittallyError, match="POLICY_RECORD_INVALID"):
            accept(wrong, (), seat)
