"""Calls to the coordinator: one channel over mutual TLS, bytes through wire.py, errors as their codes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from engine.errors import Unavailable, error_for
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import (
    AskMemberJournal,
    AskQueue,
    AskRegister,
    AskShared,
    BodyKind,
    Chosen,
    DescribeFederation,
    FederationDescription,
    Handed,
    JournalPart,
    ListRequests,
    RegisterPart,
    RequestList,
    RequestName,
    RequestQueue,
    RequestStatus,
    ResultBody,
    ResultHead,
    ResultPart,
    SharedList,
    Sharing,
    Submission,
)
from engine.trusted.records import SignedHead, SignedRecord

RECEPTION = "/splittally.v1.Reception/"
PATIENCE_SECONDS = 10.0
FETCH_SECONDS = 300.0
OPTIONS = (
    ("grpc.ssl_target_name_override", "coordinator"),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_CODE = re.compile(r"[A-Z]+(_[A-Z0-9]+)+")
Bodies = dict[tuple[BodyKind, str], bytes]


class Line:
    """The channel of one member's home. Every method raises NODE_UNREACHABLE when nobody answers."""

    def __init__(self, home: Home) -> None:
        tls = home.tls()
        credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
        self._channel = grpc.secure_channel(home.coordinator, credentials, options=OPTIONS)

    def close(self) -> None:
        self._channel.close()

    def describe(self, patience: float | None = None) -> FederationDescription:
        asked = DescribeFederation()
        described: FederationDescription = self._call("Describe", asked, FederationDescription, patience)
        return described

    def submit(self, submission: Submission) -> RequestStatus:
        status: RequestStatus = self._call("Submit", submission, RequestStatus)
        return status

    def choose(self, chosen: Chosen) -> RequestStatus:
        status: RequestStatus = self._call("Choose", chosen, RequestStatus)
        return status

    def requests(self, most: int) -> RequestList:
        listed: RequestList = self._call("List", ListRequests(most), RequestList)
        return listed

    def hand(self, record: SignedRecord) -> Handed:
        """Hands in a signed record; again, it changes nothing."""
        handed: Handed = self._call("Hand", record, Handed)
        return handed

    def queue(self, everything: bool) -> RequestQueue:
        """Requests that wait for the caller; ``everything``: all that it may see."""
        queue: RequestQueue = self._call("Queue", AskQueue(everything), RequestQueue)
        return queue

    def watch(self, request: bytes, seconds: float | None) -> Iterator[RequestStatus]:
        """The status now and after each change; ROUND_PENDING when ``seconds`` are over before the request is."""
        with _codes(late="ROUND_PENDING"):
            for payload in self._channel.unary_stream(RECEPTION + "Watch")(_name(request), timeout=seconds):
                yield wire.decode(RequestStatus, payload)

    def await_ready(self, seconds: float | None) -> None:
        """Returns when the coordinator can be reached (again); at most ``seconds``, or ``PATIENCE_SECONDS``.

        Asked twice if need be: one that is just ending may take the first question with it.
        """
        half = min(seconds or PATIENCE_SECONDS, PATIENCE_SECONDS) / 2
        try:
            self.describe(half)
        except Unavailable:
            self.describe(half)

    def fetch(self, request: bytes, run: int = 0) -> tuple[ResultHead, Bodies]:
        """A released result, 0: of the newest run: its head, the bytes of each vector and each sealed sum of masks."""
        with _codes():
            parts = self._channel.unary_stream(RECEPTION + "Fetch")(_name(request, run), timeout=FETCH_SECONDS)
            return _assemble(wire.decode(ResultPart, payload) for payload in parts)

    def journal(self, member: str) -> tuple[SignedHead, tuple[bytes, ...]]:
        """A member's journal as the coordinator holds it, whole: its signed head and its entries, not verified."""
        entries: list[bytes] = []
        head: SignedHead | None = None
        with _codes():
            asked = wire.encode(AskMemberJournal(member, 0))
            for payload in self._channel.unary_stream(RECEPTION + "Journal")(asked, timeout=FETCH_SECONDS):
                part: JournalPart = wire.decode(JournalPart, payload)
                if part.start != len(entries) or head not in (None, part.head):
                    raise _unfit("parts out of order")
                entries.extend(part.entries)
                head = part.head
        if head is None:
            raise Unavailable("NODE_JOURNAL_NOT_YET", name=member)
        return head, tuple(entries)

    def register(self) -> Iterator[RegisterPart]:
        """What the public register is made from besides the journals, not verified; for auditors and officers."""
        with _codes():
            call = self._channel.unary_stream(RECEPTION + "Register")
            for payload in call(wire.encode(AskRegister()), timeout=FETCH_SECONDS, wait_for_ready=True):
                yield wire.decode(RegisterPart, payload)

    def share(self, sharing: Sharing) -> Handed:
        """Hands in a release that was resealed to another analyst."""
        handed: Handed = self._call("Share", sharing, Handed)
        return handed

    def shared(self, request: bytes) -> SharedList:
        """What other analysts shared with this one, of one request."""
        listed: SharedList = self._call("Shared", AskShared(request), SharedList)
        return listed

    def _call(self, method: str, message: object, answer: type, patience: float | None = None) -> Any:
        with _codes():
            call = self._channel.unary_unary(RECEPTION + method)
            payload = call(wire.encode(message), timeout=patience or PATIENCE_SECONDS, wait_for_ready=True)
            return wire.decode(answer, payload)


def _name(request: bytes, run: int = 0) -> bytes:
    return wire.encode(RequestName(request, run))


def _assemble(parts: Iterator[ResultHead | ResultBody]) -> tuple[ResultHead, Bodies]:
    head: ResultHead | None = None
    bodies: dict[tuple[BodyKind, str], bytearray] = {}
    counts: dict[tuple[BodyKind, str], int] = {}
    for part in parts:
        if isinstance(part, ResultHead):
            if head is not None:
                raise _unfit("two heads")
            head = part
            continue
        key = (part.body_kind, part.sender)
        if part.part != counts.get(key, 0):
            raise _unfit("parts out of order")
        counts[key] = part.part + 1
        bodies.setdefault(key, bytearray()).extend(part.body)
    if head is None:
        raise _unfit("no head")
    return head, {key: bytes(body) for key, body in bodies.items()}


def _unfit(detail: str) -> Unavailable:
    return Unavailable("ROUND_RESULT_INVALID", detail=detail)


@contextmanager
def _codes(late: str = "NODE_UNREACHABLE") -> Iterator[None]:
    """A gRPC failure as the error its code stands for; a library's text goes into ``internal`` only."""
    try:
        yield
    except grpc.RpcError as error:
        details, status = str(error.details() or ""), error.code()
        if _CODE.fullmatch(details):
            raise error_for(details) from None
        code = late if status is grpc.StatusCode.DEADLINE_EXCEEDED else "NODE_UNREACHABLE"
        raise Unavailable(code, internal=f"{status.name}: {details}") from None
