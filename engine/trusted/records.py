"""The records people and machines sign, and what a journal holds.

Signatures are over the exact bytes of a record (``SignedRecord.payload``), never over a re-encoding. Times are
milliseconds since 1970-01-01 UTC; digests are SHA-256; keys are raw Ed25519 or X25519 public keys.

Generated from governance.proto by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from engine.trusted.catalogue import Catalogue
from engine.trusted.literal import Literal

RECORD_VERSION = 1


class RecordKind(enum.Enum):
    FEDERATION_MANIFEST = 1
    AGREEMENT = 2
    REQUEST = 3
    APPROVAL = 4
    REVOCATION = 5
    ROUND_MANIFEST = 6
    READY = 7
    JOURNAL_HEAD = 8
    SHARE = 9
    HELPER_ANSWER = 10
    RECEIPT = 11
    PAUSE = 12
    SELECTION = 13
    WITNESS = 14
    WITHDRAWAL = 15
    APPLICATION = 16
    PUBLICATION = 17
    SHARED_RELEASE = 18


class Role(enum.Enum):
    COORDINATOR = 1
    NODE = 2
    HELPER = 3
    ANALYST = 4
    GUARDIAN = 5
    POLICY_OFFICER = 6
    AUDITOR = 7


class AccountScope(enum.Enum):
    IDENTIFIER = 1
    DATASET = 2
    AGREEMENT_ACCOUNT = 3
    ANALYST_ACCOUNT = 4
    SHARE_ACCOUNT = 5  # one analyst's share of a dataset; the cap names the dataset


class Operation(enum.Enum):
    AGGREGATE = 1
    QUANTILE = 2
    KEY_SELECTION = 3
    PRIVATE_JOIN = 4


class LegalGateway(enum.Enum):
    PUBLIC_SERVICE_DELIVERY = 1
    CIVIL_REGISTRATION = 2
    DEBT = 3
    FRAUD = 4
    RESEARCH = 5
    STATISTICS = 6
    OTHER_GATEWAY = 7


class Decision(enum.Enum):
    APPROVED = 1
    REFUSED = 2


class JournalKind(enum.Enum):
    OPENED = 1
    CHARGED = 2
    REPLIED = 3
    ROUND_REFUSED = 4
    ANSWERED_AS_HELPER = 5
    AGREEMENT_STORED = 6
    AGREEMENT_REVOKED = 7
    SNAPSHOT_TAKEN = 8
    PAUSED = 9
    RESUMED = 10
    MANIFEST_STORED = 11
    REQUESTED = 12  # from here on: a coordinator's
    DECIDED = 13
    RELEASED_TO_ANALYST = 14
    REQUEST_ENDED = 15
    PUBLISHED = 16
    SHARED = 17


@dataclass(frozen=True, slots=True)
class Loss:
    """zCDP (rho, delta), exact: rho in 1e-9, delta in 1e-18."""

    rho_billionths: int
    delta_quintillionths: int


@dataclass(frozen=True, slots=True)
class Signature:
    signer: str  # a member's or root key's name in the federation manifest
    signature: bytes  # Ed25519 over "splittally.v1." + kind + NUL + payload


@dataclass(frozen=True, slots=True)
class SignedRecord:
    kind: RecordKind
    payload: bytes  # the exact bytes of the record
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    body: str  # the organisation
    roles: tuple[Role, ...]
    signing_key: bytes  # Ed25519, 32 bytes
    sealing_key: bytes  # X25519, 32 bytes; nodes, helpers and analysts
    department: str  # guardians: the node they answer for


@dataclass(frozen=True, slots=True)
class RootKey:
    name: str
    signing_key: bytes


@dataclass(frozen=True, slots=True)
class AccountCap:
    scope: AccountScope
    name: str  # empty: every account of that scope
    period_days: int  # 0: no period cap
    period: Loss | None
    lifetime: Loss


@dataclass(frozen=True, slots=True)
class Rules:
    n_min: int  # 0: all hosts of the plan
    f: int
    max_keys: int  # values an integer or date key may have
    max_cells: int
    caps: tuple[AccountCap, ...]
    committee: int  # members with the analyst, at least 3


@dataclass(frozen=True, slots=True)
class FederationManifest:
    version: int
    federation: str
    epoch: int
    issued_ms: int
    until_ms: int  # stale after this; closed when the grace is over
    grace_seconds: int
    root_keys: tuple[RootKey, ...]
    root_threshold: int
    members: tuple[Member, ...]
    rules: Rules
    catalogue: Catalogue


@dataclass(frozen=True, slots=True)
class DatasetScope:
    dataset: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    version: int
    name: str
    edition: int
    title: str
    purpose: str
    legal_gateway: LegalGateway
    legal_gateway_detail: str
    necessity: str
    parties: tuple[str, ...]  # bodies
    analysts: tuple[str, ...]  # member names
    scope: tuple[DatasetScope, ...]
    operations: tuple[Operation, ...]
    dpia_reference: str
    dpia_outcome: str
    consent_basis: str
    budget: Loss  # at each node
    per_plan: Loss  # most that one attempt may cost
    from_ms: int
    until_ms: int
    decided_by: str
    end_clause: str
    retention_days: int
    federation: str
    lawful_basis: str = ""  # of each party, under UK GDPR
    special_category: str = ""  # condition for special category or criminal data, or that there is none
    controllers: str = ""  # joint or separate, and who answers for what
    contacts: str = ""  # of each party
    dpo_view: str = ""  # what data protection officers said
    security: str = ""
    rights: str = ""  # how persons use theirs
    benefits: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """The analyst's signed wish to run one plan under one agreement."""

    version: int
    nonce: bytes  # 16 bytes
    federation: str
    analyst: str
    plan_digest: bytes
    agreement_digest: bytes
    loss: Loss  # price of one attempt
    n_min: int
    f: int
    committee: int
    sealing_key: bytes  # X25519 public key the answers are sealed to
    created_ms: int
    expires_ms: int
    max_attempts: int
    runs: int
    purpose: str  # why this question is asked, in words
    selection: Loss | None = None  # price of choosing keys, at each node; present if the plan has a selected key


