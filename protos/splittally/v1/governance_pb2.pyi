from protos.splittally.v1 import catalogue_pb2 as _catalogue_pb2
from protos.splittally.v1 import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RecordKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RECORD_KIND_UNSPECIFIED: _ClassVar[RecordKind]
    FEDERATION_MANIFEST: _ClassVar[RecordKind]
    AGREEMENT: _ClassVar[RecordKind]
    REQUEST: _ClassVar[RecordKind]
    APPROVAL: _ClassVar[RecordKind]
    REVOCATION: _ClassVar[RecordKind]
    ROUND_MANIFEST: _ClassVar[RecordKind]
    READY: _ClassVar[RecordKind]
    JOURNAL_HEAD: _ClassVar[RecordKind]
    SHARE: _ClassVar[RecordKind]
    HELPER_ANSWER: _ClassVar[RecordKind]
    RECEIPT: _ClassVar[RecordKind]
    PAUSE: _ClassVar[RecordKind]
    SELECTION: _ClassVar[RecordKind]
    WITNESS: _ClassVar[RecordKind]
    WITHDRAWAL: _ClassVar[RecordKind]
    APPLICATION: _ClassVar[RecordKind]
    PUBLICATION: _ClassVar[RecordKind]
    SHARED_RELEASE: _ClassVar[RecordKind]

class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROLE_UNSPECIFIED: _ClassVar[Role]
    COORDINATOR: _ClassVar[Role]
    NODE: _ClassVar[Role]
    HELPER: _ClassVar[Role]
    ANALYST: _ClassVar[Role]
    GUARDIAN: _ClassVar[Role]
    POLICY_OFFICER: _ClassVar[Role]
    AUDITOR: _ClassVar[Role]

class AccountScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_SCOPE_UNSPECIFIED: _ClassVar[AccountScope]
    IDENTIFIER: _ClassVar[AccountScope]
    DATASET: _ClassVar[AccountScope]
    AGREEMENT_ACCOUNT: _ClassVar[AccountScope]
    ANALYST_ACCOUNT: _ClassVar[AccountScope]
    SHARE_ACCOUNT: _ClassVar[AccountScope]

class Operation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OPERATION_UNSPECIFIED: _ClassVar[Operation]
    AGGREGATE: _ClassVar[Operation]
    QUANTILE: _ClassVar[Operation]
    KEY_SELECTION: _ClassVar[Operation]
    PRIVATE_JOIN: _ClassVar[Operation]

