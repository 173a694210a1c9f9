"""Welcomes: what the root gives back to a member that applied, and how the member joins with it.

A welcome is JSON: the manifest (base64 of the signed record), the member's certificate and the authority's (PEM), and
where the coordinator is. Nothing in it is secret. A member who has pinned no root keys yet is shown their fingerprint
and has to agree to it: that is the one thing that comes to it by another way.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import BadFile, Refused, require
from engine.governance import homes, manifests
from engine.governance.application import NEXT, fingerprint_of_roots, next_keys, open_application, require_own
from engine.governance.authority import COORDINATOR_NAMES, Authority, fits
from engine.trusted import sign, wire
from engine.trusted.home import Home, Tls
from engine.trusted.records import Application, FederationManifest, Member, RecordKind, Role, SignedRecord

Agree = Callable[[str], bool]  # shown the fingerprint of the root keys
_KEYS = ("manifest", "name", "certificate", "authority", "coordinator")


@dataclass(frozen=True, slots=True)
class Welcome:
    manifest: SignedRecord
    name: str
    certificate: bytes
    authority: bytes
    coordinator: str

    def write(self, path: Path) -> None:
        document = {
            "manifest": b64encode(wire.encode(self.manifest)).decode(),
            "name": self.name,
            "certificate": self.certificate.decode(),
            "authority": self.authority.decode(),
            "coordinator": self.coordinator,
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Welcome:
        """BadFile FILE_MISSING, FILE_RECORD."""
        try:
            document = json.loads(path.read_bytes())
            manifest, name, certificate, authority, coordinator = (document[key] for key in _KEYS)
            record: SignedRecord = wire.decode(SignedRecord, b64decode(manifest, validate=True))
            return cls(record, str(name), certificate.encode(), authority.encode(), str(coordinator))
        except OSError:
            raise BadFile("FILE_MISSING", path=str(path)) from None
        except (ValueError, KeyError, TypeError, AttributeError, Refused):
            raise BadFile("FILE_RECORD", path=str(path), wanted="welcome") from None


def read_any(path: Path) -> Welcome | SignedRecord:
    """A welcome or a federation manifest. BadFile FILE_MISSING, FILE_RECORD."""
    try:
        if path.read_bytes()[:1] == b"{":
            return Welcome.read(path)
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    return manifests.read_manifest(path)


def opened(
    records: Sequence[SignedRecord], manifest: FederationManifest | None, federation: str, replaced: Sequence[str] = ()
) -> tuple[Application, ...]:
    """The applications, each by its member: a new one, or one whose old key signed, or one named in ``replaced``.

    Raises what ``open_application`` and ``require_own`` raise.
    """
    found = []
    for record in records:
        stated = open_application(record, federation)
        if manifest is not None and stated.member.name not in replaced:
            require_own(record, stated.member, manifest)
        found.append(stated)
    return tuple(found)


def welcomes(
    record: SignedRecord, stated: Sequence[Application], authority: Authority, coordinator: str
) -> tuple[Welcome, ...]:
    """One welcome for each application, with a certificate for its key. Its names are chosen here."""
    made = []
    for application in stated:
        member = application.member
        serves = Role.COORDINATOR in member.roles
        host = coordinator.rpartition(":")[0]
        hosts = tuple(dict.fromkeys((*COORDINATOR_NAMES, "127.0.0.1", host))) if serves else ()
        role = member.roles[0].name.lower()
        certificate = authority.certify(application.certificate_request, member.name, role, hosts)
        made.append(Welcome(record, member.name, certificate, authority.pem, coordinator))
    return tuple(made)


def join(home: Home, files: Sequence[Welcome | SignedRecord], agree: Agree) -> FederationManifest:
    """Verify and install manifests in the order of their epochs, and what a welcome brings; returns the newest.

    Raises Refused POLICY_MANIFEST_*, POLICY_ROOTS_NOT_AGREED, POLICY_UNKNOWN_MEMBER; BadFile FILE_HOME_KEY_FOREIGN,
    FILE_WELCOME_OTHER. Root keys are pinned after ``agree`` has been asked, and never without it.
    """
    given = manifests.merged(f.manifest if isinstance(f, Welcome) else f for f in files)
    ordered = sorted(given, key=_epoch)
    welcome = next((f for f in files if isinstance(f, Welcome)), None)
    newest = sign.decoded(ordered[-1], RecordKind.FEDERATION_MANIFEST, FederationManifest)
    member = _require_mine(home, newest, welcome) if home.role != "root" else None
    if not (home.path / "root.keys").exists():
        home = _pin(home, newest, ordered[-1], agree)
        ordered = ordered[-1:]
    if (home.path / "federation.manifest").exists():
        installed = home.manifest().epoch
        ordered = [record for record in ordered if _epoch(record) >= installed] or ordered[-1:]
    for record in ordered:
        homes.store_manifest(home, record)
    if member is not None:
        _take_keys(home, member, welcome)
    return newest


def _epoch(record: SignedRecord) -> int:
    return sign.decoded(record, RecordKind.FEDERATION_MANIFEST, FederationManifest).epoch


def _pin(home: Home, manifest: FederationManifest, record: SignedRecord, agree: Agree) -> Home:
    sign.open_manifest(record, manifest.root_keys)
    sign.Roster(manifest)
    require(home.federation in ("", manifest.federation), "POLICY_MANIFEST_INVALID")
    require(agree(fingerprint_of_roots(manifest.root_keys, manifest.root_threshold)), "POLICY_ROOTS_NOT_AGREED")
    homes.store_roots(home, manifest.root_keys)
    return homes.set_federation(home, manifest.federation)


def _require_mine(home: Home, manifest: FederationManifest, welcome: Welcome | None) -> Member:
    """The member of this home, whose keys are those in use or those drawn next; the welcome is for it."""
    member = sign.Roster(manifest).member(home.name)
    own = {home.signing_key().public: "keys"}
    if (home.path / NEXT / "sign.key").exists():
        own[next_keys(home)[0].public] = NEXT
    if member.signing_key not in own:
        raise BadFile("FILE_HOME_KEY_FOREIGN", path=str(home.path / "keys/sign.key"))
    folder = own[member.signing_key]
    if welcome is not None:
        key = (home.path / folder / "tls.key").read_bytes()
        if welcome.name != home.name or not fits(welcome.certificate, key):
            raise BadFile("FILE_WELCOME_OTHER", name=home.name)
    elif folder == NEXT or not (home.path / "keys/tls.crt").exists():
        raise BadFile("FILE_WELCOME_MISSING", name=home.name)
    return member


def _take_keys(home: Home, member: Member, welcome: Welcome | None) -> None:
    """Put the next keys in use if the manifest names them, and the certificate beside them. May be repeated."""
    folder = home.path / NEXT
    if home.signing_key().public != member.signing_key:
        for name in ("seal.key", "tls.key", "sign.key"):  # the signing key last: it says that the others are done
            home.write(f"keys/{name}", (folder / name).read_bytes(), secret=True)
    for name in ("tls.key", "seal.key", "sign.key"):
        if (folder / name).exists() and (folder / name).read_bytes() == (home.path / f"keys/{name}").read_bytes():
            (folder / name).unlink()
    if welcome is not None:
        tls = Tls((home.path / "keys/tls.key").read_bytes(), welcome.certificate, welcome.authority)
        homes.store_tls(home, tls)
        if welcome.coordinator:
            homes.set_coordinator(home, welcome.coordinator)


def signed_again(file: Welcome | SignedRecord, roots: Sequence[Home]) -> Welcome | SignedRecord:
    """A welcome or manifest with the signatures of more roots."""
    if isinstance(file, Welcome):
        return replace(file, manifest=manifests.countersign(file.manifest, roots))
    return manifests.countersign(file, roots)


def applicants(homes_: Sequence[Home]) -> Home:
    """The root home that keeps the authority, else the first."""
    return next((home for home in homes_ if (home.path / "keys/tls.key").exists()), homes_[0])


def with_applicants(manifest: FederationManifest, stated: Sequence[Application]) -> FederationManifest:
    """The manifest with the members of these applications, new or with new keys."""
    members = manifests.with_members(manifest.members, [application.member for application in stated])
    return replace(manifest, members=members)
