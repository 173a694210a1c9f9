"""Ed25519 signatures over the exact bytes of a record, and who may sign what.

Claim: an ``open_*`` function returns a record only if the members that its kind asks for signed exactly these bytes
       as that kind of record; nothing else makes a record trusted.
Because: the signed message is "splittally.v1." + kind + NUL + payload, so a signature on one kind is none on another;
         keys and roles come only from the manifest, the manifest only from pinned root keys; the canonical decoding
         (wire.py) makes the bytes and the record one thing.
Checked by: tests/trusted_crypto/test_sign.py::test_a_signature_on_one_kind_is_none_on_another
            tests/trusted_crypto/test_sign.py::test_any_changed_byte_is_refused
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.errors import Refused, require
from engine.trusted import records, wire
from engine.trusted.records import Agreement, Member, RecordKind, Request, Role, Signature, SignedRecord

KEY_BYTES = 32
NONCE_BYTES = 16
FAR_MS = 253_370_764_800_000  # the year 9999
_SEALED_TO = (Role.NODE, Role.HELPER, Role.ANALYST)
_Record = TypeVar("_Record")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A member's or root's Ed25519 key. Its text form shows the name only, and nothing gives the secret out again."""

    name: str
    _key: Ed25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, name: str, raw: bytes) -> SigningKey:
        """The key of 32 raw bytes."""
        return cls(name, Ed25519PrivateKey.from_private_bytes(raw))

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, kind: RecordKind, payload: bytes) -> Signature:
        return Signature(self.name, self._key.sign(_message(kind, payload)))


def _message(kind: RecordKind, payload: bytes) -> bytes:
    return b"splittally.v1." + kind.name.lower().encode() + b"\0" + payload


def signed(kind: RecordKind, payload: bytes, *keys: SigningKey) -> SignedRecord:
    """``payload`` with one signature of each key."""
    return SignedRecord(kind, payload, tuple(key.sign(kind, payload) for key in keys))


def sign_head(head: records.JournalHead, key: SigningKey) -> records.SignedHead:
    """A journal head with its member's signature."""
    return records.SignedHead(head, key.sign(RecordKind.JOURNAL_HEAD, wire.encode(head)).signature)


def verify_signature(kind: RecordKind, payload: bytes, signature: Signature, public_key: bytes) -> None:
    """Raises Refused POLICY_SIGNATURE_INVALID unless ``public_key`` signed ``payload`` as ``kind``."""
    try:
        _verify(public_key, signature.signature, _message(kind, payload))
    except (InvalidSignature, ValueError):
        raise Refused("POLICY_SIGNATURE_INVALID", name=signature.signer) from None


