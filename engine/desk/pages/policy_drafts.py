"""Drafting and signing agreements: a form, the text as it is to be signed, the signatures of others, the hand-in.

What is at work lies in the person's own home, in ``drafts/``: NAME.yaml until it is signed, then the signed record
under its digest. Officers and guardians carry the record to each other as a file; each signs what the own desk shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from starlette.responses import Response

from engine.desk.desk import Desk
from engine.desk.form import Form
from engine.desk.page import GUARDIAN, POLICY_OFFICER, Page
from engine.desk.pages.policy_form import FILE, field_of, filled, in_form, sections, yaml_of
from engine.desk.visit import Visit
from engine.errors import BadFile, Refused, SplittallyError, require
from engine.governance.agreement import amend_agreement, sign_agreement
from engine.governance.agreement_form import parse_agreement
from engine.governance.agreement_text import agreement_lines, agreement_of, plain_text
from engine.governance.text import differences
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.records import Agreement, FederationManifest, RecordKind, Role, SignedRecord
from engine.trusted.sign import Roster, hosts_of, open_agreement, require_signed_by

SIGNERS = GUARDIAN | POLICY_OFFICER
MEMBER = re.compile(r"[a-z][a-z0-9-]{0,62}")
DIGEST = re.compile(r"[0-9a-f]{64}")
EXAMPLE = "0" * 64


@dataclass(frozen=True, slots=True)
class Written:
    """What is at work in a home. ``record`` None: not signed yet, and ``name`` is that of its file."""

    name: str
    agreement: Agreement | None
    record: SignedRecord | None


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose signature an agreement needs: any of ``names``; ``signed``: those who have, validly."""

    whose: str
    names: tuple[str, ...]
    signed: tuple[str, ...]


def drafts(home: Home) -> tuple[Written, ...]:
    """Drafts first, then what lacks signatures or has not been handed in."""
    folder, found = home.path / "drafts", list[Written]()
    for file in sorted(folder.glob("*.yaml")):
        found.append(Written(file.stem, None, None))
    for file in sorted(folder.glob("*.agreement")):
        record = _record(file.read_bytes())
        found.append(Written(file.stem, agreement_of(record), record))
    return tuple(found)


# -- writing one


def new(visit: Visit) -> Response:
    """An empty form, that of a draft (``name``), or of the next edition of an agreement (``after``)."""
    name, after = visit.query.one("name"), visit.query.one("after")
    if name:
        return _form(visit, filled(_draft(visit.desk, name)))
    return _form(visit, filled(_held(visit.desk, after)) if after else Form())


def save(visit: Visit) -> Response:
    """Keeps what was filled in if it is an agreement; else the form again, with what is wrong.

    An agreement of that name is there already: this is then its next edition.
    """
    desk, text = visit.desk, ""
    try:
        before = _newest(desk, visit.form.one("agreement"))
        text = yaml_of(visit.form, before.edition + 1 if before else 1)
        made = parse_agreement(text, FILE, desk.manifest)
        if before is not None:
            amend_agreement(made, before)
    except BadFile as error:
        return _form(visit, visit.form, error=in_form(error), error_field=field_of(error, text))
    except SplittallyError as error:
        return _form(visit, visit.form, error=error)
    (desk.home.path / "drafts").mkdir(mode=0o700, exist_ok=True)
    desk.home.write(f"drafts/{made.name}.yaml", text.encode(), secret=True)
    return visit.go(f"/drafts/{made.name}", "The draft is kept in your home. Nothing is signed yet.")


def draft(visit: Visit) -> Response:
    """A draft as it would be signed."""
    desk = visit.desk
    made = _draft(desk, visit.path["name"])
    return _shown(visit, made, None)


def sign_draft(visit: Visit) -> Response:
    """Signs a draft; from then on it is a record that others sign too."""
    desk, name, shown = visit.desk, visit.path["name"], visit.form.one("shown")
    if _signed_before(desk, name, shown):
        return visit.go(f"/signing/{shown}", "You have signed this already, by the first press of the button.")
    made = _draft(desk, name)
    try:
        require(shown == _digest(made).hex(), "APPROVAL_SHOWN_OTHER")
        record = sign_agreement(made, desk.home)
    except SplittallyError as error:
        return _shown(visit, made, None, error=error)
    _keep(desk.home, record)
    (desk.home.path / f"drafts/{made.name}.yaml").unlink(missing_ok=True)
    return visit.go(f"/signing/{_digest(made).hex()}", "Signed. Give the file to those whose signatures are missing.")


# -- signatures


def signing(visit: Visit) -> Response:
    record = _signing(visit)
    return _shown(visit, agreement_of(record), record)


