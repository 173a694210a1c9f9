from protos.splittally.v1 import governance_pb2 as _governance_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromNode(_message.Message):
    __slots__ = ("hello", "record", "vector_part", "share_set", "answer_part", "answer_set", "round_refusal", "relay", "pulse", "journal_part", "seek_witnesses")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    VECTOR_PART_FIELD_NUMBER: _ClassVar[int]
    SHARE_SET_FIELD_NUMBER: _ClassVar[int]
    ANSWER_PART_FIELD_NUMBER: _ClassVar[int]
    ANSWER_SET_FIELD_NUMBER: _ClassVar[int]
    ROUND_REFUSAL_FIELD_NUMBER: _ClassVar[int]
    RELAY_FIELD_NUMBER: _ClassVar[int]
    PULSE_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_PART_FIELD_NUMBER: _ClassVar[int]
    SEEK_WITNESSES_FIELD_NUMBER: _ClassVar[int]
    hello: Hello
    record: _governance_pb2.SignedRecord
    vector_part: VectorPart
    share_set: ShareSet
    answer_part: AnswerPart
    answer_set: AnswerSet
    round_refusal: RoundRefusal
    relay: Relay
    pulse: Pulse
    journal_part: JournalPart
    seek_witnesses: SeekWitnesses
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., record: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., vector_part: _Optional[_Union[VectorPart, _Mapping]] = ..., share_set: _Optional[_Union[ShareSet, _Mapping]] = ..., answer_part: _Optional[_Union[AnswerPart, _Mapping]] = ..., answer_set: _Optional[_Union[AnswerSet, _Mapping]] = ..., round_refusal: _Optional[_Union[RoundRefusal, _Mapping]] = ..., relay: _Optional[_Union[Relay, _Mapping]] = ..., pulse: _Optional[_Union[Pulse, _Mapping]] = ..., journal_part: _Optional[_Union[JournalPart, _Mapping]] = ..., seek_witnesses: _Optional[_Union[SeekWitnesses, _Mapping]] = ...) -> None: ...

class ToNode(_message.Message):
    __slots__ = ("welcome", "ask_ready", "open_round", "close_round", "ask_answer", "relay", "pulse", "record", "ask_witness", "ask_journal")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    ASK_READY_FIELD_NUMBER: _ClassVar[int]
    OPEN_ROUND_FIELD_NUMBER: _ClassVar[int]
    CLOSE_ROUND_FIELD_NUMBER: _ClassVar[int]
    ASK_ANSWER_FIELD_NUMBER: _ClassVar[int]
    RELAY_FIELD_NUMBER: _ClassVar[int]
    PULSE_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    ASK_WITNESS_FIELD_NUMBER: _ClassVar[int]
    ASK_JOURNAL_FIELD_NUMBER: _ClassVar[int]
    welcome: Welcome
    ask_ready: AskReady
    open_round: OpenRound
    close_round: CloseRound
    ask_answer: AskAnswer
    relay: Relay
    pulse: Pulse
    record: _governance_pb2.SignedRecord
    ask_witness: AskWitness
    ask_journal: AskJournal
    def __init__(self, welcome: _Optional[_Union[Welcome, _Mapping]] = ..., ask_ready: _Optional[_Union[AskReady, _Mapping]] = ..., open_round: _Optional[_Union[OpenRound, _Mapping]] = ..., close_round: _Optional[_Union[CloseRound, _Mapping]] = ..., ask_answer: _Optional[_Union[AskAnswer, _Mapping]] = ..., relay: _Optional[_Union[Relay, _Mapping]] = ..., pulse: _Optional[_Union[Pulse, _Mapping]] = ..., record: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., ask_witness: _Optional[_Union[AskWitness, _Mapping]] = ..., ask_journal: _Optional[_Union[AskJournal, _Mapping]] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ("version", "node", "epoch", "snapshots", "head", "guardians", "paused")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    GUARDIANS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    version: int
    node: str
    epoch: int
    snapshots: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SnapshotRef]
    head: _governance_pb2.SignedHead
    guardians: int
    paused: bool
    def __init__(self, version: _Optional[int] = ..., node: _Optional[str] = ..., epoch: _Optional[int] = ..., snapshots: _Optional[_Iterable[_Union[_governance_pb2.SnapshotRef, _Mapping]]] = ..., head: _Optional[_Union[_governance_pb2.SignedHead, _Mapping]] = ..., guardians: _Optional[int] = ..., paused: _Optional[bool] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("version", "epoch")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    version: int
    epoch: int
    def __init__(self, version: _Optional[int] = ..., epoch: _Optional[int] = ...) -> None: ...

class Pulse(_message.Message):
    __slots__ = ("at_ms",)
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    at_ms: int
    def __init__(self, at_ms: _Optional[int] = ...) -> None: ...

class AskReady(_message.Message):
    __slots__ = ("request_digest", "participants", "joins")
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    JOINS_FIELD_NUMBER: _ClassVar[int]
    request_digest: bytes
    participants: _containers.RepeatedScalarFieldContainer[str]
    joins: _governance_pb2.Loss
    def __init__(self, request_digest: _Optional[bytes] = ..., participants: _Optional[_Iterable[str]] = ..., joins: _Optional[_Union[_governance_pb2.Loss, _Mapping]] = ...) -> None: ...

class OpenRound(_message.Message):
    __slots__ = ("manifest", "sealed_keys")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    SEALED_KEYS_FIELD_NUMBER: _ClassVar[int]
    manifest: bytes
    sealed_keys: bytes
    def __init__(self, manifest: _Optional[bytes] = ..., sealed_keys: _Optional[bytes] = ...) -> None: ...

class CloseRound(_message.Message):
    __slots__ = ("round",)
    ROUND_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    def __init__(self, round: _Optional[bytes] = ...) -> None: ...

class VectorPart(_message.Message):
    __slots__ = ("round", "part", "body")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    part: int
    body: bytes
    def __init__(self, round: _Optional[bytes] = ..., part: _Optional[int] = ..., body: _Optional[bytes] = ...) -> None: ...

class ShareSet(_message.Message):
    __slots__ = ("round", "shares", "parts", "phase", "proofs", "charge")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    CHARGE_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    shares: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    parts: int
    phase: int
    proofs: _containers.RepeatedCompositeFieldContainer[ConsistencyProof]
    charge: _governance_pb2.InclusionProof
    def __init__(self, round: _Optional[bytes] = ..., shares: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., parts: _Optional[int] = ..., phase: _Optional[int] = ..., proofs: _Optional[_Iterable[_Union[ConsistencyProof, _Mapping]]] = ..., charge: _Optional[_Union[_governance_pb2.InclusionProof, _Mapping]] = ...) -> None: ...

class AskAnswer(_message.Message):
    __slots__ = ("round", "shares", "proofs")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    PROOFS_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    shares: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    proofs: _containers.RepeatedCompositeFieldContainer[ConsistencyProof]
    def __init__(self, round: _Optional[bytes] = ..., shares: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., proofs: _Optional[_Iterable[_Union[ConsistencyProof, _Mapping]]] = ...) -> None: ...

class ConsistencyProof(_message.Message):
    __slots__ = ("node", "old_size", "path")
    NODE_FIELD_NUMBER: _ClassVar[int]
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    node: str
    old_size: int
    path: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, node: _Optional[str] = ..., old_size: _Optional[int] = ..., path: _Optional[_Iterable[bytes]] = ...) -> None: ...