@lru_cache(maxsize=1024)
def _verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Remembers what held for exactly these bytes (a request is looked at by several duties); never a failure."""
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)


@dataclass(frozen=True, slots=True)
class Roster:
    """The members of one manifest, by name.

    Claim: names and signing keys are unique, keys have the right length, every guardian answers for a node of the
           manifest and every host of a dataset is one.
    Because: construction refuses anything else (POLICY_MANIFEST_INVALID).
    Checked by: tests/trusted_crypto/test_sign.py::test_a_roster_refuses_a_manifest_that_contradicts_itself
    """

    manifest: records.FederationManifest
    _members: dict[str, Member] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        members = self.manifest.members
        object.__setattr__(self, "_members", {m.name: m for m in members})
        nodes = {m.name for m in members if Role.NODE in m.roles}
        hosts = {host for dataset in self.manifest.catalogue.datasets for host in dataset.hosts}
        unique = len(self._members) == len(members) == len({m.signing_key for m in members})
        sound = unique and hosts <= nodes and all(_well_formed(m, nodes) for m in members)
        require(sound, "POLICY_MANIFEST_INVALID")

    def member(self, name: str) -> Member:
        """Raises Refused POLICY_UNKNOWN_MEMBER."""
        require(name in self._members, "POLICY_UNKNOWN_MEMBER", name=name)
        return self._members[name]

    def require(self, name: str, role: Role) -> Member:
        """The member of that name if it has the role; else Refused POLICY_UNKNOWN_MEMBER."""
        member = self.member(name)
        require(role in member.roles, "POLICY_UNKNOWN_MEMBER", name=name)
        return member


def _well_formed(member: Member, nodes: set[str]) -> bool:
    sealed_to = any(role in member.roles for role in _SEALED_TO)
    return (
        bool(member.name and member.roles)
        and len(member.signing_key) == KEY_BYTES
        and len(member.sealing_key) in ((KEY_BYTES,) if sealed_to else (0, KEY_BYTES))
        and (member.department in nodes or Role.GUARDIAN not in member.roles)
    )


def decoded(record: SignedRecord, kind: RecordKind, form: type[_Record]) -> _Record:
    """The payload as ``form``, once kind and version are right; nothing is trusted yet. POLICY_RECORD_INVALID."""
    require(record.kind is kind, "POLICY_RECORD_INVALID")
    decoded: _Record = wire.decode(form, record.payload)
    version = getattr(decoded, "version", records.RECORD_VERSION)
    require(version == records.RECORD_VERSION, "POLICY_RECORD_INVALID")
    return decoded


def require_signed_by(record: SignedRecord, member: Member) -> None:
    """Raises Refused POLICY_SIGNATURE_INVALID unless the member, and nobody else, signed the record."""
    signers = tuple(s.signer for s in record.signatures)
    require(signers == (member.name,), "POLICY_SIGNATURE_INVALID", name=member.name)
    verify_signature(record.kind, record.payload, record.signatures[0], member.signing_key)


def open_manifest(record: SignedRecord, pinned: tuple[records.RootKey, ...]) -> records.FederationManifest:
    """The federation manifest that enough of the ``pinned`` root keys signed.

    Claim: at least max(root_threshold, a majority of the pinned keys) distinct pinned keys signed these bytes.
    Because: signers are counted by pinned key, each once; a majority floor means that no two disjoint groups of roots
             can sign rival manifests, and that a manifest cannot lower its own bar below that.
    Checked by: tests/trusted_crypto/test_sign.py::test_a_manifest_needs_k_distinct_pinned_roots
    """
    manifest = decoded(record, RecordKind.FEDERATION_MANIFEST, records.FederationManifest)
    needed = max(manifest.root_threshold, len(pinned) // 2 + 1)
    signers = _signers(record, {root.name: root.signing_key for root in pinned})
    require(len(signers) >= needed, "POLICY_MANIFEST_UNSIGNED")
    require(manifest.catalogue.federation == manifest.federation, "POLICY_MANIFEST_INVALID")
    return manifest


def require_current(manifest: records.FederationManifest, now_ms: int) -> None:
    """Raises Refused POLICY_MANIFEST_STALE once ``until_ms`` and the grace have passed."""
    require(now_ms <= manifest.until_ms + 1000 * manifest.grace_seconds, "POLICY_MANIFEST_STALE")


def open_agreement(record: SignedRecord, roster: Roster) -> Agreement:
    """The agreement, signed by a policy officer and a guardian of each node that hosts a dataset in scope.

    Claim: nobody's rows are under an agreement that a guardian of that node did not sign.
    Because: the hosts come from the signed catalogue; a guardian counts only for the node it answers for.
    Checked by: tests/trusted_crypto/test_sign.py::test_an_agreement_needs_an_officer_and_each_hosts_guardian
    """
    agreement = decoded(record, RecordKind.AGREEMENT, Agreement)
    known = {m.name: m.signing_key for m in roster.manifest.members}
    signers = [roster.member(name) for name in _signers(record, known)]
    require(agreement.federation == roster.manifest.federation, "POLICY_AGREEMENT_INVALID")
    require(re.fullmatch("[a-z][a-z0-9-]{0,62}", agreement.name) is not None, "POLICY_AGREEMENT_INVALID")
    officers = [s for s in signers if Role.POLICY_OFFICER in s.roles]
    require(bool(officers), "POLICY_AGREEMENT_UNSIGNED", name="a policy officer")
    guarded = {s.department for s in signers if Role.GUARDIAN in s.roles}
    for host in sorted(hosts_of(agreement, roster)):
        require(host in guarded, "POLICY_AGREEMENT_UNSIGNED", name=f"a guardian of {host}")
    return agreement


def hosts_of(agreement: Agreement, roster: Roster) -> frozenset[str]:
    """The nodes that host a dataset in scope; POLICY_AGREEMENT_INVALID for an empty scope or an unknown dataset."""
    datasets = [roster.manifest.catalogue.dataset(scope.dataset) for scope in agreement.scope]
    require(bool(datasets) and None not in datasets, "POLICY_AGREEMENT_INVALID")
    return frozenset(host for dataset in datasets if dataset for host in dataset.hosts)


def require_in_force(agreement: Agreement, now_ms: int) -> None:
    """Raises Refused POLICY_AGREEMENT_NOT_YET or POLICY_AGREEMENT_EXPIRED outside [from_ms, until_ms)."""
    require(agreement.from_ms <= now_ms, "POLICY_AGREEMENT_NOT_YET")
    require(now_ms < agreement.until_ms, "POLICY_AGREEMENT_EXPIRED")


def open_request(record: SignedRecord, roster: Roster) -> Request:
    """The request, signed by the analyst it names. Its expiry is the caller's to check."""
    request = decoded(record, RecordKind.REQUEST, Request)
    require_signed_by(record, roster.require(request.analyst, Role.ANALYST))
    require(request.federation == roster.manifest.federation, "POLICY_RECORD_INVALID")
    require((len(request.nonce), len(request.sealing_key)) == (NONCE_BYTES, KEY_BYTES), "POLICY_RECORD_INVALID")
    require(request.created_ms < request.expires_ms <= FAR_MS, "POLICY_RECORD_INVALID")
    require(min(request.max_attempts, request.runs) >= 1, "POLICY_RECORD_INVALID")
    return request