def sign_record(visit: Visit) -> Response:
    """Adds one's own signature to a record that others made."""
    desk, record = visit.desk, _signing(visit)
    try:
        require(visit.form.one("shown") == wire.digest(record.payload).hex(), "APPROVAL_SHOWN_OTHER")
        made = sign_agreement(record, desk.home)
    except SplittallyError as error:
        return _shown(visit, agreement_of(record), record, error=error)
    _keep(desk.home, made)
    return visit.go(f"/signing/{wire.digest(record.payload).hex()}", "Signed. Give the file back, or hand it in.")


def take(visit: Visit) -> Response:
    """Takes a signed agreement from a file: a new one, or more signatures of one that is here."""
    desk, body = visit.desk, visit.form.files.get("file", b"")
    try:
        record = _record(body)
        require(agreement_of(record).federation == desk.home.federation, "POLICY_AGREEMENT_INVALID")
    except SplittallyError as error:
        return visit.render("policy/take.html", error=error, error_field="file")
    name = wire.digest(record.payload).hex()
    file = desk.home.path / f"drafts/{name}.agreement"
    known = _record(file.read_bytes()) if file.exists() else None
    sound = [s for s in (known.signatures if known else ()) if _holds(known, s.signer, desk.roster)]
    own = {s.signer: s for s in (*(known.signatures if known else ()), *record.signatures, *sound)}  # none is lost
    _keep(desk.home, SignedRecord(record.kind, record.payload, tuple(own.values())))
    return visit.go(f"/signing/{name}", "Taken from the file. Read it before you sign.")


def taking(visit: Visit) -> Response:
    return visit.render("policy/take.html")


def give(visit: Visit) -> Response:
    """The record as a file for others."""
    record = _signing(visit)
    return visit.file(wire.encode(record), f"{agreement_of(record).name}.agreement", "application/octet-stream")


def hand_in(visit: Visit) -> Response:
    """Gives the complete record to the coordinator, which passes it on; each member verifies it for itself."""
    desk, digest = visit.desk, visit.path["digest"]
    if _handed_in_before(desk, digest):
        return visit.go(f"/agreements/{digest}", "It was handed in already, by the first press of the button.")
    record = _signing(visit)
    try:
        open_agreement(record, desk.roster)
        desk.line().hand(record)
    except SplittallyError as error:
        return _shown(visit, agreement_of(record), record, error=error)
    name = wire.digest(record.payload).hex()
    (desk.home.path / f"drafts/{name}.agreement").unlink(missing_ok=True)
    return visit.go(f"/agreements/{name}", "Handed in. It takes effect at once, at each member that finds it valid.")


def drop(visit: Visit) -> Response:
    """Forgets a draft or a record here; what others hold is theirs."""
    name = visit.form.one("name")
    if MEMBER.fullmatch(name):
        (visit.desk.home.path / f"drafts/{name}.yaml").unlink(missing_ok=True)
    if DIGEST.fullmatch(name):
        (visit.desk.home.path / f"drafts/{name}.agreement").unlink(missing_ok=True)
    return visit.go("/agreements", "Dropped from your home.")


# -- parts


def _form(visit: Visit, form: Form, **shown: object) -> Response:
    given: dict[str, object] = {"error_field": "", **shown}
    return visit.render("policy/form.html", sections=sections(visit.desk.manifest), filled=form, **given)


def _shown(visit: Visit, made: Agreement, record: SignedRecord | None, **shown: object) -> Response:
    desk, problem = visit.desk, None
    if record is not None:
        try:
            open_agreement(record, desk.roster)
        except Refused as refused:
            problem = refused
    signers = tuple(_signers(made, record, desk.roster))
    return visit.render(
        "policy/sign.html",
        made=made,
        record=record,
        text=plain_text(made),
        digest=_digest(made).hex(),
        changes=_changes(desk, made),
        signers=signers,
        own=any(desk.home.name in one.signed for one in signers),
        may_sign=any(desk.home.name in one.names for one in signers),
        problem=problem,
        **shown,
    )


def _changes(desk: Desk, made: Agreement) -> tuple[str, ...]:
    """Against the edition before, if the coordinator answers and holds it."""
    try:
        before = _newest(desk, made.name, made.edition)
    except SplittallyError:
        return ()
    return differences(agreement_lines(before), agreement_lines(made)) if before else ()


def _newest(desk: Desk, name: str, below: int = 1 << 31) -> Agreement | None:
    """The newest edition of that name that the coordinator holds. Unavailable NODE_UNREACHABLE."""
    held = (agreement_of(record) for record in desk.describe().agreements)
    return max((a for a in held if a.name == name and a.edition < below), key=lambda a: a.edition, default=None)


