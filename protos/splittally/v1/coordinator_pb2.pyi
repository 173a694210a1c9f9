from protos.splittally.v1 import governance_pb2 as _governance_pb2
from protos.splittally.v1 import node_pb2 as _node_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REQUEST_STATE_UNSPECIFIED: _ClassVar[RequestState]
    DRAFTED: _ClassVar[RequestState]
    SUBMITTED: _ClassVar[RequestState]
    WAITING: _ClassVar[RequestState]
    APPROVED_STATE: _ClassVar[RequestState]
    RUNNING: _ClassVar[RequestState]
    RELEASED: _ClassVar[RequestState]
    REFUSED_STATE: _ClassVar[RequestState]
    EXPIRED: _ClassVar[RequestState]
    REVOKED: _ClassVar[RequestState]

class BodyKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BODY_KIND_UNSPECIFIED: _ClassVar[BodyKind]
    MASKED_VECTOR: _ClassVar[BodyKind]
    SEALED_MASKS: _ClassVar[BodyKind]
REQUEST_STATE_UNSPECIFIED: RequestState
DRAFTED: RequestState
SUBMITTED: RequestState
WAITING: RequestState
APPROVED_STATE: RequestState
RUNNING: RequestState
RELEASED: RequestState
REFUSED_STATE: RequestState
EXPIRED: RequestState
REVOKED: RequestState
BODY_KIND_UNSPECIFIED: BodyKind
MASKED_VECTOR: BodyKind
SEALED_MASKS: BodyKind

