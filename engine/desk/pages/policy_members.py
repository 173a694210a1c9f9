"""Who is in the federation, with which keys and under which rules: the manifest in force, as it was verified here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from engine.desk.desk import Desk
from engine.desk.page import AUDITOR, GUARDIAN, POLICY_OFFICER, Page
from engine.desk.visit import Visit
from engine.errors import Unavailable
from engine.governance.application import fingerprint_of
from engine.governance.text import rule_lines
from engine.trusted.records import Member, Role

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Seat:
    """A member. ``attends``: whether its node is connected, None where that is not known or means nothing."""

    member: Member
    roles: str
    keys: str
    attends: bool | None


def members(visit: Visit) -> Response:
    desk, manifest = visit.desk, visit.desk.manifest
    return visit.render(
        "policy/members.html",
        manifest=manifest,
        seats=tuple(_seats(desk)),
        rules=[line for line in rule_lines(manifest.rules) if not line[0].startswith("cap of ")],
        grace=manifest.grace_seconds // DAY_SECONDS,
        stale=desk.clock.now_ms() >= manifest.until_ms,
        signed=[signature.signer for signature in desk.home.manifest_record().signatures],
    )


def _seats(desk: Desk) -> Iterator[Seat]:
    try:
        connected = {participant.node for participant in desk.describe().connected}
    except Unavailable:
        connected = None
    for member in desk.manifest.members:
        known = connected is not None and Role.NODE in member.roles
        attends = member.name in (connected or ()) if known else None
        roles = " and ".join(role.name.lower().replace("_", " ") for role in member.roles)
        yield Seat(member, roles, fingerprint_of(member), attends)


PAGES = (
    Page(
        "/members",
        members,
        GUARDIAN | POLICY_OFFICER | AUDITOR,
        menu="Members",
        about="Who is in the federation, with which keys, under which rules.",
    ),
)