def _signers(made: Agreement, record: SignedRecord | None, roster: Roster) -> Iterator[Signer]:
    """A policy officer, and a guardian of each host of a dataset in scope."""
    manifest: FederationManifest = roster.manifest
    signed = {
        name for name in (s.signer for s in (record.signatures if record else ())) if _holds(record, name, roster)
    }
    officers = tuple(m.name for m in manifest.members if Role.POLICY_OFFICER in m.roles)
    yield Signer("a policy officer", officers, tuple(n for n in officers if n in signed))
    for host in sorted(hosts_of(made, roster)):
        names = tuple(m.name for m in manifest.members if Role.GUARDIAN in m.roles and m.department == host)
        yield Signer(f"a guardian of {host}", names, tuple(n for n in names if n in signed))


def _holds(record: SignedRecord | None, name: str, roster: Roster) -> bool:
    try:
        if record is not None:
            own = tuple(s for s in record.signatures if s.signer == name)
            require_signed_by(SignedRecord(record.kind, record.payload, own), roster.member(name))
            return True
    except Refused:
        pass
    return False


def _held(desk: Desk, digest: str) -> Agreement:
    for record in desk.describe().agreements:
        if wire.digest(record.payload).hex() == digest:
            return open_agreement(record, desk.roster)
    raise Refused("POLICY_AGREEMENT_UNKNOWN")


def _draft(desk: Desk, name: str) -> Agreement:
    file = desk.home.path / f"drafts/{name}.yaml"
    if not MEMBER.fullmatch(name) or not file.is_file():
        raise BadFile("FILE_MISSING", path=f"drafts/{name[:63]}.yaml")
    return parse_agreement(file.read_text(encoding="utf-8"), file.name, desk.manifest)


def _signed_before(desk: Desk, name: str, shown: str) -> bool:
    """Whether a draft is gone because it was signed, as it was shown: the first of two presses of the button did it."""
    if (desk.home.path / f"drafts/{name}.yaml").is_file() or not DIGEST.fullmatch(shown):
        return False
    file = desk.home.path / f"drafts/{shown}.agreement"
    return file.is_file() and _holds(_record(file.read_bytes()), desk.home.name, desk.roster)


def _handed_in_before(desk: Desk, digest: str) -> bool:
    """Whether a record is gone from here because the coordinator has it."""
    if (desk.home.path / f"drafts/{digest}.agreement").is_file():
        return False
    return digest in {wire.digest(record.payload).hex() for record in desk.describe().agreements}


def _signing(visit: Visit) -> SignedRecord:
    name = visit.path["digest"]
    file = visit.desk.home.path / f"drafts/{name}.agreement"
    if not DIGEST.fullmatch(name) or not file.is_file():
        raise BadFile("FILE_MISSING", path=f"drafts/{name[:64]}.agreement")
    return _record(file.read_bytes())


def _record(body: bytes) -> SignedRecord:
    """A signed agreement from the bytes of a file. Refused POLICY_WIRE_INVALID, POLICY_RECORD_INVALID."""
    record: SignedRecord = wire.decode(SignedRecord, body)
    require(record.kind is RecordKind.AGREEMENT, "POLICY_RECORD_INVALID")
    agreement_of(record)
    return record


def _keep(home: Home, record: SignedRecord) -> None:
    (home.path / "drafts").mkdir(mode=0o700, exist_ok=True)
    home.write(f"drafts/{wire.digest(record.payload).hex()}.agreement", wire.encode(record), secret=True)


def _digest(made: Agreement) -> bytes:
    return wire.digest(wire.encode(made))


PAGES = (
    Page("/drafts/new", new, POLICY_OFFICER),
    Page("/drafts/save", save, POLICY_OFFICER, post=True),
    Page("/drafts/take", taking, SIGNERS),
    Page("/drafts/take/file", take, SIGNERS, post=True, upload=True),
    Page("/drafts/drop", drop, SIGNERS, post=True),
    Page("/drafts/{name}", draft, POLICY_OFFICER, example="/drafts/none"),
    Page("/drafts/{name}/sign", sign_draft, POLICY_OFFICER, post=True, example="/drafts/none/sign"),
    Page("/signing/{digest}", signing, SIGNERS, example=f"/signing/{EXAMPLE}"),
    Page("/signing/{digest}/sign", sign_record, SIGNERS, post=True, example=f"/signing/{EXAMPLE}/sign"),
    Page("/signing/{digest}/file", give, SIGNERS, example=f"/signing/{EXAMPLE}/file"),
    Page("/signing/{digest}/hand-in", hand_in, SIGNERS, post=True, example=f"/signing/{EXAMPLE}/hand-in"),
)
