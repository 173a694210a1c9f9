"""The next federation manifest: who is a member, which rules hold, whose root keys are pinned; one epoch after another.

Each change takes the manifest before and gives the one after; ``issue`` signs it with the root homes at hand. A
manifest that still lacks signatures travels as a file from root to root. Each root signs one manifest an epoch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import BadFile, Refused, require
from engine.governance import homes
from engine.governance.application import NAME
from engine.trusted import sign, wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.records import (
    AccountScope,
    FederationManifest,
    Member,
    RecordKind,
    Role,
    RootKey,
    SignedRecord,
)

HELPERS = 2


def succeed(manifest: FederationManifest, clock: Clock) -> FederationManifest:
    """A manifest that was changed, as the next epoch, once it can work (FILE_FEDERATION_CHANGE)."""
    after = replace(manifest, epoch=manifest.epoch + 1, issued_ms=clock.now_ms())
    if after.until_ms <= after.issued_ms:
        raise _impossible("it would be out of date at once", "Give --rules with a later `until`.")
    require_workable(after)
    return after


def with_members(members: Sequence[Member], admitted: Sequence[Member]) -> tuple[Member, ...]:
    """``members`` with those of the same name replaced and new ones behind them."""
    newer = {member.name: member for member in admitted}
    if len(newer) < len(admitted):
        raise _impossible("a member is given twice", "Give each member's newest application.")
    kept = [newer.pop(member.name, member) for member in members]
    return (*kept, *newer.values())


def without(manifest: FederationManifest, names: Iterable[str]) -> tuple[Member, ...]:
    """The members but those named, and but guardians of nodes that go. POLICY_UNKNOWN_MEMBER."""
    gone = set(names)
    for name in sorted(gone):
        require(any(m.name == name for m in manifest.members), "POLICY_UNKNOWN_MEMBER", name=name)
    nodes = {m.name for m in manifest.members if Role.NODE in m.roles}
    return tuple(m for m in manifest.members if m.name not in gone and m.department not in gone & nodes)


def with_roots(manifest: FederationManifest, roots: Sequence[RootKey], threshold: int) -> FederationManifest:
    """The manifest with other root keys. It needs the signatures of enough old and enough new ones.

    A new key needs a new name: signatures are told apart by name.
    """
    before = {root.name: root.signing_key for root in manifest.root_keys}
    for root in roots:
        if not NAME.fullmatch(root.name):
            raise BadFile("FILE_MEMBER_NAME", name=root.name)
        if before.get(root.name, root.signing_key) != root.signing_key:
            raise _impossible(f"the root key {root.name} would change under the same name", "Give it another name.")
    if len({root.name for root in roots}) < len(roots) or not 1 <= threshold <= len(roots):
        raise _impossible("more root signatures are needed than there are root keys", "Change --threshold.")
    return replace(manifest, root_keys=tuple(roots), root_threshold=threshold)


def require_workable(manifest: FederationManifest) -> None:
    """That rounds can be run and agreements signed under it; BadFile FILE_FEDERATION_CHANGE says what lacks."""
    members, datasets = manifest.members, manifest.catalogue.datasets
    names = {role: {m.name for m in members if role in m.roles} for role in Role}
    hosts = {host for dataset in datasets for host in dataset.hosts}
    for name in sorted({m.name for m in members} & {root.name for root in manifest.root_keys}):
        raise _impossible(f"{name} is the name of a root key too", "Give the member another name.")
    guarded = {m.department for m in members if Role.GUARDIAN in m.roles}
    for host in sorted(hosts):
        if host not in names[Role.NODE]:
            raise _impossible(f"{host} hosts a dataset and is no member", "Admit it, or change the catalogue first.")
        if host not in guarded:
            raise _impossible(f"{host} hosts a dataset and has no guardian", f"Admit a guardian of {host} too.")
    for role in (Role.COORDINATOR, Role.POLICY_OFFICER):
        if not names[role]:
            raise _impossible(f"there is no {_words(role)}", f"Admit a {_words(role)}.")
    if len({m.body for m in members if Role.HELPER in m.roles}) < HELPERS:
        raise _impossible("helpers of fewer than two bodies are left", "Admit a helper of another body.")
    for dataset in datasets:
        least = manifest.rules.n_min or len(dataset.hosts)
        if min(least, len(dataset.hosts)) - manifest.rules.f < 1:
            problem = f"{dataset.name} has {len(dataset.hosts)} hosts, and n_min - f has to be at least 1"
            raise _impossible(problem, "Change n_min or f in the rules.")
        caps = [cap.name for cap in manifest.rules.caps if cap.scope is AccountScope.IDENTIFIER]
        if not {"", dataset.person.identifier} & set(caps):
            raise _impossible(f"no cap names the identifier {dataset.person.identifier}", "Add one to the rules.")
    sign.Roster(manifest)


def issue(manifest: FederationManifest, roots: Sequence[Home]) -> SignedRecord:
    """The manifest, signed by the roots at hand; its epoch moves past those they have signed or installed.

    Installed in their homes at once if that is enough. Raises POLICY_MANIFEST_RIVAL.
    """
    seen = [homes.last_signed(root) for root in roots]
    epoch = max(manifest.epoch, *(last + 1 for last in seen))
    payload = wire.encode(replace(manifest, epoch=epoch))
    return countersign(SignedRecord(RecordKind.FEDERATION_MANIFEST, payload, ()), roots)


def countersign(record: SignedRecord, roots: Sequence[Home]) -> SignedRecord:
    """The manifest with these roots' signatures added, installed in their homes once enough have signed.

    Raises POLICY_MANIFEST_OLD, POLICY_MANIFEST_RIVAL; FILE_FEDERATION_CHANGE for a root the manifest does not know.
    """
    manifest = sign.decoded(record, RecordKind.FEDERATION_MANIFEST, FederationManifest)
    for root in roots:
        _require_root(root, manifest)
        homes.remember_signed(root, manifest.epoch, record.payload)
        if root.name not in {s.signer for s in record.signatures}:
            added = root.signing_key().sign(record.kind, record.payload)
            record = replace(record, signatures=(*record.signatures, added))
    if lacking(record, roots[0]) == 0:
        for root in roots:
            homes.store_manifest(root, record)
    return record


def _require_root(root: Home, manifest: FederationManifest) -> None:
    """That this home's key is one of the pinned roots or of those to come, and that the manifest goes forward."""
    own = root.signing_key().public
    known = {key.signing_key for key in (*root.roots(), *manifest.root_keys)}
    if root.role != "root" or own not in known or manifest.federation != root.federation:
        raise _impossible(f"{root.name} is no root of this federation", "Give the home of a root key.")
    if (root.path / "federation.manifest").exists():
        installed = root.manifest()
        same = root.manifest_record().payload == wire.encode(manifest)
        require(manifest.epoch > installed.epoch or same, "POLICY_MANIFEST_OLD")


