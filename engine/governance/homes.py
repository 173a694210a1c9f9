"""Writing a member's home: its folders, keys, certificate, and the records that others signed for it.

Reading a home, with every check, is engine/trusted/home.py; a node never runs what stands here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from engine.errors import BadFile, require
from engine.trusted import sign, wire
from engine.trusted.catalogue import NodeBinding
from engine.trusted.home import ROLES, Home, Tls
from engine.trusted.random import Randomness
from engine.trusted.records import FederationManifest, Role, RootKey, SignedRecord
from engine.trusted.seal import SealingKey
from engine.trusted.sign import KEY_BYTES, SigningKey

FOLDERS = ("keys", "agreements", "snapshots", "journal")


def create_home(path: Path | str, name: str, role: str, federation: str, **addresses: str) -> Home:
    """A new home with its folders; ``addresses``: coordinator, listen. FILE_HOME_EXISTS if there is one."""
    home = Home(Path(path), name, role, federation, **addresses)
    if role not in ROLES:
        raise ValueError(f"no role {role}")
    if (home.path / "member.json").exists():
        raise BadFile("FILE_HOME_EXISTS", path=str(home.path))
    for folder in FOLDERS:
        (home.path / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    _store_member(home)
    return home


def set_coordinator(home: Home, address: str) -> None:
    """Tells a home where the coordinator is (host:port); the coordinator's own, where to listen."""
    listen = address if home.role == Role.COORDINATOR.name.lower() else home.listen
    _store_member(replace(home, coordinator=address, listen=listen))


def set_federation(home: Home, federation: str) -> Home:
    """A home that was made before anybody admitted it learns whose member it is."""
    named = replace(home, federation=federation)
    _store_member(named)
    return named


def draw_signing_key(home: Home, randomness: Randomness) -> SigningKey:
    """A fresh key of the home's owner, kept in the home."""
    home.write("keys/sign.key", randomness.bytes(KEY_BYTES), secret=True)
    return home.signing_key()


def draw_sealing_key(home: Home, randomness: Randomness) -> SealingKey:
    """A fresh key that messages to the home's owner are sealed to, kept in the home."""
    home.write("keys/seal.key", randomness.bytes(KEY_BYTES), secret=True)
    return home.sealing_key()


def store_tls(home: Home, tls: Tls) -> None:
    home.write("keys/tls.key", tls.key, secret=True)
    home.write("keys/tls.crt", tls.certificate)
    home.write("keys/ca.crt", tls.authority)


def store_roots(home: Home, roots: Iterable[RootKey]) -> None:
    """Pins the root keys."""
    pinned = {root.name: root.signing_key.hex() for root in roots}
    home.write("root.keys", json.dumps(pinned, indent=2).encode() + b"\n")


def read_roots(path: Path) -> tuple[RootKey, ...]:
    """The root keys in a file like a home's ``root.keys``; BadFile FILE_MISSING or FILE_HOME_BROKEN."""
    try:
        return tuple(RootKey(str(n), bytes.fromhex(key)) for n, key in json.loads(path.read_bytes()).items())
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    except (ValueError, TypeError, AttributeError):
        raise BadFile("FILE_HOME_BROKEN", path=str(path)) from None


def store_manifest(home: Home, record: SignedRecord) -> FederationManifest:
    """Verifies and installs a manifest, and pins the root keys it names.

    An epoch below the installed one is Refused POLICY_MANIFEST_OLD, the same one with other bytes
    POLICY_MANIFEST_RIVAL. Root keys change only by a manifest that enough of the pinned keys signed and enough of the
    new ones too: the home verifies it against the new ones from then on. The manifest is written first, so that a
    home which stops in between still verifies it against the old ones.
    """
    manifest = home.open_manifest(record)
    if (home.path / "federation.manifest").exists():
        installed = home.manifest_record()
        epoch = home.open_manifest(installed).epoch
        require(manifest.epoch >= epoch, "POLICY_MANIFEST_OLD")
        require(manifest.epoch > epoch or record.payload == installed.payload, "POLICY_MANIFEST_RIVAL")
    changed = set(manifest.root_keys) != set(home.roots())
    if changed:
        sign.open_manifest(record, manifest.root_keys)
    home.write("federation.manifest", wire.encode(record))
    if changed:
        store_roots(home, manifest.root_keys)
    return manifest


def remember_signed(home: Home, epoch: int, payload: bytes) -> None:
    """Before a root signs: it signs one manifest an epoch, ever. Other bytes are Refused POLICY_MANIFEST_RIVAL."""
    (home.path / "signed").mkdir(mode=0o700, exist_ok=True)
    name, digest = f"signed/{epoch}", wire.digest(payload).hex().encode()
    if (home.path / name).exists():
        require((home.path / name).read_bytes() == digest, "POLICY_MANIFEST_RIVAL")
    home.write(name, digest)


def last_signed(home: Home) -> int:
    """The highest epoch that a root has signed; 0: none that it remembers."""
    return max((int(file.name) for file in home.path.glob("signed/[0-9]*")), default=0)


def store_agreement(home: Home, record: SignedRecord) -> None:
    """Keeps a signed agreement under its digest; whoever uses it verifies it."""
    home.write(f"agreements/{wire.digest(record.payload).hex()}.agreement", wire.encode(record))


def store_binding(home: Home, binding: NodeBinding) -> None:
    home.write("node.binding", wire.encode(binding))


def _store_member(home: Home) -> None:
    member = {name: value for name, value in asdict(home).items() if name != "path"}
    home.write("member.json", json.dumps(member, indent=2).encode() + b"\n")


def put_into_inbox(home: Home, record: SignedRecord) -> Path:
    """Gives a record to a department's own node without the coordinator: its process picks it up within a second."""
    (home.path / "inbox").mkdir(mode=0o700, exist_ok=True)
    name = f"inbox/{record.kind.name.lower()}-{wire.digest(record.payload).hex()[:16]}.record"
    home.write(name, wire.encode(record))
    return home.path / name
