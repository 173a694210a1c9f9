"""Receipts for an auditor: taken from a file into the home, verified from the root keys, held against the journals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from starlette.responses import Response

from engine.client.receipt_words import checks, in_words
from engine.client.receipts import Verified, read_receipt, verify_receipt
from engine.desk.desk import Desk
from engine.desk.page import AUDITOR, Page
from engine.desk.pages.audit_evidence import Collected, collected
from engine.desk.visit import Visit
from engine.errors import BadFile, SplittallyError
from engine.trusted import wire
from engine.trusted.records import JournalKind, Receipt, Request

DIGEST = re.compile(r"[0-9a-f]{64}")
EXAMPLE = "0" * 64
FOLDER = "receipts"


@dataclass(frozen=True, slots=True)
class Taken:
    """A receipt that lies in the home. What it says is not verified in a list."""

    name: str
    analyst: str
    request: bytes
    made_ms: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a node's journal, as it was collected here, says of the receipt's round. ``place`` None: nothing."""

    node: str
    place: int | None
    state: str


def receipts(visit: Visit) -> Response:
    return _receipts(visit)


def take(visit: Visit) -> Response:
    """Keeps a receipt from a file in the home, so that it can be looked at again."""
    body, home = visit.form.files.get("file", b""), visit.desk.home
    try:
        read_receipt(body)
    except SplittallyError as error:
        return _receipts(visit, error=error, error_field="file")
    name = sha256(body).hexdigest()
    (home.path / FOLDER).mkdir(mode=0o700, exist_ok=True)
    home.write(f"{FOLDER}/{name}.receipt", body, secret=True)
    return visit.go(f"/receipts/{name}")


def receipt(visit: Visit) -> Response:
    """Every check of a receipt, up to the root keys, and what it says once all of them hold."""
    desk, name = visit.desk, visit.path["receipt"]
    body = _body(desk, name)
    try:
        found = verify_receipt(body, desk.home.roots())
    except SplittallyError as error:
        return visit.render("audit/receipt.html", name=name, found=None, error=error)
    charges, unreached = _charges(desk, found)
    return visit.render(
        "audit/receipt.html",
        name=name,
        found=found,
        checks=checks(found),
        words=in_words(found).splitlines(),
        request=wire.digest(found.receipt.round_manifest.request.payload).hex(),
        charges=charges,
        unreached=unreached,
    )


def drop(visit: Visit) -> Response:
    name = visit.path["receipt"]
    if DIGEST.fullmatch(name):
        (visit.desk.home.path / FOLDER / f"{name}.receipt").unlink(missing_ok=True)
    return visit.go("/receipts", "The receipt is dropped from your home.")


def _receipts(visit: Visit, **shown: object) -> Response:
    given: dict[str, object] = {"error_field": "", **shown}
    return visit.render("audit/receipts.html", taken=tuple(_taken(visit.desk)), **given)


def _taken(desk: Desk) -> Iterator[Taken]:
    """Newest rounds first; files that cannot be read are left out."""
    found = []
    for file in (desk.home.path / FOLDER).glob("*.receipt"):
        try:
            _, said = read_receipt(file.read_bytes())
            found.append(_line(file.stem, said))
        except (SplittallyError, OSError):
            continue
    yield from sorted(found, key=lambda one: -one.made_ms)


def _line(name: str, said: Receipt) -> Taken:
    signed = said.round_manifest.request
    request: Request = wire.decode(Request, signed.payload)
    return Taken(name, request.analyst, wire.digest(signed.payload), said.round_manifest.created_ms)


def _body(desk: Desk, name: str) -> bytes:
    """A receipt by its file's name; one that people put into the folder may be called otherwise."""
    for file in (desk.home.path / FOLDER).glob("*.receipt"):
        if file.stem == name:
            return file.read_bytes()
    raise BadFile("FILE_MISSING", path=f"{FOLDER}/{name[:64]}.receipt")


def _charges(desk: Desk, found: Verified) -> tuple[tuple[Charge, ...], SplittallyError | None]:
    """Against the journals: a receipt proves what its analyst was shown; the journals are what everybody is shown."""
    try:
        held = collected(desk)
    except SplittallyError as error:
        return (), error
    round_ = wire.digest(wire.encode(found.receipt.round_manifest))
    return tuple(_charge(held, node, round_) for node in found.receipt.survivors), None


def _charge(held: Collected, node: str, round_: bytes) -> Charge:
    kept = held.evidence.journals.get(node)
    if kept is None:
        return Charge(node, None, "missing")
    for place, entry in enumerate(kept.entries):
        if entry.kind is JournalKind.CHARGED and entry.round == round_:
            return Charge(node, place, kept.state)
    return Charge(node, None, kept.state)


PAGES = (
    Page("/receipts", receipts, AUDITOR, menu="Receipts", about="Check that a release came about as it says."),
    Page("/receipts/take", take, AUDITOR, post=True, upload=True),
    Page("/receipts/{receipt}", receipt, AUDITOR, example=f"/receipts/{EXAMPLE}"),
    Page("/receipts/{receipt}/drop", drop, AUDITOR, post=True, example=f"/receipts/{EXAMPLE}/drop"),
)
