"""A release handed from one analyst of an agreement to another: resealed, verified, free of charge.

The copy holds the opened cells and the receipt. The reader's machine verifies the receipt in full; the cells are what
the sharing analyst signed for (a receipt proves the round, not the numbers), and the answer says so. Both sides check
that the agreement is in force: after its end nothing is handed on.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from engine.client.archive import Asked, Released
from engine.client.choose import Keys
from engine.client.receipts import sign_receipt, verify_receipt
from engine.errors import Refused, require
from engine.trusted import wire
from engine.trusted.messages import ReleaseCopy, Sharing, Submission
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    RecordKind,
    Revocation,
    Role,
    SharedRelease,
    SignedRecord,
)
from engine.trusted.seal import seal
from engine.trusted.sign import (
    Roster,
    decoded,
    open_agreement,
    open_revocation,
    require_in_force,
    require_signed_by,
    signed,
)

if TYPE_CHECKING:
    from engine.client.session import Session

COPY_BYTES = 4 << 20


def shared_info(request: bytes, analyst: str, reader: str) -> bytes:
    """What a sealed copy is bound to: the request, who shares it and who may read it."""
    return (
        b"splittally.v1.shared\0" + request + len(analyst.encode()).to_bytes(4, "big") + f"{analyst}{reader}".encode()
    )


def share(session: Session, request_id: bytes, reader: str) -> bytes:
    """Reseals a release of this home to ``reader``; the digest of the record that says so.

    Raises Refused POLICY_REQUEST_UNKNOWN, POLICY_ANALYST_NOT_NAMED, POLICY_AGREEMENT_*, POLICY_SHARE_LARGE,
    Unavailable ROUND_NOT_RELEASED.
    """
    asked, name = session.archive.asked(request_id), session.home.name
    require(not asked.shared_by, "POLICY_RELEASE_NOT_OWN", name=asked.shared_by)
    released = session.archive.released(request_id) or session.fetch(asked)
    agreement = open_agreement(asked.agreement, session.roster)
    require(reader in agreement.analysts and reader != name, "POLICY_ANALYST_NOT_NAMED", name=reader)
    _require_standing(session, agreement, wire.digest(asked.agreement.payload))
    keys = session.archive.keys(request_id)
    listed, named = (keys.body, keys.named) if keys else (b"", 0)
    words = (asked.submission.statement, str(asked.epsilon), str(asked.delta))
    body = wire.encode(ReleaseCopy(*words, released.cells, released.receipt, listed, named))
    key = session.roster.require(reader, Role.ANALYST).sealing_key
    sealed = seal(body, key, shared_info(request_id, name, reader))
    record = SharedRelease(
        version=RECORD_VERSION,
        request_digest=request_id,
        run=released.receipt.round_manifest.run,
        analyst=name,
        reader=reader,
        agreement_digest=wire.digest(asked.agreement.payload),
        sealed_digest=wire.digest(sealed),
        decided_ms=session.clock.now_ms(),
    )
    own = signed(RecordKind.SHARED_RELEASE, wire.encode(record), session.home.signing_key())
    return session.line.share(Sharing(own, sealed)).record_digest


def receive(session: Session, request_id: bytes) -> Asked:
    """Fetches what another analyst shared of a request, verifies it, and keeps it in this home.

    Raises Refused POLICY_REQUEST_UNKNOWN when nobody shared it, POLICY_RECORD_INVALID for a copy that is not what its
    record says, POLICY_AGREEMENT_*, and whatever a receipt that does not hold raises.
    """
    found = session.line.shared(request_id).releases
    own = [(s, shared) for s in found if (shared := open_shared(s.record, session)).request_digest == request_id]
    if not own:
        raise Refused("POLICY_REQUEST_UNKNOWN")
    sharing, shared = own[0]
    require(wire.digest(sharing.sealed) == shared.sealed_digest, "POLICY_RECORD_INVALID")
    info = shared_info(request_id, shared.analyst, shared.reader)
    copy: ReleaseCopy = wire.decode(ReleaseCopy, session.home.sealing_key().open(sharing.sealed, info), COPY_BYTES)
    asked, released = _checked(session, copy, shared)
    session.archive.keep_asked(asked)
    if copy.keys:
        session.archive.keep_keys(request_id, Keys(copy.keys, copy.named))
    session.archive.keep_release(request_id, released)
    return asked


def open_shared(record: SignedRecord, session: Session) -> SharedRelease:
    """Who shared what with this home's analyst, signed by who shares."""
    shared = decoded(record, RecordKind.SHARED_RELEASE, SharedRelease)
    require_signed_by(record, session.roster.require(shared.analyst, Role.ANALYST))
    require(shared.reader == session.home.name, "POLICY_RECORD_INVALID")
    return shared


def _checked(session: Session, copy: ReleaseCopy, shared: SharedRelease) -> tuple[Asked, Released]:
    """The copy as an entry of the archive, once its receipt holds and is of the request and agreement named."""
    receipt = copy.receipt
    file = wire.encode(sign_receipt(receipt, session.home.signing_key()))
    found = verify_receipt(file, session.home.roots())
    _require_standing(session, found.agreement, shared.agreement_digest)
    same = (
        wire.digest(receipt.round_manifest.request.payload) == shared.request_digest
        and found.request.analyst == shared.analyst
        and wire.digest(receipt.agreement.payload) == shared.agreement_digest
        and len(copy.cells) == receipt.round_manifest.calibration.cells
    )
    require(same, "POLICY_RECORD_INVALID")
    plan = receipt.round_manifest.plan
    try:
        statement, epsilon, delta = copy.statement.decode(), Fraction(copy.epsilon), Fraction(copy.delta)
    except (ValueError, ZeroDivisionError):
        raise Refused("POLICY_RECORD_INVALID") from None
    require(wire.encode(session.prepare(statement, idle=True).plan) == plan, "POLICY_PLAN_DIFFERS")
    submission = Submission(receipt.round_manifest.request, plan, copy.statement)
    asked = Asked(shared.request_digest, submission, receipt.agreement, epsilon, delta, shared.analyst)
    return asked, Released(copy.cells, receipt)


def _require_standing(session: Session, agreement: Agreement, digest: bytes) -> None:
    """Refused POLICY_AGREEMENT_NOT_YET, _EXPIRED or _REVOKED unless the agreement is in force now."""
    require_in_force(agreement, session.clock.now_ms())
    for record in session.describe().revocations:
        if _ends(record, session.roster, agreement, digest):
            raise Refused("POLICY_AGREEMENT_REVOKED")


def _ends(record: SignedRecord, roster: Roster, agreement: Agreement, digest: bytes) -> bool:
    """Whether a record is a valid revocation of this agreement; those of others are no matter here."""
    revocation: Revocation = decoded(record, RecordKind.REVOCATION, Revocation)
    return revocation.agreement_digest == digest and bool(open_revocation(record, roster, agreement))