@dataclass(frozen=True, slots=True)
class KeyList:
    """What the analyst's machine makes of the keys that the nodes chose; sealed to each host, never in the clear."""

    salt: bytes  # 32 random bytes, so that the digest says nothing about the keys
    values: tuple[Literal, ...]  # distinct; those that stand for nothing fill the list up


@dataclass(frozen=True, slots=True)
class Selection:
    """The keys of a second phase, signed by the analyst of the request."""

    version: int
    request_digest: bytes
    length: int  # of the list
    keys_digest: bytes  # SHA-256 of the KeyList


@dataclass(frozen=True, slots=True)
class Approval:
    version: int
    request_digest: bytes
    guardian: str
    node: str
    decision: Decision
    reason: str
    decided_ms: int
    expires_ms: int
    shown_digest: bytes  # SHA-256 of the page the guardian was shown


@dataclass(frozen=True, slots=True)
class Revocation:
    version: int
    agreement_digest: bytes
    party: str
    decided_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A guardian stops a node, or lets it go on. The newest by ``decided_ms`` holds."""

    version: int
    node: str
    guardian: str
    paused: bool
    decided_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An analyst takes a request back before it is answered."""

    version: int
    request_digest: bytes
    analyst: str
    decided_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Witness:
    """What a member says of another one's journal: the newest head it holds. Size 0: none."""

    version: int
    nonce: bytes  # of the member that asks
    witness: str
    member: str  # whose journal
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Application:
    """A member's own statement of its keys, signed with them: to join a federation, or to replace its keys."""

    version: int
    federation: str
    member: Member
    made_ms: int
    certificate_request: bytes  # PKCS #10, DER


@dataclass(frozen=True, slots=True)
class Publication:
    """An analyst makes a release public."""

    version: int
    request_digest: bytes
    run: int
    analyst: str
    title: str
    table_digest: bytes  # SHA-256 of the published CSV
    decided_ms: int


