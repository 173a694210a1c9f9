"""Doubles of the five members of a private join: real keys, signatures, seals and streams; the product is known.

Owners are east (pay) and west (births), helpers are three or four others. An owner streams what it is told to, sealed,
and commits to it; a helper answers only if it was given every piece, in order, before it was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.governance.agreement import default_agreement, install_agreement, sign_agreement
from engine.governance.federation import Federation, found
from engine.trusted import ring, wire
from engine.trusted.catalogue import Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.mask import answer_info, seed_info
from engine.trusted.messages import (
    PART_BYTES,
    AnswerPart,
    AnswerSet,
    AskAnswer,
    AskReady,
    Commitment,
    FromNode,
    OpenRound,
    Relay,
    RoundRefusal,
    ShareSet,
    Submission,
    ToNode,
    VectorPart,
)
from engine.trusted.plan import (
    Aggregate,
    ColumnRef,
    GroupingSet,
    Key,
    Literal,
    Measure,
    Plan,
    PrivateJoin,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.random import SystemRandomness
from engine.trusted.records import (
    HelperAnswer,
    JournalKind,
    Loss,
    Operation,
    Ready,
    RecordKind,
    Request,
    RoundManifest,
    Share,
    SignedRecord,
)
from engine.trusted.seal import seal
from engine.trusted.sign import open_share, signed
from tests.coordinator.members import Double, submission_of

OWNERS = {"east": "pay", "west": "births"}
CELLS = (3, 41, 500, 0)  # region x sex
REGIONS, SEXES = ("N", "S"), ("F", "M")


def catalogue() -> Catalogue:
    def dataset(name: str, host: str, person: str, column: str, domain: tuple[str, ...]) -> Dataset:
        unit = PersonUnit(person, "nino", IdentifierForm.AS_IS)
        columns = (Column(person, Type.TEXT), Column(column, Type.TEXT, domain=domain))
        return Dataset(name, "", "", (host,), unit, 1, 1, 1, name, 10_000, 10_000, columns)

    pay = dataset("pay", "east", "worker", "region", REGIONS)
    return Catalogue(1, "test", (pay, dataset("births", "west", "born", "sex", SEXES)))


def make_join_federation(directory: Path, helpers: int = 3) -> Federation:
    clock = SystemClock()
    made = found(directory, catalogue(), clock=clock, randomness=SystemRandomness(), helpers=helpers)
    agreement = default_agreement(made.manifest, clock, per_plan=Loss(10**9, 10**12), operations=tuple(Operation))
    signers = ["policy", *(f"guardian-{owner}" for owner in OWNERS)]
    record = sign_agreement(agreement, *(Home.load(made.home(s)) for s in signers))
    install_agreement(record, [Home.load(made.home(n)) for n in ("coordinator", *made.processes)])
    return made


def join_plan(published: Catalogue) -> Plan:
    """SELECT region, sex, COUNT(*) FROM pay JOIN births ON worker = born GROUP BY region, sex."""
    keys = tuple(
        Key(ColumnRef(column), tuple(Literal(Type.TEXT, value) for value in domain))
        for column, domain in (("region", REGIONS), ("sex", SEXES))
    )
    both = PrivateJoin(Scan("pay"), Scan("births"))
    aggregate = Aggregate(both, keys, (GroupingSet((0, 1)),), (Measure(Statistic.COUNT_ROWS),))
    return Plan(1, wire.digest(wire.encode(published)), aggregate)


def join_submission(made: Federation, **changes: object) -> Submission:
    plan = wire.encode(join_plan(made.manifest.catalogue))
    statement = b"SELECT region, sex, COUNT(*) AS n FROM pay JOIN births ON worker = born GROUP BY 1, 2"
    return submission_of(made, plan, statement, **{"loss": Loss(20_000_000, 10**9), **changes})


class Joiner(Double):
    """One of the five. ``pieces``: what an owner streams to each helper, and how long each is.

    Faults besides those of a Double: "keyless" (it has lost the keys of its *ready*), "other round" and "other owner"
    (of its commitment), "junk" (for a commitment), "forged pair" (it streams as the other owner, to the analyst, and to
    the other owner), "endless" (a piece that is too long), "half" (it stops in the middle of its stream), "holds" (a
    helper that is asked and says nothing).
    """

    pieces, piece_bytes = 5, 1_000

    def __init__(self, federation: Federation, name: str) -> None:
        super().__init__(federation, name, (1,) if name in OWNERS else ())
        self.got: dict[tuple[bytes, str], list[Relay]] = {}

    def hello(self):  # type: ignore[no-untyped-def]
        hello = super().hello()
        snapshots = tuple(replace(ref, dataset=OWNERS[self.name]) for ref in hello.snapshots)
        return replace(hello, snapshots=snapshots)

    def answer(self, message: ToNode) -> list[FromNode]:
        match message:
            case Relay():
                self.got.setdefault((message.round, message.sender), []).append(message)
                return []
            case OpenRound() if "keyless" in self.faults:
                return [RoundRefusal(wire.digest(message.manifest), "ROUND_READY_STALE")]
            case AskAnswer() if "holds" in self.faults:
                return []
            case AskReady() if "declines" in self.faults:
                return [RoundRefusal(message.request_digest, "NODE_CLOSING")]
            case AskReady():
                assert message.joins is not None
                (record,) = super().answer(message) or [None]
                if record is None:
                    return []
                assert isinstance(record, SignedRecord)
                ready: Ready = wire.decode(Ready, record.payload)
                ready = replace(ready, join_key=bytes(32), sealed_dummies=b"x" if self.counts else b"")
                return [signed(RecordKind.READY, wire.encode(ready), self.key)]
        return super().answer(message)

    # -- an owner

    def _reply(self, round_: bytes, manifest: RoundManifest) -> list[FromNode]:
        return [*self._stream(round_, manifest.helpers), *self._commit(round_, manifest)]

    def _stream(self, round_: bytes, helpers: tuple[str, ...]) -> Iterator[Relay]:
        other = next(owner for owner in OWNERS if owner != self.name)
        if "forged pair" in self.faults:
            yield Relay(round_, other, helpers[0], 0, False, b"as the other")
            yield Relay(round_, self.name, "analyst", 0, False, b"to the analyst")
            yield Relay(round_, self.name, other, 0, False, b"to the other")
        if "endless" in self.faults:
            yield Relay(round_, self.name, helpers[0], 0, False, bytes(PART_BYTES + 1))
        for sequence in range(self.pieces):
            for helper in helpers:
                body = bytes([sequence]) * self.piece_bytes
                sealed = seal(body, self.roster.member(helper).sealing_key, self.name.encode())
                yield Relay(round_, self.name, helper, sequence, sequence == self.pieces - 1, sealed)
            if "half" in self.faults:
                return

    def _commit(self, round_: bytes, manifest: RoundManifest) -> list[FromNode]:
        about = bytes(32) if "other round" in self.faults else round_
        owner = "north" if "other owner" in self.faults else self.name
        found = Commitment(about, owner, 1_000, 3, b"p" * 32, b"t" * 32, (b"1" * 32, b"2" * 32), (b"e" * 32,) * 3)
        body = b"\xff" * 99 if "junk" in self.faults else wire.encode(found)
        digest = wire.digest(body + b"!" if "wrong digest" in self.faults else body)
        request: Request = wire.decode(Request, manifest.request.payload)
        said = {"round": round_, "request_digest": wire.digest(manifest.request.payload), "analyst": request.analyst}
        said |= {"plan_digest": request.plan_digest, "agreement_digest": request.agreement_digest}
        at, head = self.note(JournalKind.CHARGED, loss=request.loss, **said), self.head
        shares = []
        for member in (request.analyst, *manifest.helpers):
            key = self.roster.member(member).sealing_key
            sealed = b"" if member == request.analyst else seal(bytes(96), key, seed_info(round_, self.name, member))
            shares.append(self._signed(Share(round_, self.name, member, sealed, digest, head)))
        grown, charge = self._prove(manifest, at, head)
        self.note(JournalKind.REPLIED, **said)
        return [
            VectorPart(round_, 0, body),
            ShareSet(round_, tuple(shares), 1, 1, grown[: len(manifest.helpers)], charge),
        ]

    # -- a helper

    def _help(self, ask: AskAnswer) -> list[FromNode]:
        manifest: RoundManifest = wire.decode(RoundManifest, self.manifest)
        assert wire.digest(self.manifest) == ask.round
        owners = tuple(p.node for p in manifest.participants)
        for owner in owners:
            held = self.got.get((ask.round, owner), [])
            whole = [r.sequence for r in held] == list(range(len(held))) and [r.last for r in held[-1:]] == [True]
            if not whole:
                return [RoundRefusal(ask.round, "ROUND_SHARE_INVALID")]
            opened = (self.sealing.open(r.sealed, owner.encode()) for r in held)
            assert [body[0] for body in opened] == list(range(len(held)))
        for record in ask.shares:
            share = open_share(record, self.roster)
            assert share.member == self.name
            self._hold(share.head, next((p for p in ask.proofs if p.node == share.node), None))
        request: Request = wire.decode(Request, manifest.request.payload)
        sealed = seal(
            ring.to_bytes(self._part(ask.round, manifest)), request.sealing_key, answer_info(ask.round, self.name)
        )
        self.note(JournalKind.ANSWERED_AS_HELPER, round=ask.round, survivors=owners)
        answer = HelperAnswer(ask.round, self.name, owners, wire.digest(sealed), self.head)
        record = signed(RecordKind.HELPER_ANSWER, wire.encode(answer), self.key)
        return [AnswerPart(ask.round, 0, sealed), AnswerSet(ask.round, record, 1)]

    def _part(self, round_: bytes, manifest: RoundManifest) -> ring.Vector:
        """Its part of the known product: the first two are drawn from the round, the third is what is left."""
        unit, place = manifest.calibration.multipliers[0], manifest.helpers.index(self.name)
        draws = np.random.Generator(np.random.PCG64(int.from_bytes(round_, "big")))
        parts = draws.integers(0, 1 << 64, (2, len(CELLS) + 1), dtype=np.uint64)
        if place < 2:
            return parts[place]
        truth = ring.from_integers([*(unit * cell for cell in CELLS), 3 if "wrong check" in self.faults else 2])
        return ring.subtract(ring.subtract(truth, parts[0]), parts[1])


def joiners(made: Federation) -> dict[str, Joiner]:
    return {name: Joiner(made, name) for name in made.processes}
