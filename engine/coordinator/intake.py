"""What the members of one round send, checked and put together before the round hears of it.

A vector or a sum of masks arrives in parts, then the signed records that vouch for it. Only a complete set whose
signatures, addressees, lengths and digests are right becomes an event; anything else becomes a refusal of the sender.
In a private join the vector is the owner's commitment; what it commits to goes to the helpers as relays, unread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.coordinator.combine import WORD_BYTES, Combination
from engine.coordinator.events import Answered, Declined, Event, Readied, Shared, Unready
from engine.coordinator.store import Result
from engine.errors import Refused
from engine.trusted import wire
from engine.trusted.messages import (
    PART_BYTES,
    AnswerPart,
    AnswerSet,
    AskAnswer,
    BodyKind,
    Commitment,
    ConsistencyProof,
    FromNode,
    OpenRound,
    Relay,
    ResultHead,
    RoundRefusal,
    ShareSet,
    VectorPart,
)
from engine.trusted.records import RoundManifest, Share, SignedRecord
from engine.trusted.selection import LIST_BYTES
from engine.trusted.sign import Roster, open_answer, open_ready, open_share

SEAL_BYTES = 48
MOST_LIST_BYTES = 2 * LIST_BYTES + SEAL_BYTES
MOST_COMMITMENT_BYTES = 4096
ACCOUNT_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Frame:
    """What is fixed when a round opens: its id, its exact bytes and what they say, its committee, analyst first.

    ``sealed_keys``: of a second phase, by node; ``names_keys``: a first phase, whose vectors are sealed lists;
    ``joins``: a private join, whose vectors are commitments.
    """

    round: bytes
    payload: bytes
    manifest: RoundManifest
    committee: tuple[str, ...]
    sealed_keys: Mapping[str, bytes] = field(default_factory=dict)
    names_keys: bool = False
    joins: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """Those who are sent the round: participants, and helpers that are not among them."""
        nodes = tuple(p.node for p in self.manifest.participants)
        return tuple(dict.fromkeys((*nodes, *(() if self.names_keys else self.manifest.helpers))))

    def opening(self, member: str) -> OpenRound:
        """The message that opens the round at one member."""
        return OpenRound(self.payload, self.sealed_keys.get(member, b""))

    @property
    def voucher(self) -> tuple[str, ...]:
        """Those whom a node's shares are for."""
        return self.committee[:1] if self.names_keys else self.committee

    @property
    def answer_bytes(self) -> int:
        """The length of what a helper seals to the analyst: all cells, and the check cell."""
        return WORD_BYTES * (self.manifest.calibration.cells + 1)

    @property
    def vector_bytes(self) -> int | None:
        """The length of a masked vector; None for a sealed list and a commitment."""
        return None if self.names_keys or self.joins else self.answer_bytes

    @property
    def most_bytes(self) -> int:
        """The most that may come in a vector's place."""
        return self.vector_bytes or (MOST_LIST_BYTES if self.names_keys else MOST_COMMITMENT_BYTES)


class _Parts:
    """One sender's parts, in order, of at most ``limit`` bytes in all."""

    def __init__(self, limit: int) -> None:
        self.limit, self.count, self.body = limit, 0, bytearray()

    def add(self, part: int, body: bytes) -> None:
        if part == 0:
            self.count, self.body = 0, bytearray()
        if part != self.count or len(self.body) + len(body) > self.limit:
            raise Refused("POLICY_WIRE_INVALID", internal="parts out of order or too long")
        self.count += 1
        self.body += body