@dataclass(frozen=True, slots=True)
class SharedRelease:
    """A release, sealed by the analyst who holds it to another analyst of the same agreement."""

    version: int
    request_digest: bytes
    run: int
    analyst: str
    reader: str
    agreement_digest: bytes
    sealed_digest: bytes  # SHA-256 of the sealed release
    decided_ms: int


@dataclass(frozen=True, slots=True)
class SnapshotRef:
    dataset: str
    snapshot: str
    consent_version: int


@dataclass(frozen=True, slots=True)
class Participant:
    node: str
    snapshots: tuple[SnapshotRef, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    cells: int  # without the check cell
    multipliers: tuple[int, ...]  # one a measure: ring units for one step
    sigma: int  # of the release, in ring units
    node_sigma: int  # of one node's share


@dataclass(frozen=True, slots=True)
class HeldHead:
    node: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Ready:
    version: int
    request_digest: bytes
    member: str
    at_ms: int
    head: JournalHead
    held: tuple[HeldHead, ...]
    join_key: bytes = b""  # private join: X25519 public key, drawn for this one round
    sealed_dummies: bytes = b""  # an owner's: how many matched dummies it adds, sealed to the other owner


@dataclass(frozen=True, slots=True)
class RoundManifest:
    """One run of a plan over a fixed set of nodes. round = SHA-256 of these bytes."""

    version: int
    nonce: bytes
    request: SignedRecord
    plan: bytes
    approvals: tuple[SignedRecord, ...]
    epoch: int
    attempt: int  # from 1
    run: int  # from 1
    phase: int  # from 1; key selection has two
    participants: tuple[Participant, ...]
    helpers: tuple[str, ...]  # committee without the analyst, in order
    calibration: Calibration
    created_ms: int
    deadline_ms: int
    readies: tuple[SignedRecord, ...]
    selection: SignedRecord | None = None  # kind SELECTION; in the second phase


@dataclass(frozen=True, slots=True)
class AccountTotal:
    scope: AccountScope
    name: str
    spent: Loss


@dataclass(frozen=True, slots=True)
class JournalHead:
    member: str
    size: int
    root: bytes
    totals_digest: bytes  # SHA-256 over the ledger's totals and answered rounds


@dataclass(frozen=True, slots=True)
class SignedHead:
    head: JournalHead
    signature: bytes


@dataclass(frozen=True, slots=True)
class Share:
    """What a node signs for each committee member of a round."""

    round: bytes
    node: str
    member: str  # committee member the seed is sealed to
    sealed_seed: bytes
    vector_digest: bytes  # SHA-256 of the masked vector's bytes
    head: SignedHead


@dataclass(frozen=True, slots=True)
class HelperAnswer:
    round: bytes
    helper: str
    survivors: tuple[str, ...]
    sealed_digest: bytes  # SHA-256 of the sealed sum of the survivors' masks
    head: SignedHead


@dataclass(frozen=True, slots=True)
class JournalEntry:
    version: int
    kind: JournalKind
    at_ms: int
    member: str
    round: bytes
    request_digest: bytes
    plan_digest: bytes
    agreement_digest: bytes
    analyst: str
    loss: Loss | None
    snapshots: tuple[SnapshotRef, ...]
    code: str
    detail: str  # never a value from data
    survivors: tuple[str, ...]
    record_digest: bytes = b""  # of a signed record that was stored


@dataclass(frozen=True, slots=True)
class Receipt:
    """Enough to check a release offline with the federation's root keys alone."""

    version: int
    federation_manifest: SignedRecord
    agreement: SignedRecord
    round_manifest: RoundManifest
    survivors: tuple[str, ...]
    shares: tuple[SignedRecord, ...]  # one a survivor, addressed to the analyst
    answers: tuple[SignedRecord, ...]  # one a helper, masks left out
    checked_each_vector: bool  # false: the coordinator sent the sum only
    charges: tuple[InclusionProof, ...]


@dataclass(frozen=True, slots=True)
class InclusionProof:
    member: str
    index: int
    entry: bytes
    path: tuple[bytes, ...]
    head: SignedHead
