"""Agreements: which there are, each in full with its signatures and the forms of offices, and its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response

from engine.client.standing import valid_revocations
from engine.desk.desk import Desk
from engine.desk.page import AUDITOR, GUARDIAN, POLICY_OFFICER, Page
from engine.desk.pages.policy_drafts import Written, drafts
from engine.desk.visit import Visit
from engine.errors import Refused, SplittallyError
from engine.governance.agreement_exports import FORMS
from engine.governance.agreement_text import agreement_lines, agreement_of
from engine.governance.homes import put_into_inbox
from engine.governance.revocation import revocation_record
from engine.trusted import wire
from engine.trusted.messages import FederationDescription
from engine.trusted.records import Agreement, RecordKind, Revocation, Role, SignedRecord
from engine.trusted.sign import decoded, hosts_of, open_agreement, open_revocation

SIGNERS = GUARDIAN | POLICY_OFFICER
READERS = SIGNERS | AUDITOR
FORM_WORDS = {
    "ico": "Under the headings of the ICO's data sharing code",
    "dpia": "Screening for an impact assessment",
    "der": "Entry of the Digital Economy Act register",
}
EXAMPLE = "0" * 64


@dataclass(frozen=True, slots=True)
class Held:
    """An edition that the coordinator holds. ``state``: in force, not yet in force, ended, superseded, revoked, or
    not valid here; ``problem``: why the last."""

    digest: bytes
    agreement: Agreement
    record: SignedRecord
    state: str
    tone: str
    problem: SplittallyError | None = None
    revocation: Revocation | None = None


def agreements(visit: Visit) -> Response:
    desk = visit.desk
    found = sorted(_held(desk, desk.describe()), key=lambda held: (held.agreement.name, -held.agreement.edition))
    own: tuple[Written, ...] = drafts(desk.home) if desk.role != "auditor" else ()
    return visit.render("policy/agreements.html", held=found, drafts=own)


def agreement(visit: Visit) -> Response:
    return _agreement(visit)


def export(visit: Visit) -> Response:
    """The agreement in the form that an office asks for, as a page of its own to keep."""
    held, form = _find(visit), visit.path["form"]
    if form not in FORMS:
        return visit.nowhere()
    document = FORMS[form](held.agreement, visit.desk.manifest)
    name = f"{held.agreement.name}-edition-{held.agreement.edition}-{form}.html"
    return visit.file(document.html().encode(), name, "text/html")


def record(visit: Visit) -> Response:
    """The signed record itself."""
    held = _find(visit)
    name = f"{held.agreement.name}-edition-{held.agreement.edition}.agreement"
    return visit.file(wire.encode(held.record), name, "application/octet-stream")


def confirm(visit: Visit) -> Response:
    """The last page before an agreement is ended."""
    held, reason = _find(visit), " ".join(visit.query.one("reason").split())
    if not reason:
        return _agreement(visit, error=Refused("POLICY_REASON_MISSING"), error_field="reason")
    return visit.render("policy/revoke.html", held=held, reason=reason)


def revoke(visit: Visit) -> Response:
    """Signs the end of an agreement; one's own node has it first, if its home is here."""
    desk, held, reason = visit.desk, _find(visit), visit.form.one("reason")
    try:
        made = revocation_record(desk.home, held.digest, reason, desk.clock)
        open_revocation(made, desk.roster, held.agreement)
        if desk.node_home is not None:
            put_into_inbox(desk.node_home, made)
        desk.line().hand(made)
    except SplittallyError as error:
        return visit.render("policy/revoke.html", held=held, reason=reason, error=error)
    notice = f"{held.agreement.name}, edition {held.agreement.edition}, is revoked. Nothing runs under it any more."
    return visit.go(f"/agreements/{held.digest.hex()}", notice)


def _agreement(visit: Visit, **shown: object) -> Response:
    held, desk = _find(visit), visit.desk
    given: dict[str, object] = {"error_field": "", **shown}
    return visit.render(
        "policy/agreement.html",
        held=held,
        lines=agreement_lines(held.agreement),
        forms=FORM_WORDS,
        may_revoke=desk.role != "auditor" and held.state in ("in force", "not yet in force") and _is_party(desk, held),
        **given,
    )


def _find(visit: Visit) -> Held:
    wanted = visit.path["digest"]
    found = next((h for h in _held(visit.desk, visit.desk.describe()) if h.digest.hex() == wanted), None)
    if found is None:
        raise Refused("POLICY_AGREEMENT_UNKNOWN")
    return found


def _is_party(desk: Desk, held: Held) -> bool:
    """Whether this person's revocation would count."""
    member = desk.roster.member(desk.home.name)
    with suppress(Refused):
        return Role.POLICY_OFFICER in member.roles or member.department in hosts_of(held.agreement, desk.roster)
    return False


def _held(desk: Desk, described: FederationDescription) -> Iterator[Held]:
    """Every agreement that the coordinator holds, judged here."""
    ended = dict(valid_revocations(described, desk.roster))
    newest: dict[str, int] = {}
    for one in described.agreements:
        said = agreement_of(one)
        newest[said.name] = max(said.edition, newest.get(said.name, 0))
    for one in described.agreements:
        said, digest = agreement_of(one), wire.digest(one.payload)
        try:
            open_agreement(one, desk.roster)
        except Refused as problem:
            yield Held(digest, said, one, "not valid here", "bad", problem)
            continue
        if digest in ended:
            why = decoded(ended[digest], RecordKind.REVOCATION, Revocation)
            yield Held(digest, said, one, "revoked", "bad", revocation=why)
        else:
            yield Held(digest, said, one, *_state(said, newest[said.name], desk.clock.now_ms()))


def _state(said: Agreement, newest: int, now_ms: int) -> tuple[str, str]:
    if said.edition < newest:
        return "superseded", "plain"
    if now_ms < said.from_ms:
        return "not yet in force", "wait"
    return ("ended", "plain") if now_ms >= said.until_ms else ("in force", "good")


PAGES = (
    Page("/agreements", agreements, READERS, menu="Agreements", about="Who may ask what, why, and at what cost."),
    Page("/agreements/{digest}", agreement, READERS, example=f"/agreements/{EXAMPLE}"),
    Page("/agreements/{digest}/record", record, READERS, example=f"/agreements/{EXAMPLE}/record"),
    Page("/agreements/{digest}/forms/{form}", export, READERS, example=f"/agreements/{EXAMPLE}/forms/ico"),
    Page("/agreements/{digest}/revoke", confirm, SIGNERS, example=f"/agreements/{EXAMPLE}/revoke"),
    Page("/agreements/{digest}/revoke/sign", revoke, SIGNERS, post=True, example=f"/agreements/{EXAMPLE}/revoke/sign"),
)