class AnswerPart(_message.Message):
    __slots__ = ("round", "part", "body")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    part: int
    body: bytes
    def __init__(self, round: _Optional[bytes] = ..., part: _Optional[int] = ..., body: _Optional[bytes] = ...) -> None: ...

class AnswerSet(_message.Message):
    __slots__ = ("round", "answer", "parts")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    answer: _governance_pb2.SignedRecord
    parts: int
    def __init__(self, round: _Optional[bytes] = ..., answer: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., parts: _Optional[int] = ...) -> None: ...

class RoundRefusal(_message.Message):
    __slots__ = ("round", "code", "refreshes_ms", "account")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REFRESHES_MS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    code: str
    refreshes_ms: int
    account: str
    def __init__(self, round: _Optional[bytes] = ..., code: _Optional[str] = ..., refreshes_ms: _Optional[int] = ..., account: _Optional[str] = ...) -> None: ...

class Commitment(_message.Message):
    __slots__ = ("round", "owner", "rows", "width", "pseudonyms_digest", "third_digest", "seed_digests", "noise_digests")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYMS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    THIRD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEED_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    NOISE_DIGESTS_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    owner: str
    rows: int
    width: int
    pseudonyms_digest: bytes
    third_digest: bytes
    seed_digests: _containers.RepeatedScalarFieldContainer[bytes]
    noise_digests: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, round: _Optional[bytes] = ..., owner: _Optional[str] = ..., rows: _Optional[int] = ..., width: _Optional[int] = ..., pseudonyms_digest: _Optional[bytes] = ..., third_digest: _Optional[bytes] = ..., seed_digests: _Optional[_Iterable[bytes]] = ..., noise_digests: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Relay(_message.Message):
    __slots__ = ("round", "sender", "receiver", "sequence", "last", "sealed")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    RECEIVER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    sender: str
    receiver: str
    sequence: int
    last: bool
    sealed: bytes
    def __init__(self, round: _Optional[bytes] = ..., sender: _Optional[str] = ..., receiver: _Optional[str] = ..., sequence: _Optional[int] = ..., last: _Optional[bool] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class SeekWitnesses(_message.Message):
    __slots__ = ("nonce",)
    NONCE_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    def __init__(self, nonce: _Optional[bytes] = ...) -> None: ...

class AskWitness(_message.Message):
    __slots__ = ("nonce", "member")
    NONCE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    nonce: bytes
    member: str
    def __init__(self, nonce: _Optional[bytes] = ..., member: _Optional[str] = ...) -> None: ...

class AskJournal(_message.Message):
    __slots__ = ("start",)
    START_FIELD_NUMBER: _ClassVar[int]
    start: int
    def __init__(self, start: _Optional[int] = ...) -> None: ...

class JournalPart(_message.Message):
    __slots__ = ("start", "entries", "head")
    START_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    start: int
    entries: _containers.RepeatedScalarFieldContainer[bytes]
    head: _governance_pb2.SignedHead
    def __init__(self, start: _Optional[int] = ..., entries: _Optional[_Iterable[bytes]] = ..., head: _Optional[_Union[_governance_pb2.SignedHead, _Mapping]] = ...) -> None: ...