def open_approval(record: SignedRecord, roster: Roster) -> records.Approval:
    """A guardian's decision, signed by the guardian it names, for the node that guardian answers for."""
    approval = decoded(record, RecordKind.APPROVAL, records.Approval)
    guardian = roster.require(approval.guardian, Role.GUARDIAN)
    require_signed_by(record, guardian)
    require(max(approval.decided_ms, approval.expires_ms) <= FAR_MS, "POLICY_RECORD_INVALID")
    require(guardian.department == approval.node, "POLICY_UNKNOWN_MEMBER", name=approval.guardian)
    return approval


def open_revocation(record: SignedRecord, roster: Roster, of: Agreement | str) -> records.Revocation:
    """The end of an agreement, signed by a policy officer or by a guardian of a node that hosts a dataset in scope.

    Where the agreement is not known yet, ``of`` is the node that asks, and a guardian's word is for that node alone.

    Claim: either side of an agreement can end it, and nobody else.
    Because: the hosts come from the signed catalogue; a guardian counts only for the node it answers for.
    Checked by: tests/trusted_crypto/test_sign.py::test_an_agreement_is_revoked_by_either_side_only
    """
    revocation = decoded(record, RecordKind.REVOCATION, records.Revocation)
    party = roster.member(revocation.party)
    require_signed_by(record, party)
    code = "POLICY_AGREEMENT_UNKNOWN" if isinstance(of, str) else "POLICY_UNKNOWN_MEMBER"
    hosts = {of} if isinstance(of, str) else hosts_of(of, roster)
    guards = Role.GUARDIAN in party.roles and party.department in hosts
    require(guards or Role.POLICY_OFFICER in party.roles, code, name=party.name)
    return revocation


def open_pause(record: SignedRecord, roster: Roster) -> records.Pause:
    """A guardian's stop or go for the node that guardian answers for."""
    pause = decoded(record, RecordKind.PAUSE, records.Pause)
    guardian = roster.require(pause.guardian, Role.GUARDIAN)
    require_signed_by(record, guardian)
    require(guardian.department == pause.node, "POLICY_UNKNOWN_MEMBER", name=pause.guardian)
    return pause


def open_witness(record: SignedRecord, roster: Roster) -> records.Witness:
    """What a member says of another one's journal, signed by the member it names."""
    witness = decoded(record, RecordKind.WITNESS, records.Witness)
    require_signed_by(record, roster.member(witness.witness))
    return witness


def open_ready(record: SignedRecord, roster: Roster) -> records.Ready:
    """The readiness of a helper, or of an owner in a private join, signed by the member it names, with its own head."""
    ready = decoded(record, RecordKind.READY, records.Ready)
    member = roster.member(ready.member)
    require(bool({Role.HELPER, Role.NODE} & set(member.roles)), "POLICY_UNKNOWN_MEMBER", name=member.name)
    require_signed_by(record, member)
    require(ready.head.member == ready.member, "POLICY_RECORD_INVALID")
    return ready


def open_selection(record: SignedRecord, roster: Roster, analyst: str) -> records.Selection:
    """What the analyst says of the keys of a second phase."""
    selection = decoded(record, RecordKind.SELECTION, records.Selection)
    require_signed_by(record, roster.require(analyst, Role.ANALYST))
    return selection


def open_share(record: SignedRecord, roster: Roster) -> records.Share:
    """A node's share for one committee member, signed by the node it names, with that node's signed head."""
    share = decoded(record, RecordKind.SHARE, records.Share)
    require_signed_by(record, roster.require(share.node, Role.NODE))
    require(open_head(share.head, roster).member == share.node, "POLICY_RECORD_INVALID")
    return share


def open_answer(record: SignedRecord, roster: Roster) -> records.HelperAnswer:
    """A helper's answer, signed by the helper it names, with that helper's signed head."""
    answer = decoded(record, RecordKind.HELPER_ANSWER, records.HelperAnswer)
    require_signed_by(record, roster.require(answer.helper, Role.HELPER))
    require(open_head(answer.head, roster).member == answer.helper, "POLICY_RECORD_INVALID")
    return answer


def open_head(signed_head: records.SignedHead, roster: Roster) -> records.JournalHead:
    """A journal head, signed by the member it names.

    Claim: re-encoding the head gives the bytes that were signed.
    Because: a head is only ever read by wire.decode, which accepts nothing but the canonical bytes.
    Checked by: tests/trusted_crypto/test_sign.py::test_a_head_is_signed_by_the_member_it_names
    """
    head = signed_head.head
    member = roster.member(head.member)
    signature = Signature(head.member, signed_head.signature)
    verify_signature(RecordKind.JOURNAL_HEAD, wire.encode(head), signature, member.signing_key)
    return head


def _signers(record: SignedRecord, keys: dict[str, bytes]) -> tuple[str, ...]:
    """Names of those of ``keys`` that signed, each once, one for each distinct key; a wrong signature is refused."""
    found: dict[bytes, str] = {}
    for signature in record.signatures:
        key = keys.get(signature.signer)
        if key is not None:
            verify_signature(record.kind, record.payload, signature, key)
            found[key] = signature.signer
    return tuple(found.values())
