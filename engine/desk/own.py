"""An analyst's own requests as pages show them: what was asked, how far it is, and the files of a release."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from engine.client.archive import Asked
from engine.client.open_result import require_sound
from engine.client.own_crate import crate_archive
from engine.client.publish import Written, headers, written
from engine.client.receipts import Verified, sign_receipt, verify_receipt
from engine.client.release import Release
from engine.client.session import Session, digest_of
from engine.desk.desk import Desk
from engine.errors import Unavailable, require
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.messages import RequestState, RequestStatus
from engine.trusted.records import Agreement, Loss, Request
from engine.trusted.sign import open_agreement

DIGEST_BYTES = 32
MOST = 1_000
STEPS = ("submitted", "approved", "running", "released")
AT_STEP = {
    RequestState.DRAFTED: 0,
    RequestState.SUBMITTED: 0,
    RequestState.WAITING: 0,
    RequestState.APPROVED_STATE: 1,
    RequestState.RUNNING: 2,
    RequestState.RELEASED: 3,
}


@dataclass(frozen=True, slots=True)
class Own:
    """``asked`` None: another process of this analyst asked it, from another home. ``loss``: of one attempt."""

    digest: bytes
    status: RequestStatus | None
    asked: Asked | None
    request: Request | None = None
    agreement: Agreement | None = None

    @property
    def sql(self) -> str:
        return self.asked.submission.statement.decode("utf-8", "replace") if self.asked else ""

    @property
    def loss(self) -> Loss | None:
        return add_loss(self.request.loss, self.request.selection or Loss(0, 0)) if self.request else None

    @property
    def released(self) -> bool:
        return self.status is not None and self.status.state is RequestState.RELEASED

    @property
    def under_way(self) -> bool:
        """It may still change."""
        return self.status is not None and self.status.state in AT_STEP and not self.released

    def awaits(self, name: str) -> bool:
        """Whether it waits for somebody; for its own analyst: to choose keys between its two phases."""
        status = self.status
        return status is not None and status.state is RequestState.WAITING and name in status.waiting_for

    @property
    def step(self) -> int | None:
        """How far it is in ``STEPS``; None for one that ended before."""
        return AT_STEP.get(self.status.state) if self.status else None


def request_digest(request: str) -> bytes:
    """Of an address; Refused POLICY_REQUEST_UNKNOWN for what is no whole request id."""
    digest = digest_of(request)
    require(len(digest) == DIGEST_BYTES, "POLICY_REQUEST_UNKNOWN")
    return digest


def own(session: Session, digest: bytes, status: RequestStatus | None) -> Own:
    if not session.archive.holds(digest):
        return Own(digest, status, None)
    asked = session.archive.asked(digest)
    request: Request = wire.decode(Request, asked.submission.request.payload)
    agreement: Agreement = wire.decode(Agreement, asked.agreement.payload)
    return Own(digest, status, asked, request, agreement)


def find(desk: Desk, request: str) -> Own:
    """One request, with its status if the coordinator answers; or one that another analyst shared, which is then kept
    here. Refused POLICY_REQUEST_UNKNOWN if nobody knows it."""
    digest, session = request_digest(request), desk.session()
    try:
        desk.describe()
        status = next((s for s in session.requests(MOST) if s.request_digest == digest), None)
    except Unavailable:
        status = None
    found = own(session, digest, status)
    if found.asked is None and status is None:
        session.result(request, choose=False)
        return own(session, digest, None)
    return found


def newest(desk: Desk, most: int) -> tuple[Own, ...]:
    """The newest requests. Unavailable NODE_UNREACHABLE."""
    desk.describe()
    session = desk.session()
    return tuple(own(session, status.request_digest, status) for status in session.requests(most))


def result(session: Session, request: str, run: int, sql: str = "") -> Release:
    """The release of a request; ``sql``: another statement of the same plan, whose names, HAVING, ORDER BY and LIMIT
    hold then. Raises what ``Session.result`` raises, and Refused for a statement of another plan."""
    release, digest = session.result(request, run, choose=False), request_digest(request)
    kept = session.archive.released(digest, release.run)
    if not sql or kept is None:
        return release
    return session.release(session.archive.asked(digest), kept, session.prepare(sql), repeated=True)


# -- files of a release


@dataclass(frozen=True, slots=True)
class Kit:
    """A release and what its files are made from; the receipt was verified when it was put together."""

    release: Release
    files: Written
    receipt: bytes
    proof: Verified
    name: str
    now_ms: int


def kit(desk: Desk, request: str, title: str, run: int = 0, sql: str = "") -> Kit:
    """Raises what ``Session.result`` raises, and Refused for a receipt that does not hold."""
    session, digest = desk.session(), request_digest(request)
    release = result(session, request, run, sql)
    kept = session.archive.released(digest, release.run)
    require_sound(kept is not None, "its receipt is not kept here")
    assert kept is not None  # noqa: S101
    key, now = desk.home.signing_key(), desk.clock.now_ms()
    receipt = wire.encode(sign_receipt(kept.receipt, key))
    agreement = open_agreement(session.archive.asked(digest).agreement, session.roster)
    name = f"release-{request[:12]}" + (f"-run-{release.run}" if release.run > 1 else "")
    files = written(release, agreement, title, name, desk.home.name, now)
    return Kit(release, files, receipt, verify_receipt(receipt, desk.home.roots()), name, now)


def parquet(release: Release) -> bytes:
    """The answer as Parquet, each figure with the ends of its 95 % interval beside it."""
    import pyarrow
    from pyarrow import parquet as files

    table, columns, fields = release.table, [], []
    for header, name, end in headers(release):
        field = table.schema.field(name).with_name(header)
        if end is None:
            columns.append(table.column(name))
        else:
            ends = [float(row[name][end]) if name in row else None for row in release.intervals]
            field = field.with_type(pyarrow.float64())
            columns.append(pyarrow.array(ends, pyarrow.float64()))
        fields.append(field)
    known = {"request": release.request_id, "epsilon": str(release.epsilon), "delta": str(release.delta)}
    made = pyarrow.Table.from_arrays(columns, schema=pyarrow.schema(fields, known))
    body = io.BytesIO()
    files.write_table(made, body)
    return body.getvalue()


FILES: dict[str, tuple[str, str, str, Callable[[Kit], bytes]]] = {  # kind -> what it is, ending, media type, body
    "csv": ("CSV, for spreadsheets", ".csv", "text/csv; charset=utf-8", lambda k: k.files.csv),
    "csvw": (
        "Its description (CSV on the Web)",
        ".csv-metadata.json",
        "application/csvm+json",
        lambda k: k.files.metadata,
    ),
    "parquet": ("Parquet, for data tools", ".parquet", "application/vnd.apache.parquet", lambda k: parquet(k.release)),
    "receipt": (
        "Receipt: the proof that anybody can check",
        ".receipt",
        "application/octet-stream",
        lambda k: k.receipt,
    ),
    "crate": (
        "Five Safes RO-Crate: all of it, with who, why and how",
        ".zip",
        "application/zip",
        lambda k: crate_archive(k.proof, k.files, k.name, k.receipt, k.now_ms),
    ),
}
