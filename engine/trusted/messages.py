"""Messages between machines. Bulk travels in parts, before the message that vouches for it.

Generated from node.proto and coordinator.proto by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from engine.trusted.records import InclusionProof, Loss, Participant, Receipt, SignedHead, SignedRecord, SnapshotRef

MESSAGE_VERSION = 1
PART_BYTES = 1 << 20
FORWARD_BYTES = 8 << 20  # masked vectors of a round are forwarded one by one up to so many bytes in all


@dataclass(frozen=True, slots=True)
class Hello:
    version: int
    node: str
    epoch: int
    snapshots: tuple[SnapshotRef, ...]
    head: SignedHead
    guardians: int = 0  # approvals it wants for each plan; 0: inside an agreement, none
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Welcome:
    version: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Pulse:
    at_ms: int


@dataclass(frozen=True, slots=True)
class AskReady:
    request_digest: bytes
    participants: tuple[str, ...]
    joins: Loss | None = None  # private join: the price signed for; owners are asked too


@dataclass(frozen=True, slots=True)
class OpenRound:
    manifest: bytes  # the exact bytes; round = SHA-256 of them
    sealed_keys: bytes = b""  # second phase: the KeyList, sealed by the analyst to this node


@dataclass(frozen=True, slots=True)
class CloseRound:
    round: bytes


@dataclass(frozen=True, slots=True)
class VectorPart:
    """At most 1 MiB of a vector, in order."""

    round: bytes
    part: int
    body: bytes


@dataclass(frozen=True, slots=True)
class ShareSet:
    round: bytes
    shares: tuple[SignedRecord, ...]  # kind SHARE, one a committee member, analyst first
    parts: int
    phase: int
    proofs: tuple[ConsistencyProof, ...] = ()  # one a helper of the round: from the head it holds to that of the shares
    charge: InclusionProof | None = None  # of the round's charge, under the head of the shares


@dataclass(frozen=True, slots=True)
class AskAnswer:
    round: bytes
    shares: tuple[SignedRecord, ...]  # one a survivor, addressed to this helper
    proofs: tuple[ConsistencyProof, ...]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    node: str
    old_size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AnswerPart:
    round: bytes
    part: int
    body: bytes


@dataclass(frozen=True, slots=True)
class AnswerSet:
    round: bytes
    answer: SignedRecord  # kind HELPER_ANSWER; the sealed masks went before, in parts
    parts: int


@dataclass(frozen=True, slots=True)
class RoundRefusal:
    round: bytes
    code: str
    refreshes_ms: int = 0  # of a period's budget that is spent; 0: none will come
    account: str = ""  # whose budget is spent


@dataclass(frozen=True, slots=True)
class Commitment:
    """What an owner of a private join fixes before anybody computes; its shares vouch for these bytes."""

    round: bytes
    owner: str
    rows: int  # dummies included
    width: int  # words a row
    pseudonyms_digest: bytes  # SHA-256 of a salt and the pseudonyms, 16 bytes a row, ascending
    third_digest: bytes  # of another salt and the third share: what the two streams leave
    seed_digests: tuple[bytes, ...]  # of the two streams' seeds
    noise_digests: tuple[bytes, ...]  # of the three shares of the owner's noise: two seeds, one vector


@dataclass(frozen=True, slots=True)
class Relay:
    """Sealed node to node, or node to helper; the coordinator only carries it."""

    round: bytes
    sender: str
    receiver: str
    sequence: int
    last: bool
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SeekWitnesses:
    """On its start a member asks those who may hold its heads."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class AskWitness:
    nonce: bytes
    member: str


@dataclass(frozen=True, slots=True)
class AskJournal:
    start: int


@dataclass(frozen=True, slots=True)
class JournalPart:
    """Entries of one member's journal from ``start`` on, and its head when they were read."""

    start: int
    entries: tuple[bytes, ...]
    head: SignedHead


class RequestState(enum.Enum):
    DRAFTED = 1
    SUBMITTED = 2
    WAITING = 3
    APPROVED_STATE = 4
    RUNNING = 5
    RELEASED = 6
    REFUSED_STATE = 7
    EXPIRED = 8
    REVOKED = 9


class BodyKind(enum.Enum):
    MASKED_VECTOR = 1
    SEALED_MASKS = 2


@dataclass(frozen=True, slots=True)
class DescribeFederation:
    """No fields."""


