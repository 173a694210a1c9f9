"""The first page of every role: who sits here, what this desk is for, and how the federation is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from engine.desk.desk import Desk
from engine.desk.page import Page
from engine.desk.visit import Visit
from engine.errors import Unavailable
from engine.trusted.messages import FederationDescription
from engine.trusted.records import Role

BY_ITSELF = "by itself inside an agreement; a guardian approves each private join"
LEADS = {
    "analyst": "Ask the departments in SQL. You see what it costs and how wrong the answer may be before you ask.",
    "guardian": "Decide what your department answers. You see what a request reads, what it costs and who asks.",
    "policy_officer": "Set what may be asked, why, under which law and at what cost.",
    "auditor": "Read the record, and check that it holds.",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A department as the coordinator sees it."""

    name: str
    state: str
    tone: str
    datasets: tuple[str, ...]
    approves: str


def start(visit: Visit) -> Response:
    desk = visit.desk
    described, unreached = None, None
    try:
        described = desk.describe()
    except Unavailable as error:
        unreached = error
    return visit.render(
        "start.html",
        greeting=f"{desk.role_words}'s desk",
        lead=LEADS[desk.role],
        nodes=tuple(_nodes(desk, described)),
        unreached=unreached,
    )


def _nodes(desk: Desk, described: FederationDescription | None) -> Iterator[Node]:
    connected = {p.node for p in described.connected} if described else set()
    told = {state.node: state for state in described.nodes} if described else {}
    for name in desk.names(Role.NODE):
        held = tuple(d.name for d in desk.manifest.catalogue.datasets if name in d.hosts)
        state, tone = ("connected", "good") if name in connected else ("not connected", "plain")
        approves = "not known while it is away"
        if name in told:
            wanted = told[name].guardians
            approves = f"each plan, by {wanted} of its guardians" if wanted else BY_ITSELF
            if told[name].paused:
                state, tone = "paused by a guardian", "wait"
            elif told[name].journal:
                state, tone = f"journal refused: {told[name].journal}", "bad"
        if described is None:
            state = "not known"
        yield Node(name, state, tone, held, approves)


PAGES = (Page("/", start, menu="Overview"),)