class LegalGateway(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LEGAL_GATEWAY_UNSPECIFIED: _ClassVar[LegalGateway]
    PUBLIC_SERVICE_DELIVERY: _ClassVar[LegalGateway]
    CIVIL_REGISTRATION: _ClassVar[LegalGateway]
    DEBT: _ClassVar[LegalGateway]
    FRAUD: _ClassVar[LegalGateway]
    RESEARCH: _ClassVar[LegalGateway]
    STATISTICS: _ClassVar[LegalGateway]
    OTHER_GATEWAY: _ClassVar[LegalGateway]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    APPROVED: _ClassVar[Decision]
    REFUSED: _ClassVar[Decision]

class JournalKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOURNAL_KIND_UNSPECIFIED: _ClassVar[JournalKind]
    OPENED: _ClassVar[JournalKind]
    CHARGED: _ClassVar[JournalKind]
    REPLIED: _ClassVar[JournalKind]
    ROUND_REFUSED: _ClassVar[JournalKind]
    ANSWERED_AS_HELPER: _ClassVar[JournalKind]
    AGREEMENT_STORED: _ClassVar[JournalKind]
    AGREEMENT_REVOKED: _ClassVar[JournalKind]
    SNAPSHOT_TAKEN: _ClassVar[JournalKind]
    PAUSED: _ClassVar[JournalKind]
    RESUMED: _ClassVar[JournalKind]
    MANIFEST_STORED: _ClassVar[JournalKind]
    REQUESTED: _ClassVar[JournalKind]
    DECIDED: _ClassVar[JournalKind]
    RELEASED_TO_ANALYST: _ClassVar[JournalKind]
    REQUEST_ENDED: _ClassVar[JournalKind]
    PUBLISHED: _ClassVar[JournalKind]
    SHARED: _ClassVar[JournalKind]
RECORD_KIND_UNSPECIFIED: RecordKind
FEDERATION_MANIFEST: RecordKind
AGREEMENT: RecordKind
REQUEST: RecordKind
APPROVAL: RecordKind
REVOCATION: RecordKind
ROUND_MANIFEST: RecordKind
READY: RecordKind
JOURNAL_HEAD: RecordKind
SHARE: RecordKind
HELPER_ANSWER: RecordKind
RECEIPT: RecordKind
PAUSE: RecordKind
SELECTION: RecordKind
WITNESS: RecordKind
WITHDRAWAL: RecordKind
APPLICATION: RecordKind
PUBLICATION: RecordKind
SHARED_RELEASE: RecordKind
ROLE_UNSPECIFIED: Role
COORDINATOR: Role
NODE: Role
HELPER: Role
ANALYST: Role
GUARDIAN: Role
POLICY_OFFICER: Role
AUDITOR: Role
ACCOUNT_SCOPE_UNSPECIFIED: AccountScope
IDENTIFIER: AccountScope
DATASET: AccountScope
AGREEMENT_ACCOUNT: AccountScope
ANALYST_ACCOUNT: AccountScope
SHARE_ACCOUNT: AccountScope
OPERATION_UNSPECIFIED: Operation
AGGREGATE: Operation
QUANTILE: Operation
KEY_SELECTION: Operation
PRIVATE_JOIN: Operation
LEGAL_GATEWAY_UNSPECIFIED: LegalGateway
PUBLIC_SERVICE_DELIVERY: LegalGateway
CIVIL_REGISTRATION: LegalGateway
DEBT: LegalGateway
FRAUD: LegalGateway
RESEARCH: LegalGateway
STATISTICS: LegalGateway
OTHER_GATEWAY: LegalGateway
DECISION_UNSPECIFIED: Decision
APPROVED: Decision
REFUSED: Decision
JOURNAL_KIND_UNSPECIFIED: JournalKind
OPENED: JournalKind
CHARGED: JournalKind
REPLIED: JournalKind
ROUND_REFUSED: JournalKind
ANSWERED_AS_HELPER: JournalKind
AGREEMENT_STORED: JournalKind
AGREEMENT_REVOKED: JournalKind
SNAPSHOT_TAKEN: JournalKind
PAUSED: JournalKind
RESUMED: JournalKind
MANIFEST_STORED: JournalKind
REQUESTED: JournalKind
DECIDED: JournalKind
RELEASED_TO_ANALYST: JournalKind
REQUEST_ENDED: JournalKind
PUBLISHED: JournalKind
SHARED: JournalKind

class Loss(_message.Message):
    __slots__ = ("rho_billionths", "delta_quintillionths")
    RHO_BILLIONTHS_FIELD_NUMBER: _ClassVar[int]
    DELTA_QUINTILLIONTHS_FIELD_NUMBER: _ClassVar[int]
    rho_billionths: int
    delta_quintillionths: int
    def __init__(self, rho_billionths: _Optional[int] = ..., delta_quintillionths: _Optional[int] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("signer", "signature")
    SIGNER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    signer: str
    signature: bytes
    def __init__(self, signer: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class SignedRecord(_message.Message):
    __slots__ = ("kind", "payload", "signatures")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURES_FIELD_NUMBER: _ClassVar[int]
    kind: RecordKind
    payload: bytes
    signatures: _containers.RepeatedCompositeFieldContainer[Signature]
    def __init__(self, kind: _Optional[_Union[RecordKind, str]] = ..., payload: _Optional[bytes] = ..., signatures: _Optional[_Iterable[_Union[Signature, _Mapping]]] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "body", "roles", "signing_key", "sealing_key", "department")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    ROLES_FIELD_NUMBER: _ClassVar[int]
    SIGNING_KEY_FIELD_NUMBER: _ClassVar[int]
    SEALING_KEY_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    body: str
    roles: _containers.RepeatedScalarFieldContainer[Role]
    signing_key: bytes
    sealing_key: bytes
    department: str
    def __init__(self, name: _Optional[str] = ..., body: _Optional[str] = ..., roles: _Optional[_Iterable[_Union[Role, str]]] = ..., signing_key: _Optional[bytes] = ..., sealing_key: _Optional[bytes] = ..., department: _Optional[str] = ...) -> None: ...

class RootKey(_message.Message):
    __slots__ = ("name", "signing_key")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIGNING_KEY_FIELD_NUMBER: _ClassVar[int]
    name: str
    signing_key: bytes
    def __init__(self, name: _Optional[str] = ..., signing_key: _Optional[bytes] = ...) -> None: ...

class AccountCap(_message.Message):
    __slots__ = ("scope", "name", "period_days", "period", "lifetime")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PERIOD_DAYS_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    LIFETIME_FIELD_NUMBER: _ClassVar[int]
    scope: AccountScope
    name: str
    period_days: int
    period: Loss
    lifetime: Loss
    def __init__(self, scope: _Optional[_Union[AccountScope, str]] = ..., name: _Optional[str] = ..., period_days: _Optional[int] = ..., period: _Optional[_Union[Loss, _Mapping]] = ..., lifetime: _Optional[_Union[Loss, _Mapping]] = ...) -> None: ...

class Rules(_message.Message):
    __slots__ = ("n_min", "f", "max_keys", "max_cells", "caps", "committee")
    N_MIN_FIELD_NUMBER: _ClassVar[int]
    F_FIELD_NUMBER: _ClassVar[int]
    MAX_KEYS_FIELD_NUMBER: _ClassVar[int]
    MAX_CELLS_FIELD_NUMBER: _ClassVar[int]
    CAPS_FIELD_NUMBER: _ClassVar[int]
    COMMITTEE_FIELD_NUMBER: _ClassVar[int]
    n_min: int
    f: int
    max_keys: int
    max_cells: int
    caps: _containers.RepeatedCompositeFieldContainer[AccountCap]
    committee: int
    def __init__(self, n_min: _Optional[int] = ..., f: _Optional[int] = ..., max_keys: _Optional[int] = ..., max_cells: _Optional[int] = ..., caps: _Optional[_Iterable[_Union[AccountCap, _Mapping]]] = ..., committee: _Optional[int] = ...) -> None: ...

class FederationManifest(_message.Message):
    __slots__ = ("version", "federation", "epoch", "issued_ms", "until_ms", "grace_seconds", "root_keys", "root_threshold", "members", "rules", "catalogue")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ISSUED_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    GRACE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROOT_KEYS_FIELD_NUMBER: _ClassVar[int]
    ROOT_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    version: int
    federation: str
    epoch: int
    issued_ms: int
    until_ms: int
    grace_seconds: int
    root_keys: _containers.RepeatedCompositeFieldContainer[RootKey]
    root_threshold: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    rules: Rules
    catalogue: _catalogue_pb2.Catalogue
    def __init__(self, version: _Optional[int] = ..., federation: _Optional[str] = ..., epoch: _Optional[int] = ..., issued_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., grace_seconds: _Optional[int] = ..., root_keys: _Optional[_Iterable[_Union[RootKey, _Mapping]]] = ..., root_threshold: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., rules: _Optional[_Union[Rules, _Mapping]] = ..., catalogue: _Optional[_Union[_catalogue_pb2.Catalogue, _Mapping]] = ...) -> None: ...

class DatasetScope(_message.Message):
    __slots__ = ("dataset", "columns")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dataset: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ...) -> None: ...

class Agreement(_message.Message):
    __slots__ = ("version", "name", "edition", "title", "purpose", "legal_gateway", "legal_gateway_detail", "necessity", "parties", "analysts", "scope", "operations", "dpia_reference", "dpia_outcome", "consent_basis", "budget", "per_plan", "from_ms", "until_ms", "decided_by", "end_clause", "retention_days", "federation", "lawful_basis", "special_category", "controllers", "contacts", "dpo_view", "security", "rights", "benefits")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EDITION_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    LEGAL_GATEWAY_FIELD_NUMBER: _ClassVar[int]
    LEGAL_GATEWAY_DETAIL_FIELD_NUMBER: _ClassVar[int]
    NECESSITY_FIELD_NUMBER: _ClassVar[int]
    PARTIES_FIELD_NUMBER: _ClassVar[int]
    ANALYSTS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    DPIA_REFERENCE_FIELD_NUMBER: _ClassVar[int]
    DPIA_OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CONSENT_BASIS_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    PER_PLAN_FIELD_NUMBER: _ClassVar[int]
    FROM_MS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_MS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    END_CLAUSE_FIELD_NUMBER: _ClassVar[int]
    RETENTION_DAYS_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    LAWFUL_BASIS_FIELD_NUMBER: _ClassVar[int]
    SPECIAL_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CONTROLLERS_FIELD_NUMBER: _ClassVar[int]
    CONTACTS_FIELD_NUMBER: _ClassVar[int]
    DPO_VIEW_FIELD_NUMBER: _ClassVar[int]
    SECURITY_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    BENEFITS_FIELD_NUMBER: _ClassVar[int]
    version: int
    name: str
    edition: int
    title: str
    purpose: str
    legal_gateway: LegalGateway
    legal_gateway_detail: str
    necessity: str
    parties: _containers.RepeatedScalarFieldContainer[str]
    analysts: _containers.RepeatedScalarFieldContainer[str]
    scope: _containers.RepeatedCompositeFieldContainer[DatasetScope]
    operations: _containers.RepeatedScalarFieldContainer[Operation]
    dpia_reference: str
    dpia_outcome: str
    consent_basis: str
    budget: Loss
    per_plan: Loss
    from_ms: int
    until_ms: int
    decided_by: str
    end_clause: str
    retention_days: int
    federation: str
    lawful_basis: str
    special_category: str
    controllers: str
    contacts: str
    dpo_view: str
    security: str
    rights: str
    benefits: str
    def __init__(self, version: _Optional[int] = ..., name: _Optional[str] = ..., edition: _Optional[int] = ..., title: _Optional[str] = ..., purpose: _Optional[str] = ..., legal_gateway: _Optional[_Union[LegalGateway, str]] = ..., legal_gateway_detail: _Optional[str] = ..., necessity: _Optional[str] = ..., parties: _Optional[_Iterable[str]] = ..., analysts: _Optional[_Iterable[str]] = ..., scope: _Optional[_Iterable[_Union[DatasetScope, _Mapping]]] = ..., operations: _Optional[_Iterable[_Union[Operation, str]]] = ..., dpia_reference: _Optional[str] = ..., dpia_outcome: _Optional[str] = ..., consent_basis: _Optional[str] = ..., budget: _Optional[_Union[Loss, _Mapping]] = ..., per_plan: _Optional[_Union[Loss, _Mapping]] = ..., from_ms: _Optional[int] = ..., until_ms: _Optional[int] = ..., decided_by: _Optional[str] = ..., end_clause: _Optional[str] = ..., retention_days: _Optional[int] = ..., federation: _Optional[str] = ..., lawful_basis: _Optional[str] = ..., special_category: _Optional[str] = ..., controllers: _Optional[str] = ..., contacts: _Optional[str] = ..., dpo_view: _Optional[str] = ..., security: _Optional[str] = ..., rights: _Optional[str] = ..., benefits: _Optional[str] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ("version", "nonce", "federation", "analyst", "plan_digest", "agreement_digest", "loss", "n_min", "f", "committee", "sealing_key", "created_ms", "expires_ms", "max_attempts", "runs", "purpose", "selection")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    ANALYST_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    N_MIN_FIELD_NUMBER: _ClassVar[int]
    F_FIELD_NUMBER: _ClassVar[int]
    COMMITTEE_FIELD_NUMBER: _ClassVar[int]
    SEALING_KEY_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    RUNS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    version: int
    nonce: bytes
    federation: str
    analyst: str
    plan_digest: bytes
    agreement_digest: bytes
    loss: Loss
    n_min: int
    f: int
    committee: int
    sealing_key: bytes
    created_ms: int
    expires_ms: int
    max_attempts: int
    runs: int
    purpose: str
    selection: Loss
    def __init__(self, version: _Optional[int] = ..., nonce: _Optional[bytes] = ..., federation: _Optional[str] = ..., analyst: _Optional[str] = ..., plan_digest: _Optional[bytes] = ..., agreement_digest: _Optional[bytes] = ..., loss: _Optional[_Union[Loss, _Mapping]] = ..., n_min: _Optional[int] = ..., f: _Optional[int] = ..., committee: _Optional[int] = ..., sealing_key: _Optional[bytes] = ..., created_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ..., max_attempts: _Optional[int] = ..., runs: _Optional[int] = ..., purpose: _Optional[str] = ..., selection: _Optional[_Union[Loss, _Mapping]] = ...) -> None: ...

class KeyList(_message.Message):
    __slots__ = ("salt", "values")
    SALT_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    salt: bytes
    values: _containers.RepeatedCompositeFieldContainer[_plan_pb2.Literal]
    def __init__(self, salt: _Optional[bytes] = ..., values: _Optional[_Iterable[_Union[_plan_pb2.Literal, _Mapping]]] = ...) -> None: ...

class Selection(_message.Message):
    __slots__ = ("version", "request_digest", "length", "keys_digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    KEYS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    length: int
    keys_digest: bytes
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., length: _Optional[int] = ..., keys_digest: _Optional[bytes] = ...) -> None: ...

class Approval(_message.Message):
    __slots__ = ("version", "request_digest", "guardian", "node", "decision", "reason", "decided_ms", "expires_ms", "shown_digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    GUARDIAN_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_MS_FIELD_NUMBER: _ClassVar[int]
    SHOWN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    guardian: str
    node: str
    decision: Decision
    reason: str
    decided_ms: int
    expires_ms: int
    shown_digest: bytes
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., guardian: _Optional[str] = ..., node: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., reason: _Optional[str] = ..., decided_ms: _Optional[int] = ..., expires_ms: _Optional[int] = ..., shown_digest: _Optional[bytes] = ...) -> None: ...

class Revocation(_message.Message):
    __slots__ = ("version", "agreement_digest", "party", "decided_ms", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PARTY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    agreement_digest: bytes
    party: str
    decided_ms: int
    reason: str
    def __init__(self, version: _Optional[int] = ..., agreement_digest: _Optional[bytes] = ..., party: _Optional[str] = ..., decided_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Pause(_message.Message):
    __slots__ = ("version", "node", "guardian", "paused", "decided_ms", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    GUARDIAN_FIELD_NUMBER: _ClassVar[int]
    PAUSED_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    node: str
    guardian: str
    paused: bool
    decided_ms: int
    reason: str
    def __init__(self, version: _Optional[int] = ..., node: _Optional[str] = ..., guardian: _Optional[str] = ..., paused: _Optional[bool] = ..., decided_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Withdrawal(_message.Message):
    __slots__ = ("version", "request_digest", "analyst", "decided_ms", "reason")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ANALYST_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    analyst: str
    decided_ms: int
    reason: str
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., analyst: _Optional[str] = ..., decided_ms: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class Witness(_message.Message):
    __slots__ = ("version", "nonce", "witness", "member", "size", "root")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    WITNESS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    version: int
    nonce: bytes
    witness: str
    member: str
    size: int
    root: bytes
    def __init__(self, version: _Optional[int] = ..., nonce: _Optional[bytes] = ..., witness: _Optional[str] = ..., member: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ...) -> None: ...

class Application(_message.Message):
    __slots__ = ("version", "federation", "member", "made_ms", "certificate_request")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MADE_MS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_REQUEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    federation: str
    member: Member
    made_ms: int
    certificate_request: bytes
    def __init__(self, version: _Optional[int] = ..., federation: _Optional[str] = ..., member: _Optional[_Union[Member, _Mapping]] = ..., made_ms: _Optional[int] = ..., certificate_request: _Optional[bytes] = ...) -> None: ...

class Publication(_message.Message):
    __slots__ = ("version", "request_digest", "run", "analyst", "title", "table_digest", "decided_ms")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ANALYST_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TABLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    run: int
    analyst: str
    title: str
    table_digest: bytes
    decided_ms: int
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., run: _Optional[int] = ..., analyst: _Optional[str] = ..., title: _Optional[str] = ..., table_digest: _Optional[bytes] = ..., decided_ms: _Optional[int] = ...) -> None: ...

class SharedRelease(_message.Message):
    __slots__ = ("version", "request_digest", "run", "analyst", "reader", "agreement_digest", "sealed_digest", "decided_ms")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    ANALYST_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEALED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DECIDED_MS_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    run: int
    analyst: str
    reader: str
    agreement_digest: bytes
    sealed_digest: bytes
    decided_ms: int
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., run: _Optional[int] = ..., analyst: _Optional[str] = ..., reader: _Optional[str] = ..., agreement_digest: _Optional[bytes] = ..., sealed_digest: _Optional[bytes] = ..., decided_ms: _Optional[int] = ...) -> None: ...

class SnapshotRef(_message.Message):
    __slots__ = ("dataset", "snapshot", "consent_version")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    snapshot: str
    consent_version: int
    def __init__(self, dataset: _Optional[str] = ..., snapshot: _Optional[str] = ..., consent_version: _Optional[int] = ...) -> None: ...

class Participant(_message.Message):
    __slots__ = ("node", "snapshots")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    node: str
    snapshots: _containers.RepeatedCompositeFieldContainer[SnapshotRef]
    def __init__(self, node: _Optional[str] = ..., snapshots: _Optional[_Iterable[_Union[SnapshotRef, _Mapping]]] = ...) -> None: ...

class Calibration(_message.Message):
    __slots__ = ("cells", "multipliers", "sigma", "node_sigma")
    CELLS_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIERS_FIELD_NUMBER: _ClassVar[int]
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    NODE_SIGMA_FIELD_NUMBER: _ClassVar[int]
    cells: int
    multipliers: _containers.RepeatedScalarFieldContainer[int]
    sigma: int
    node_sigma: int
    def __init__(self, cells: _Optional[int] = ..., multipliers: _Optional[_Iterable[int]] = ..., sigma: _Optional[int] = ..., node_sigma: _Optional[int] = ...) -> None: ...

class HeldHead(_message.Message):
    __slots__ = ("node", "size", "root")
    NODE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    node: str
    size: int
    root: bytes
    def __init__(self, node: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("version", "request_digest", "member", "at_ms", "head", "held", "join_key", "sealed_dummies")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    JOIN_KEY_FIELD_NUMBER: _ClassVar[int]
    SEALED_DUMMIES_FIELD_NUMBER: _ClassVar[int]
    version: int
    request_digest: bytes
    member: str
    at_ms: int
    head: JournalHead
    held: _containers.RepeatedCompositeFieldContainer[HeldHead]
    join_key: bytes
    sealed_dummies: bytes
    def __init__(self, version: _Optional[int] = ..., request_digest: _Optional[bytes] = ..., member: _Optional[str] = ..., at_ms: _Optional[int] = ..., head: _Optional[_Union[JournalHead, _Mapping]] = ..., held: _Optional[_Iterable[_Union[HeldHead, _Mapping]]] = ..., join_key: _Optional[bytes] = ..., sealed_dummies: _Optional[bytes] = ...) -> None: ...

class RoundManifest(_message.Message):
    __slots__ = ("version", "nonce", "request", "plan", "approvals", "epoch", "attempt", "run", "phase", "participants", "helpers", "calibration", "created_ms", "deadline_ms", "readies", "selection")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    APPROVALS_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    PARTICIPANTS_FIELD_NUMBER: _ClassVar[int]
    HELPERS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    CREATED_MS_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    READIES_FIELD_NUMBER: _ClassVar[int]
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    version: int
    nonce: bytes
    request: SignedRecord
    plan: bytes
    approvals: _containers.RepeatedCompositeFieldContainer[SignedRecord]
    epoch: int
    attempt: int
    run: int
    phase: int
    participants: _containers.RepeatedCompositeFieldContainer[Participant]
    helpers: _containers.RepeatedScalarFieldContainer[str]
    calibration: Calibration
    created_ms: int
    deadline_ms: int
    readies: _containers.RepeatedCompositeFieldContainer[SignedRecord]
    selection: SignedRecord
    def __init__(self, version: _Optional[int] = ..., nonce: _Optional[bytes] = ..., request: _Optional[_Union[SignedRecord, _Mapping]] = ..., plan: _Optional[bytes] = ..., approvals: _Optional[_Iterable[_Union[SignedRecord, _Mapping]]] = ..., epoch: _Optional[int] = ..., attempt: _Optional[int] = ..., run: _Optional[int] = ..., phase: _Optional[int] = ..., participants: _Optional[_Iterable[_Union[Participant, _Mapping]]] = ..., helpers: _Optional[_Iterable[str]] = ..., calibration: _Optional[_Union[Calibration, _Mapping]] = ..., created_ms: _Optional[int] = ..., deadline_ms: _Optional[int] = ..., readies: _Optional[_Iterable[_Union[SignedRecord, _Mapping]]] = ..., selection: _Optional[_Union[SignedRecord, _Mapping]] = ...) -> None: ...

class AccountTotal(_message.Message):
    __slots__ = ("scope", "name", "spent")
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    scope: AccountScope
    name: str
    spent: Loss
    def __init__(self, scope: _Optional[_Union[AccountScope, str]] = ..., name: _Optional[str] = ..., spent: _Optional[_Union[Loss, _Mapping]] = ...) -> None: ...

class JournalHead(_message.Message):
    __slots__ = ("member", "size", "root", "totals_digest")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    ROOT_FIELD_NUMBER: _ClassVar[int]
    TOTALS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    member: str
    size: int
    root: bytes
    totals_digest: bytes
    def __init__(self, member: _Optional[str] = ..., size: _Optional[int] = ..., root: _Optional[bytes] = ..., totals_digest: _Optional[bytes] = ...) -> None: ...

class SignedHead(_message.Message):
    __slots__ = ("head", "signature")
    HEAD_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    head: JournalHead
    signature: bytes
    def __init__(self, head: _Optional[_Union[JournalHead, _Mapping]] = ..., signature: _Optional[bytes] = ...) -> None: ...

class Share(_message.Message):
    __slots__ = ("round", "node", "member", "sealed_seed", "vector_digest", "head")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    SEALED_SEED_FIELD_NUMBER: _ClassVar[int]
    VECTOR_DIGEST_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    node: str
    member: str
    sealed_seed: bytes
    vector_digest: bytes
    head: SignedHead
    def __init__(self, round: _Optional[bytes] = ..., node: _Optional[str] = ..., member: _Optional[str] = ..., sealed_seed: _Optional[bytes] = ..., vector_digest: _Optional[bytes] = ..., head: _Optional[_Union[SignedHead, _Mapping]] = ...) -> None: ...

class HelperAnswer(_message.Message):
    __slots__ = ("round", "helper", "survivors", "sealed_digest", "head")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    HELPER_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    SEALED_DIGEST_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    round: bytes
    helper: str
    survivors: _containers.RepeatedScalarFieldContainer[str]
    sealed_digest: bytes
    head: SignedHead
    def __init__(self, round: _Optional[bytes] = ..., helper: _Optional[str] = ..., survivors: _Optional[_Iterable[str]] = ..., sealed_digest: _Optional[bytes] = ..., head: _Optional[_Union[SignedHead, _Mapping]] = ...) -> None: ...

class JournalEntry(_message.Message):
    __slots__ = ("version", "kind", "at_ms", "member", "round", "request_digest", "plan_digest", "agreement_digest", "analyst", "loss", "snapshots", "code", "detail", "survivors", "record_digest")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AT_MS_FIELD_NUMBER: _ClassVar[int]
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    REQUEST_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PLAN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ANALYST_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOTS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    RECORD_DIGEST_FIELD_NUMBER: _ClassVar[int]
    version: int
    kind: JournalKind
    at_ms: int
    member: str
    round: bytes
    request_digest: bytes
    plan_digest: bytes
    agreement_digest: bytes
    analyst: str
    loss: Loss
    snapshots: _containers.RepeatedCompositeFieldContainer[SnapshotRef]
    code: str
    detail: str
    survivors: _containers.RepeatedScalarFieldContainer[str]
    record_digest: bytes
    def __init__(self, version: _Optional[int] = ..., kind: _Optional[_Union[JournalKind, str]] = ..., at_ms: _Optional[int] = ..., member: _Optional[str] = ..., round: _Optional[bytes] = ..., request_digest: _Optional[bytes] = ..., plan_digest: _Optional[bytes] = ..., agreement_digest: _Optional[bytes] = ..., analyst: _Optional[str] = ..., loss: _Optional[_Union[Loss, _Mapping]] = ..., snapshots: _Optional[_Iterable[_Union[SnapshotRef, _Mapping]]] = ..., code: _Optional[str] = ..., detail: _Optional[str] = ..., survivors: _Optional[_Iterable[str]] = ..., record_digest: _Optional[bytes] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("version", "federation_manifest", "agreement", "round_manifest", "survivors", "shares", "answers", "checked_each_vector", "charges")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_MANIFEST_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    ROUND_MANIFEST_FIELD_NUMBER: _ClassVar[int]
    SURVIVORS_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    ANSWERS_FIELD_NUMBER: _ClassVar[int]
    CHECKED_EACH_VECTOR_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    version: int
    federation_manifest: SignedRecord
    agreement: SignedRecord
    round_manifest: RoundManifest
    survivors: _containers.RepeatedScalarFieldContainer[str]
    shares: _containers.RepeatedCompositeFieldContainer[SignedRecord]
    answers: _containers.RepeatedCompositeFieldContainer[SignedRecord]
    checked_each_vector: bool
    charges: _containers.RepeatedCompositeFieldContainer[InclusionProof]
    def __init__(self, version: _Optional[int] = ..., federation_manifest: _Optional[_Union[SignedRecord, _Mapping]] = ..., agreement: _Optional[_Union[SignedRecord, _Mapping]] = ..., round_manifest: _Optional[_Union[RoundManifest, _Mapping]] = ..., survivors: _Optional[_Iterable[str]] = ..., shares: _Optional[_Iterable[_Union[SignedRecord, _Mapping]]] = ..., answers: _Optional[_Iterable[_Union[SignedRecord, _Mapping]]] = ..., checked_each_vector: _Optional[bool] = ..., charges: _Optional[_Iterable[_Union[InclusionProof, _Mapping]]] = ...) -> None: ...

class InclusionProof(_message.Message):
    __slots__ = ("member", "index", "entry", "path", "head")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    member: str
    index: int
    entry: bytes
    path: _containers.RepeatedScalarFieldContainer[bytes]
    head: SignedHead
    def __init__(self, member: _Optional[str] = ..., index: _Optional[int] = ..., entry: _Optional[bytes] = ..., path: _Optional[_Iterable[bytes]] = ..., head: _Optional[_Union[SignedHead, _Mapping]] = ...) -> None: ...