@dataclass(frozen=True, slots=True)
class FederationDescription:
    manifest: SignedRecord
    agreements: tuple[SignedRecord, ...]
    connected: tuple[Participant, ...]  # nodes and their current snapshots
    nodes: tuple[NodeState, ...] = ()  # of those connected
    revocations: tuple[SignedRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    request: SignedRecord
    plan: bytes
    statement: bytes  # the analyst's own words; never executed, never sent to nodes


@dataclass(frozen=True, slots=True)
class Chosen:
    """The analyst's answer to the lists of a first phase."""

    request_digest: bytes
    selection: SignedRecord  # kind SELECTION
    sealed: tuple[SealedKeys, ...]  # one a host


@dataclass(frozen=True, slots=True)
class SealedKeys:
    node: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class RequestName:
    request_digest: bytes
    run: int = 0  # 0: the newest


@dataclass(frozen=True, slots=True)
class RequestStatus:
    request_digest: bytes
    state: RequestState
    code: str  # of a refusal
    waiting_for: tuple[str, ...]
    attempt: int
    participants: tuple[str, ...]
    replied: tuple[str, ...]
    changed_ms: int
    reason: str = ""  # a guardian's, of a refusal
    refreshes_ms: int = 0  # when a spent budget is filled up again; 0: never
    account: str = ""  # whose budget is spent
    run: int = 0
    relayed_bytes: int = 0  # of a private join: carried from owners to helpers in the round that is open


@dataclass(frozen=True, slots=True)
class ListRequests:
    most: int


@dataclass(frozen=True, slots=True)
class RequestList:
    requests: tuple[RequestStatus, ...]


@dataclass(frozen=True, slots=True)
class ResultHead:
    manifest: bytes  # round manifest, exact bytes
    survivors: tuple[str, ...]
    shares: tuple[SignedRecord, ...]  # to the analyst, in the order of survivors
    answers: tuple[SignedRecord, ...]  # of the helpers
    summed: bool  # true: one vector, the sum
    charges: tuple[InclusionProof, ...] = ()  # of the survivors' charges, as far as they sent one


@dataclass(frozen=True, slots=True)
class ResultBody:
    body_kind: BodyKind
    sender: str  # node, helper, or empty for the sum
    part: int
    body: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class NodeState:
    node: str
    guardians: int  # approvals it wants for each plan
    paused: bool
    journal: str = ""  # why its journal is refused; empty: it is sound as far as it was collected


@dataclass(frozen=True, slots=True)
class Handed:
    """A governance record was taken: a decision, revocation, pause, withdrawal, agreement, manifest, publication."""

    record_digest: bytes


@dataclass(frozen=True, slots=True)
class AskQueue:
    all: bool


@dataclass(frozen=True, slots=True)
class QueuedRequest:
    submission: Submission
    status: RequestStatus
    decisions: tuple[SignedRecord, ...]  # kind APPROVAL, oldest first
    received_ms: int


@dataclass(frozen=True, slots=True)
class RequestQueue:
    requests: tuple[QueuedRequest, ...]


@dataclass(frozen=True, slots=True)
class AskMemberJournal:
    member: str
    start: int


@dataclass(frozen=True, slots=True)
class Sharing:
    record: SignedRecord  # kind SHARED_RELEASE
    sealed: bytes


@dataclass(frozen=True, slots=True)
class ReleaseCopy:
    """What a shared release holds; sealed to its reader."""

    statement: bytes
    epsilon: str  # as asked, exact
    delta: str
    cells: tuple[int, ...]  # in ring units, as the analyst opened them
    receipt: Receipt
    keys: bytes  # of a selected key: the KeyList
    named: int  # so many of its values stand for something


@dataclass(frozen=True, slots=True)
class AskShared:
    request_digest: bytes


@dataclass(frozen=True, slots=True)
class SharedList:
    releases: tuple[Sharing, ...]


@dataclass(frozen=True, slots=True)
class AskRegister:
    """No fields."""


@dataclass(frozen=True, slots=True)
class RegisterPart:
    """A part of what the public register is made from besides the journals; each thing stands in one part."""

    requests: tuple[QueuedRequest, ...]  # without the analysts' own words
    records: tuple[SignedRecord, ...]  # manifests, agreements and whatever else people handed in
    contrary: tuple[SignedHead, ...]  # heads that contradict the journals collected


FromNode = (
    Hello
    | SignedRecord
    | VectorPart
    | ShareSet
    | AnswerPart
    | AnswerSet
    | RoundRefusal
    | Relay
    | Pulse
    | JournalPart
    | SeekWitnesses
)
ToNode = (
    Welcome | AskReady | OpenRound | CloseRound | AskAnswer | Relay | Pulse | SignedRecord | AskWitness | AskJournal
)
ResultPart = ResultHead | ResultBody