class DescribeFederation(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class FederationDescription(_message.Message):
    __slots__ = ("manifest", "agreements", "connected", "nodes", "revocations")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    CONNECTED_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    manifest: _governance_pb2.SignedRecord
    agreements: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    connected: _containers.RepeatedCompositeFieldContainer[_governance_pb2.Participant]
    nodes: _containers.RepeatedCompositeFieldContainer[NodeState]
    revocations: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    def __init__(self, manifest: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., agreements: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., connected: _Optional[_Iterable[_Union[_governance_pb2.Participant, _Mapping]]] = ..., nodes: _Optional[_Iterable[_Union[NodeState, _Mapping]]] = ..., revocations: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ...) -> None: ...

class Submission(_message.Message):
    __slots__ = ("request", "plan", "statement")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    request: _governance_pb2.SignedRecord
    plan: bytes
    statement: bytes
    def __init__(self, request: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., plan: _Optional[bytes] = ..., statement: _Optional[bytes] = ...) -> None: ...

class Chosen(_message.Message):
    __slots__ = ("request_digest", "selection", "sealed")
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    request_digest: bytes
    selection: _governance_pb2.SignedRecord
    sealed: _containers.RepeatedCompositeFieldContainer[SealedKeys]
    def __init__(self, request_digest: _Optional[bytes] = ..., selection: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., sealed: _Optional[_Iterable[_Union[SealedKeys, _Mapping]]] = ...) -> None: ...

class SealedKeys(_message.Message):
    __slots__ = ("node", "sealed")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    node: str
    sealed: bytes
    def __init__(self, node: _Optional[str] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class RequestName(_message.Message):
    __slots__ = ("request_digest", "run")
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    request_digest: bytes
    run: int
    def __init__(self, request_digest: _Optional[bytes] = ..., run: _Optional[int] = ...) -> None: ...

class RequestStatus(_message.Message):
    __slots__ = ("request_digest", "state", "code", "waiting_for", "attempt", "participants", "replied", "changed_ms", "reason", "refreshes_ms", "account", "run", "relayed_bytes")
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    WAITING_FOR_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    REPLIED_FIELD_NUMBER: _ClassVar[int]
    CHANGED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    REFRESHES_MS_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RELAYED_BYTES_FIELD_NUMBER: _ClassVar[int]
    request_digest: bytes
    state: RequestState
    code: str
    waiting_for: _containers.RepeatedScalarFieldContainer[str]
    attempt: int
    participants: _containers.RepeatedScalarFieldContainer[str]
    replied: _containers.RepeatedScalarFieldContainer[str]
    changed_ms: int
    reason: str
    refreshes_ms: int
    account: str
    run: int
    relayed_bytes: int
    def __init__(self, request_digest: _Optional[bytes] = ..., state: _Optional[_Union[RequestState, str]] = ..., code: _Optional[str] = ..., waiting_for: _Optional[_Iterable[str]] = ..., attempt: _Optional[int] = ..., participants: _Optional[_Iterable[str]] = ..., replied: _Optional[_Iterable[str]] = ..., changed_ms: _Optional[int] = ..., reason: _Optional[str] = ..., refreshes_ms: _Optional[int] = ..., account: _Optional[str] = ..., run: _Optional[int] = ..., relayed_bytes: _Optional[int] = ...) -> None: ...

class ListRequests(_message.Message):
    __slots__ = ("most",)
    MOST_FIELD_NUMBER: _ClassVar[int]
    most: int
    def __init__(self, most: _Optional[int] = ...) -> None: ...

class RequestList(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[RequestStatus]
    def __init__(self, requests: _Optional[_Iterable[_Union[RequestStatus, _Mapping]]] = ...) -> None: ...

class ResultPart(_message.Message):
    __slots__ = ("head", "body")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    head: ResultHead
    body: ResultBody
    def __init__(self, head: _Optional[_Union[ResultHead, _Mapping]] = ..., body: _Optional[_Union[ResultBody, _Mapping]] = ...) -> None: ...

class ResultHead(_message.Message):
    __slots__ = ("manifest", "survivors", "shares", "answers", "summed", "charges")
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    SUMMED_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    manifest: bytes
    survivors: _containers.RepeatedScalarFieldContainer[str]
    shares: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    answers: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    summed: bool
    charges: _containers.RepeatedCompositeFieldContainer[_governance_pb2.InclusionProof]
    def __init__(self, manifest: _Optional[bytes] = ..., survivors: _Optional[_Iterable[str]] = ..., shares: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., summed: _Optional[bool] = ..., charges: _Optional[_Iterable[_Union[_governance_pb2.InclusionProof, _Mapping]]] = ...) -> None: ...

class ResultBody(_message.Message):
    __slots__ = ("body_kind", "sender", "part", "body", "last")
    BODY_KIND_FIELD_NUMBER: _ClassVar[int]
    SENDER_FIELD_NUMBER: _ClassVar[int]
    PART_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    body_kind: BodyKind
    sender: str
    part: int
    body: bytes
    last: bool
    def __init__(self, body_kind: _Optional[_Union[BodyKind, str]] = ..., sender: _Optional[str] = ..., part: _Optional[int] = ..., body: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class NodeState(_message.Message):
    __slots__ = ("node", "guardians", "paused", "journal")
    NODE_FIELD_NUMBER: _ClassVar[int]
    GUARDIANS_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    JOURNAL_FIELD_NUMBER: _ClassVar[int]
    node: str
    guardians: int
    paused: bool
    journal: str
    def __init__(self, node: _Optional[str] = ..., guardians: _Optional[int] = ..., paused: _Optional[bool] = ..., journal: _Optional[str] = ...) -> None: ...

class Handed(_message.Message):
    __slots__ = ("record_digest",)
    RECORD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    record_digest: bytes
    def __init__(self, record_digest: _Optional[bytes] = ...) -> None: ...

class AskQueue(_message.Message):
    __slots__ = ("all",)
    ALL_FIELD_NUMBER: _ClassVar[int]
    all: bool
    def __init__(self, all: _Optional[bool] = ...) -> None: ...

class QueuedRequest(_message.Message):
    __slots__ = ("submission", "status", "decisions", "received_ms")
    SUBMISSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_MS_FIELD_NUMBER: _ClassVar[int]
    submission: Submission
    status: RequestStatus
    decisions: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    received_ms: int
    def __init__(self, submission: _Optional[_Union[Submission, _Mapping]] = ..., status: _Optional[_Union[RequestStatus, _Mapping]] = ..., decisions: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., received_ms: _Optional[int] = ...) -> None: ...

class RequestQueue(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[QueuedRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[QueuedRequest, _Mapping]]] = ...) -> None: ...

class AskMemberJournal(_message.Message):
    __slots__ = ("member", "start")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    member: str
    start: int
    def __init__(self, member: _Optional[str] = ..., start: _Optional[int] = ...) -> None: ...

class Sharing(_message.Message):
    __slots__ = ("record", "sealed")
    RECORD_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    record: _governance_pb2.SignedRecord
    sealed: bytes
    def __init__(self, record: _Optional[_Union[_governance_pb2.SignedRecord, _Mapping]] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class ReleaseCopy(_message.Message):
    __slots__ = ("statement", "epsilon", "delta", "cells", "receipt", "keys", "named")
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    NAMED_FIELD_NUMBER: _ClassVar[int]
    statement: bytes
    epsilon: str
    delta: str
    cells: _containers.RepeatedScalarFieldContainer[int]
    receipt: _governance_pb2.Receipt
    keys: bytes
    named: int
    def __init__(self, statement: _Optional[bytes] = ..., epsilon: _Optional[str] = ..., delta: _Optional[str] = ..., cells: _Optional[_Iterable[int]] = ..., receipt: _Optional[_Union[_governance_pb2.Receipt, _Mapping]] = ..., keys: _Optional[bytes] = ..., named: _Optional[int] = ...) -> None: ...

class AskShared(_message.Message):
    __slots__ = ("request_digest",)
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    request_digest: bytes
    def __init__(self, request_digest: _Optional[bytes] = ...) -> None: ...

class SharedList(_message.Message):
    __slots__ = ("releases",)
    RELEASES_FIELD_NUMBER: _ClassVar[int]
    releases: _containers.RepeatedCompositeFieldContainer[Sharing]
    def __init__(self, releases: _Optional[_Iterable[_Union[Sharing, _Mapping]]] = ...) -> None: ...

class AskRegister(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RegisterPart(_message.Message):
    __slots__ = ("requests", "records", "contrary")
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    CONTRARY_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[QueuedRequest]
    records: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedRecord]
    contrary: _containers.RepeatedCompositeFieldContainer[_governance_pb2.SignedHead]
    def __init__(self, requests: _Optional[_Iterable[_Union[QueuedRequest, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[_governance_pb2.SignedRecord, _Mapping]]] = ..., contrary: _Optional[_Iterable[_Union[_governance_pb2.SignedHead, _Mapping]]] = ...) -> None: ...