class Intake:
    """The listener of one round. ``post`` is told each event; ``carry`` is given each relay with its request's
    digest, and waits until there is room for it. ``take`` may be called from many threads."""

    def __init__(
        self, frame: Frame, roster: Roster, post: Callable[[Event], None], carry: Callable[[bytes, Relay], None]
    ) -> None:
        manifest = frame.manifest
        self.frame, self._roster, self._post, self._carry = frame, roster, post, carry
        self._request = wire.digest(manifest.request.payload)
        self._vectors: dict[str, _Parts] = {p.node: _Parts(frame.most_bytes) for p in manifest.participants}
        self._masks: dict[str, _Parts] = {h: _Parts(frame.answer_bytes + SEAL_BYTES) for h in manifest.helpers}
        self._sets: dict[str, ShareSet] = {}
        self._complete: dict[str, bytes] = {}
        self._combination = Combination(frame.vector_bytes, len(manifest.participants))
        self._answers: dict[str, tuple[SignedRecord, bytes]] = {}
        self._survivors: tuple[str, ...] = ()
        self.refusals: dict[str, RoundRefusal] = {}

    def words_of(self, code: str) -> dict[str, str | int]:
        """What the first node that refused with ``code`` said of a spent budget: for the request's status."""
        for node in (p.node for p in self.frame.manifest.participants):
            said = self.refusals.get(node)
            if said is not None and said.code == code and said.account:
                account = "".join(c for c in said.account if c.isprintable())[:ACCOUNT_LENGTH]
                return {"account": f"{account} at {node}", "refreshes_ms": said.refreshes_ms}
        return {}

    def keep(self, node: str) -> None:
        """The node's vector counts."""
        self._combination.add(node, self._complete.pop(node))

    def fix(self, survivors: tuple[str, ...]) -> None:
        """From now on answers over these survivors, and no others, are taken."""
        self._survivors = survivors

    def ask(self, helper: str) -> AskAnswer:
        """What a helper is asked, over the survivors."""
        return AskAnswer(self.frame.round, self.shares_for(helper), self._proofs_for(helper))

    def _proofs_for(self, helper: str) -> tuple[ConsistencyProof, ...]:
        """From each survivor, that its head extends the one that this helper holds of it; none where none was sent."""
        place = self.frame.manifest.helpers.index(helper)
        return tuple(self._sets[node].proofs[place] for node in self._survivors if self._sets[node].proofs)

    def shares_for(self, member: str) -> tuple[SignedRecord, ...]:
        """One share a survivor, addressed to one member of the committee."""
        place = self.frame.committee.index(member)
        return tuple(self._sets[node].shares[place] for node in self._survivors)

    def result(self, survivors: tuple[str, ...]) -> Result:
        """What the analyst opens, once every helper has answered; of a first phase, the nodes' lists."""
        self._survivors = survivors
        helpers = () if self.frame.names_keys else self.frame.manifest.helpers
        answers = [(helper, *self._answers[helper]) for helper in helpers]
        records = tuple(record for _, record, _ in answers)
        shares = self.shares_for(self.frame.committee[0])
        charges = tuple(p for node in self._survivors if (p := self._sets[node].charge) is not None)
        head = ResultHead(self.frame.payload, self._survivors, shares, records, self._combination.summed, charges)
        masks = tuple((BodyKind.SEALED_MASKS, helper, sealed) for helper, _, sealed in answers)
        return Result(head, (*self._combination.bodies(self._survivors), *masks))

    def take(self, sender: str, message: FromNode) -> None:
        attempt = self.frame.manifest.attempt
        try:
            match message:
                case RoundRefusal():
                    self.refusals[sender] = message
                    self._post(Declined(attempt, sender, message.code))
                case Relay() if self._is_carried(sender, message):
                    self._carry(self._request, message)
                case VectorPart() if sender in self._vectors and sender not in self._sets:
                    self._vectors[sender].add(message.part, message.body)
                case AnswerPart() if sender in self._masks and sender not in self._answers:
                    self._masks[sender].add(message.part, message.body)
                case ShareSet() if sender in self._vectors:
                    self._post(self._share(sender, message))
                case AnswerSet() if sender in self._masks and sender not in self._answers:
                    self._answers[sender] = self._check_answer(sender, message)
                    self._post(Answered(attempt, sender))
        except Refused:
            spoilt = "ROUND_ANSWER_INVALID" if isinstance(message, AnswerPart | AnswerSet) else "ROUND_SHARE_INVALID"
            self._post(Declined(attempt, sender, spoilt))

    def _is_carried(self, sender: str, relay: Relay) -> bool:
        """Whether it goes from an owner, before its shares vouch for all of it, to a helper; else it is dropped."""
        pair = relay.sender == sender and relay.receiver in self._masks
        if not (self.frame.joins and pair and sender in self._vectors and sender not in self._sets):
            return False
        if len(relay.sealed) > PART_BYTES:
            raise Refused("POLICY_WIRE_INVALID", internal="a relay that is too long")
        return True

    def _share(self, sender: str, message: ShareSet) -> Shared:
        event = Shared(self.frame.manifest.attempt, sender, wire.digest(wire.encode(message)))
        if sender not in self._sets:
            vector = bytes(self._vectors[sender].body)
            self._check_share(sender, message, vector)
            self._vectors[sender] = _Parts(0)
            self._complete[sender], self._sets[sender] = vector, message
        return event

    def _check_share(self, sender: str, message: ShareSet, vector: bytes) -> None:
        committee, digest = self.frame.voucher, wire.digest(vector)
        shares: list[Share] = [open_share(record, self._roster) for record in message.shares]
        sound = (
            len(vector) == (self.frame.vector_bytes or len(vector))
            and (not self.frame.joins or self._commits(sender, vector))
            and message.parts == self._vectors[sender].count
            and message.phase == self.frame.manifest.phase
            and tuple(s.member for s in shares) == committee
            and len(message.proofs) in (0, len(self.frame.manifest.helpers))
            and all(proof.node == sender for proof in message.proofs)
            and all((s.round, s.node, s.vector_digest) == (self.frame.round, sender, digest) for s in shares)
        )
        if not sound:
            raise Refused("POLICY_RECORD_INVALID")

    def _commits(self, owner: str, vector: bytes) -> bool:
        commitment: Commitment = wire.decode(Commitment, vector)
        return (commitment.round, commitment.owner) == (self.frame.round, owner)

    def _check_answer(self, sender: str, message: AnswerSet) -> tuple[SignedRecord, bytes]:
        sealed = bytes(self._masks[sender].body)
        answer = open_answer(message.answer, self._roster)
        sound = (
            (answer.round, answer.helper, answer.survivors) == (self.frame.round, sender, self._survivors)
            and answer.sealed_digest == wire.digest(sealed)
            and message.parts == self._masks[sender].count
        )
        if not sound or not self._survivors:
            raise Refused("POLICY_RECORD_INVALID")
        return message.answer, sealed


class Readies:
    """The listener of one request: which helpers, and owners, said, signed, that they would serve it."""

    def __init__(self, request: bytes, roster: Roster, post: Callable[[Event], None]) -> None:
        self._request, self._roster, self._post = request, roster, post
        self.attempt = 0  # rounds opened for the request so far
        self.records: dict[str, SignedRecord] = {}

    def take(self, sender: str, message: FromNode) -> None:
        try:
            if isinstance(message, RoundRefusal):
                self._post(Unready(sender, message.code))
            elif isinstance(message, SignedRecord):
                ready = open_ready(message, self._roster)
                if (ready.member, ready.request_digest) != (sender, self._request):
                    raise Refused("POLICY_RECORD_INVALID")
                self.records[sender] = message
                self._post(Readied(sender))
        except Refused as refused:
            self._post(Unready(sender, refused.code))
