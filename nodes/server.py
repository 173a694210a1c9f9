"""The edge of a node: one stream that it dials to the coordinator, worker threads, and nothing that decides.

Claim: the department opens no port; what is sent is what the spine, the committee's duty and the state machine made;
       logs hold ids and codes only; a long plan delays neither the helper's duty nor a pulse.
Because: the only channel is dialled, over mutual TLS against the federation's authority; plans and other duties run
         in pools of their own; an error is logged by its code, an unforeseen one by its type and place. Records come
         over the stream or, from the department itself, as files in the home's ``inbox``; rulebook.py judges both.
Checked by: tests/nodes/test_server.py::test_node_answers_and_helps_over_a_stream
            tests/nodes/test_server.py::test_no_secret_or_row_value_reaches_the_log
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from traceback import extract_tb

import grpc

from engine.error_codes import CODES
from engine.errors import SplittallyError
from engine.trusted import messages, records, sign, wire
from engine.trusted.home import Tls
from nodes.answer import Node, answer
from nodes.committee import help_answer, ready, remember
from nodes.log import Log
from nodes.manifest import Seat
from nodes.rounds import Duty, Rounds, Task, refusal_ms
from nodes.rulebook import accept
from nodes.spool import Spool
from nodes.witnesses import ALONE, NONCE_BYTES, Vouching, hear, journal_part, testify

METHOD = "/splittally.v1.Federation/Attend"
PLANS_AT_ONCE = 4
BACKOFF_SECONDS = 0.2
BACKOFF_MOST = 20.0
DRAIN_SECONDS = 30.0
FLUSH_SECONDS = 3.0
Outcome = tuple[Iterable[messages.FromNode], float]


def dial(endpoint: str, tls: Tls) -> grpc.Channel:
    """A channel to the coordinator, whose certificate must carry the name ``coordinator``."""
    credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
    options = (
        ("grpc.ssl_target_name_override", "coordinator"),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.enable_retries", 0),
    )
    return grpc.secure_channel(endpoint, credentials, options)


class Server:
    """One member's process: ``node`` is None for a helper without data."""

    def __init__(
        self,
        seat: Seat,
        node: Node | None,
        dialler: Callable[[], grpc.Channel],
        log: Log,
        roots: tuple[records.RootKey, ...] = (),
        spool: Path | None = None,
    ) -> None:
        self._seat, self._node, self._dialler, self._log = replace(seat, unvouched=ALONE), node, dialler, log
        self._roots, self._vouching = roots, Vouching(seat.randomness.bytes(NONCE_BYTES))
        self._rounds = Rounds(seat.name)
        self._spool = Spool(spool, seat.name) if spool else None  # without one, this member helps in no private join
        self._changed = threading.Condition(threading.RLock())
        self._closing = threading.Event()
        self._plans = ThreadPoolExecutor(PLANS_AT_ONCE, "plan")
        self._duties = ThreadPoolExecutor(1, "duty")  # one: a round is remembered before it is helped
        self._line = threading.Thread(target=self._attend, name="line", daemon=True)

    @property
    def alive(self) -> bool:
        """Whether the thread that attends the coordinator still runs."""
        return self._line.is_alive()

    def start(self) -> None:
        self._line.start()

    def collect(self, inbox: Path) -> None:
        """Takes the records that the department put into its node's inbox; refused ones are set aside."""
        for file in sorted(inbox.glob("*.record")):
            try:
                self._take(wire.decode(records.SignedRecord, file.read_bytes()))
                file.unlink()
            except (SplittallyError, OSError) as error:
                self._log.event("record_refused", code=getattr(error, "code", "FILE_HOME_BROKEN"))
                with suppress(OSError):
                    file.rename(file.with_suffix(".refused"))

    def publish(self, node: Node | None) -> None:
        """From now on answers from another node's tables: new snapshots; rounds under way end over the old ones."""
        with self._changed:
            self._node = node
            self._say(self._hello())

    def stop(self) -> None:
        """Takes no new rounds, lets those under way end and leave, then closes the stream."""
        with self._changed:
            self._rounds.drain()
            self._changed.wait_for(lambda: self._rounds.idle, DRAIN_SECONDS)
            self._closing.set()
            self._changed.notify_all()
        self._line.join(FLUSH_SECONDS)
        self._plans.shutdown(wait=False, cancel_futures=True)
        self._duties.shutdown(wait=False, cancel_futures=True)
        self._log.event("stopped")

    def _attend(self) -> None:
        failures = 0
        while not self._closing.is_set():
            over = threading.Event()
            try:
                with self._dialler() as channel:
                    for payload in channel.stream_stream(METHOD)(self._outgoing(over)):
                        failures = 0
                        self._receive(payload)
            except grpc.RpcError as error:
                said = {"code": error.details()} if error.details() in CODES else {}
                self._log.event("line_lost", status=error.code().name, **said)
            except SplittallyError as error:
                self._log.event("line_not_dialled", code=error.code)
            finally:
                over.set()
                with self._changed:
                    self._changed.notify_all()
            self._closing.wait(self._backoff(failures))
            failures += 1

    def _backoff(self, failures: int) -> float:
        """Seconds until the next try: doubling, and between half and all of it."""
        jitter = 0.5 + int.from_bytes(self._seat.randomness.bytes(2), "big") / 131_072
        return jitter * min(BACKOFF_SECONDS * 2.0 ** min(failures, 16), BACKOFF_MOST)

    def _outgoing(self, over: threading.Event) -> Iterator[bytes]:
        yield wire.encode(self._hello(), messages.FromNode)
        if self._seat.unvouched:
            yield wire.encode(messages.SeekWitnesses(self._vouching.nonce), messages.FromNode)
        while True:
            with self._changed:
                burst = self._next_burst(over)
            if burst is None:
                return
            for message in burst:
                yield wire.encode(message, messages.FromNode)

    def _next_burst(self, over: threading.Event) -> Iterable[messages.FromNode] | None:
        """Waits for the next due messages; None when the stream is over. Called with the lock held."""
        while not over.is_set():
            now = self._seat.clock.monotonic_ms()
            burst, due = self._rounds.due(now), self._rounds.next_due
            if burst or self._rounds.idle:
                self._changed.notify_all()
            if burst:
                return burst
            if self._closing.is_set():
                return None
            self._changed.wait(None if due is None else max(due - now, 0.0) / 1e3)
        return None

    def _hello(self) -> messages.Hello:
        seat = self._seat
        snapshots: tuple[records.SnapshotRef, ...] = self._node.tables.refs() if self._node else ()
        head, closed = sign.sign_head(seat.ledger.head(), seat.keys.signing), bool(seat.unvouched or seat.paused)
        epoch = seat.roster.manifest.epoch
        return messages.Hello(messages.MESSAGE_VERSION, seat.name, epoch, snapshots, head, seat.guardians, closed)

    def _receive(self, payload: bytes) -> None:
        try:
            message: messages.ToNode = wire.decode(messages.ToNode, payload)
            match message:
                case messages.Welcome():
                    self._log.event("attending", epoch=str(message.epoch))
                case records.SignedRecord():
                    self._take(message)
                case messages.Relay():
                    self._keep(message)
                case messages.AskWitness():
                    self._say(testify(message, self._seat))
                case messages.AskJournal() if self._rounds.has_room:
                    self._say(journal_part(message, self._seat))
                case _:
                    self._begin(message)
        except SplittallyError as error:
            self._log.event("message_refused", code=error.code)
        except Exception as error:  # whatever one message does, the line goes on
            self._log.event("message_failed", kind=type(error).__name__)

    def _begin(self, message: messages.ToNode) -> None:
        clock = self._seat.clock
        with self._changed:
            tasks = self._rounds.receive(message, clock.now_ms(), clock.monotonic_ms())
            self._tidy()
            self._changed.notify_all()
        for task in tasks:
            long = task.duty is Duty.ANSWER or (task.duty is Duty.HELP and self._rounds.joins(task.round))
            pool = self._plans if long else self._duties
            pool.submit(self._perform, task).add_done_callback(partial(self._finish, task))

    def _keep(self, relay: messages.Relay) -> None:
        """Spools a sealed part of a private join, on the line's own thread: a slow disk holds up the sender."""
        with self._changed:
            most = self._rounds.spooled_bytes(relay.round, relay.sender)
            if self._spool and relay.receiver == self._seat.name:
                self._spool.add(relay, most)

    def _tidy(self) -> None:
        """Forgets the streams of rounds that are no longer open. Called with the lock held."""
        if self._spool:
            self._spool.keep(self._rounds.open)

    def _say(self, message: messages.FromNode) -> None:
        with self._changed:
            self._rounds.say(message, self._seat.clock.monotonic_ms())
            self._changed.notify_all()

    def _take(self, record: records.SignedRecord) -> None:
        """A governance record: kept and obeyed at once, or refused. Open rounds that it ends are dropped unsent."""
        with self._changed:
            before = self._seat
            if record.kind is records.RecordKind.WITNESS:
                self._vouching, self._seat = hear(record, self._vouching, before)
            else:
                self._seat = accept(record, self._roots, before)
            end = partial(_end_of, self._seat, self._seat.roster is not before.roster)
            self._rounds.drop(end, before.clock.monotonic_ms())
            self._tidy()
            if self._seat is not before:
                self._say(self._hello())
        self._log.event("record_taken", kind=record.kind.name.lower(), closed=self._seat.unvouched)

    def _perform(self, task: Task) -> Outcome:
        now = self._seat.clock.monotonic_ms()
        match task.duty, task.ask:
            case Duty.READY, messages.AskReady() as ask:
                return (ready(ask, self._seat, self._node.sampler if self._node else None),), now
            case Duty.HELP, messages.AskAnswer() as ask:
                held, spool = self._rounds.remembered(task.round), self._spool
                streams = {name: spool.relays(task.round, name) for name in held.round.nodes} if spool else {}
                given = help_answer(ask, held, self._seat, streams)
                return (*_parts(messages.AnswerPart, task.round, given.sealed), given.answer), now
            case Duty.REMEMBER, None:
                self._rounds.remember(remember(task.arrival, self._seat))
                return (), now
            case _ if self._node is not None:
                reply = answer(task.arrival, replace(self._node, seat=self._seat))
                parts = _parts(messages.VectorPart, task.round, reply.vector)
                return chain(reply.relays, parts, (reply.shares,)), reply.leave_ms
        return (messages.RoundRefusal(task.round, "ROUND_NOT_FOR_ME"),), now

    def _finish(self, task: Task, done: Future[Outcome]) -> None:
        ids = {"duty": task.duty.name.lower(), "round": task.round.hex()}
        error = done.exception()
        if error is None:
            said, leave = done.result()
            self._log.event("done", **ids)
        elif isinstance(error, SplittallyError):
            said, leave = (_refusal(task.round, error),), refusal_ms(task.arrival, self._seat)
            self._log.event("refused", code=error.code, about=error.facts.get("name", "")[:64], **ids)
        else:
            said, leave = (messages.RoundRefusal(task.round, "NODE_FAILED"),), refusal_ms(task.arrival, self._seat)
            place = extract_tb(error.__traceback__)[-1]
            self._log.event("failed", kind=type(error).__name__, at=f"{place.name}:{place.lineno}", **ids)
        with self._changed:
            self._rounds.finished(task, said, leave)
            self._changed.notify_all()


def _parts(
    kind: type[messages.VectorPart] | type[messages.AnswerPart], round_: bytes, body: bytes
) -> Iterator[messages.FromNode]:
    for part, start in enumerate(range(0, len(body), messages.PART_BYTES)):
        yield kind(round_, part, body[start : start + messages.PART_BYTES])


def _end_of(seat: Seat, other_epoch: bool, agreement_digest: bytes) -> str:
    """The code that ends an open round under an agreement, or empty."""
    try:
        seat.require_open(agreement_digest)
    except SplittallyError as error:
        return error.code
    return "POLICY_EPOCH_DIFFERS" if other_epoch else ""


def _refusal(round_: bytes, error: SplittallyError) -> messages.RoundRefusal:
    """A code; of a spent budget also whose it is and when it is filled up again, which the charges alone decide."""
    if error.code != "BUDGET_EXHAUSTED":
        return messages.RoundRefusal(round_, error.code)
    account = f"{error.facts['scope']} {error.facts['name']}"
    return messages.RoundRefusal(round_, error.code, int(error.facts["refreshes_ms"]), account)