def lacking(record: SignedRecord, home: Home) -> int:
    """How many more signatures ``home`` needs before it installs the manifest, of pinned and of new root keys."""
    manifest = sign.decoded(record, RecordKind.FEDERATION_MANIFEST, FederationManifest)
    signers = {signature.signer for signature in record.signatures}

    def missing(roots: Sequence[RootKey]) -> int:
        needed = max(manifest.root_threshold, len(roots) // 2 + 1)
        return max(0, needed - len(signers & {root.name for root in roots}))

    return max(missing(home.roots()), missing(manifest.root_keys))


def read_manifest(path: Path) -> SignedRecord:
    """A federation manifest's file as it is; nothing is verified yet. BadFile FILE_MISSING, FILE_RECORD."""
    record = read_signed(path)
    if record.kind is not RecordKind.FEDERATION_MANIFEST:
        raise BadFile("FILE_RECORD", path=str(path), wanted="federation manifest")
    return record


def read_signed(path: Path) -> SignedRecord:
    """Any signed record's file. BadFile FILE_MISSING, FILE_RECORD."""
    try:
        record: SignedRecord = wire.decode(SignedRecord, path.read_bytes())
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    except Refused:
        raise BadFile("FILE_RECORD", path=str(path), wanted="signed record") from None
    return record


def merged(records: Iterable[SignedRecord]) -> tuple[SignedRecord, ...]:
    """Records of the same bytes become one with all their signatures."""
    found: dict[bytes, SignedRecord] = {}
    for record in records:
        held = found.setdefault(record.payload, record)
        signers: Mapping[str, object] = {s.signer: s for s in held.signatures}
        more = tuple(s for s in record.signatures if s.signer not in signers)
        found[record.payload] = replace(held, signatures=held.signatures + more)
    return tuple(found.values())


def _words(role: Role) -> str:
    return role.name.lower().replace("_", " ")


def _impossible(problem: str, instead: str) -> BadFile:
    return BadFile("FILE_FEDERATION_CHANGE", problem=problem, instead=instead)
