"""What a register is made from, and what of it holds: every record by its signatures, every journal by its root.

Whoever makes a register trusts the root keys of the own home, and nobody else. A record counts if it is validly signed
under the manifest in force or under an older one that the roots signed (keys rotate; what was signed stays signed).
What does not hold is named in the register, and nothing of it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from engine.errors import Refused, SplittallyError, require
from engine.governance import journal_file
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import QueuedRequest, RegisterPart, RequestStatus
from engine.trusted.plan import Plan
from engine.trusted.records import (
    Agreement,
    Approval,
    JournalEntry,
    Pause,
    Publication,
    RecordKind,
    Request,
    Revocation,
    Role,
    RootKey,
    SignedHead,
    SignedRecord,
    Withdrawal,
)
from engine.trusted.sign import (
    Roster,
    decoded,
    open_agreement,
    open_approval,
    open_head,
    open_manifest,
    open_pause,
    open_request,
    open_revocation,
    require_signed_by,
)
from engine.trusted.verify import verify_plan

_T = TypeVar("_T")
KEEPING = (Role.NODE, Role.HELPER, Role.COORDINATOR)  # who keeps a journal
Fetch = Callable[[str], tuple[SignedHead, tuple[bytes, ...]]]  # a member's journal; raises if there is none


@dataclass(frozen=True, slots=True)
class Sources:
    """As handed over, nothing verified."""

    manifest: SignedRecord
    roots: tuple[RootKey, ...]
    requests: tuple[QueuedRequest, ...]
    records: tuple[SignedRecord, ...]
    contrary: tuple[SignedHead, ...]
    journals: Mapping[str, tuple[SignedHead, tuple[bytes, ...]]]


@dataclass(frozen=True, slots=True)
class Kept:
    """A member's journal. ``state``: sound, forked, unsound or missing; entries of the first two are used."""

    member: str
    roles: tuple[Role, ...]
    state: str
    code: str = ""
    head: SignedHead | None = None
    entries: tuple[JournalEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that its analyst signed. ``plan`` None: it is not one that ``roster``'s catalogue allows."""

    digest: bytes
    request: Request
    plan: Plan | None
    roster: Roster
    status: RequestStatus


@dataclass(slots=True)
class Evidence:
    """What holds. Records by the digest of their payload; ``unsound``: what does not, with a code."""

    roster: Roster
    requests: dict[bytes, Asked] = field(default_factory=dict)
    agreements: dict[bytes, Agreement] = field(default_factory=dict)
    revocations: dict[bytes, Revocation] = field(default_factory=dict)
    approvals: dict[bytes, Approval] = field(default_factory=dict)
    withdrawals: dict[bytes, Withdrawal] = field(default_factory=dict)
    pauses: dict[bytes, Pause] = field(default_factory=dict)
    publications: dict[bytes, Publication] = field(default_factory=dict)
    manifests: set[bytes] = field(default_factory=set)
    journals: dict[str, Kept] = field(default_factory=dict)
    unsound: list[tuple[bytes, RecordKind, str]] = field(default_factory=list)

    def known(self) -> set[bytes]:
        """Digests of all records at hand that hold, but requests."""
        return {
            *self.manifests, *self.agreements, *self.revocations, *self.approvals,
            *self.withdrawals, *self.pauses, *self.publications,
        }  # fmt: skip


def gathered(home: Home, parts: Iterable[RegisterPart], fetch: Fetch) -> Sources:
    """Everything, with the journals of all members of every manifest that the home's roots signed."""
    requests, records, contrary = list[QueuedRequest](), list[SignedRecord](), list[SignedHead]()
    for part in parts:
        requests += part.requests
        records += part.records
        contrary += part.contrary
    manifest, journals = home.manifest_record(), {}
    for roster in _rosters(manifest, records, home.roots()):
        for member in roster.manifest.members:
            if set(KEEPING) & set(member.roles) and member.name not in journals:
                try:
                    journals[member.name] = fetch(member.name)
                except SplittallyError as error:
                    if error.code not in ("NODE_JOURNAL_NOT_YET", "POLICY_UNKNOWN_MEMBER"):
                        raise
    return Sources(manifest, home.roots(), tuple(requests), tuple(records), tuple(contrary), journals)


def _rosters(manifest: SignedRecord, records: Iterable[SignedRecord], roots: tuple[RootKey, ...]) -> tuple[Roster, ...]:
    """Of the manifest in force, then of older ones that the roots signed, newest first."""
    current = Roster(open_manifest(manifest, roots))
    older = []
    for record in records:
        if record.kind is RecordKind.FEDERATION_MANIFEST and record.payload != manifest.payload:
            try:
                opened = open_manifest(record, roots)
            except Refused:
                continue
            if opened.federation == current.manifest.federation and opened.epoch < current.manifest.epoch:
                older.append(Roster(opened))
    return (current, *sorted(older, key=lambda roster: -roster.manifest.epoch))


def verified(sources: Sources) -> Evidence:
    """What of the sources holds."""
    rosters = _rosters(sources.manifest, sources.records, sources.roots)
    found = Evidence(rosters[0])
    found.manifests = {wire.digest(sources.manifest.payload)}
    ordered = sorted(sources.records, key=lambda record: record.kind is not RecordKind.AGREEMENT)
    for record in ordered:
        _keep(record, rosters, sources.roots, found)
    for queued in sources.requests:
        _ask(queued, rosters, found)
        for record in queued.decisions:
            _keep(record, rosters, sources.roots, found)
    manifests = [r for r in sources.records if r.kind is RecordKind.FEDERATION_MANIFEST]
    for member, roles in _keepers(rosters).items():
        found.journals[member] = _journal(member, roles, sources, manifests)
    return found


def _keepers(rosters: Sequence[Roster]) -> dict[str, tuple[Role, ...]]:
    """Members that keep a journal, now or before."""
    seats = [m for roster in rosters for m in roster.manifest.members if set(KEEPING) & set(m.roles)]
    return {m.name: m.roles for m in reversed(seats)}


def _keep(record: SignedRecord, rosters: Sequence[Roster], roots: tuple[RootKey, ...], found: Evidence) -> None:
    digest = wire.digest(record.payload)
    table: dict[RecordKind, tuple[dict[bytes, Any], Callable[[SignedRecord, Roster], Any]]] = {
        RecordKind.AGREEMENT: (found.agreements, open_agreement),
        RecordKind.REVOCATION: (found.revocations, lambda r, roster: _open_revocation(r, roster, found.agreements)),
        RecordKind.APPROVAL: (found.approvals, open_approval),
        RecordKind.WITHDRAWAL: (found.withdrawals, lambda r, roster: _by_analyst(r, roster, Withdrawal)),
        RecordKind.PAUSE: (found.pauses, open_pause),
        RecordKind.PUBLICATION: (found.publications, lambda r, roster: _by_analyst(r, roster, Publication)),
    }
    try:
        if record.kind is RecordKind.FEDERATION_MANIFEST:
            open_manifest(record, roots)
            found.manifests.add(digest)
            return
        require(record.kind in table, "POLICY_RECORD_INVALID")
        held, opens = table[record.kind]
        held[digest] = _under_any(rosters, lambda roster: opens(record, roster))[0]
    except Refused as refused:
        found.unsound.append((digest, record.kind, refused.code))


def _under_any(rosters: Sequence[Roster], opens: Callable[[Roster], _T]) -> tuple[_T, Roster]:
    """What opens under the newest manifest that it does under; else the refusal of the one in force."""
    first: Refused | None = None
    for roster in rosters:
        try:
            return opens(roster), roster
        except Refused as refused:
            first = first or refused
    raise first or Refused("POLICY_RECORD_INVALID")


def _open_revocation(record: SignedRecord, roster: Roster, agreements: Mapping[bytes, Agreement]) -> Revocation:
    digest = decoded(record, RecordKind.REVOCATION, Revocation).agreement_digest
    require(digest in agreements, "POLICY_AGREEMENT_UNKNOWN")
    return open_revocation(record, roster, agreements[digest])


def _by_analyst(record: SignedRecord, roster: Roster, kind: type[_T]) -> _T:
    said = decoded(record, record.kind, kind)
    require_signed_by(record, roster.require(said.analyst, Role.ANALYST))  # type: ignore[attr-defined]
    return said


def _ask(queued: QueuedRequest, rosters: Sequence[Roster], found: Evidence) -> None:
    submission, digest = queued.submission, wire.digest(queued.submission.request.payload)
    try:
        request, roster = _under_any(rosters, lambda roster: open_request(submission.request, roster))
        require(wire.digest(submission.plan) == request.plan_digest, "POLICY_PLAN_DIFFERS")
        require(queued.status.request_digest == digest, "POLICY_RECORD_INVALID")
        plan: Plan = wire.decode(Plan, submission.plan, wire.PLAN_BYTES)
    except Refused as refused:
        found.unsound.append((digest, RecordKind.REQUEST, refused.code))
        return
    bound = [r for r in rosters if wire.digest(wire.encode(r.manifest.catalogue)) == plan.catalogue_digest]
    try:
        require(bool(bound), "POLICY_CATALOGUE_DIFFERS")
        roster = bound[0]
        verify_plan(plan, roster.manifest.catalogue, roster.manifest.rules)
        found.requests[digest] = Asked(digest, request, plan, roster, queued.status)
    except Refused:
        found.requests[digest] = Asked(digest, request, None, roster, queued.status)


def _journal(member: str, roles: tuple[Role, ...], sources: Sources, older: Sequence[SignedRecord]) -> Kept:
    """A journal holds under the manifest that names the key of its head."""
    if member not in sources.journals:
        return Kept(member, roles, "missing", "NODE_JOURNAL_NOT_YET")
    head, entries = sources.journals[member]
    code = ""
    for manifest in (sources.manifest, *older):
        journal = journal_file.Journal(manifest, head, entries)
        try:
            require(head.head.member == member, "POLICY_RECORD_INVALID")
            journal_file.verify(journal, sources.roots)
            forked = _is_forked(journal, sources)
            state = ("forked", "POLICY_HEAD_FORKED") if forked else ("sound", "")
            return Kept(member, roles, *state, head, journal.decoded())
        except Refused as refused:
            code = code or refused.code
    return Kept(member, roles, "unsound", code)


def _is_forked(journal: journal_file.Journal, sources: Sources) -> bool:
    """Whether a head that the member itself signed says another history."""
    roster = Roster(open_manifest(journal.manifest, sources.roots))
    for head in sources.contrary:
        if head.head.member != journal.member:
            continue
        try:
            open_head(head, roster)
        except Refused:
            continue
        return True
    return False
