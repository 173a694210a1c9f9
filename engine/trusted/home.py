"""The files of one role's home: who it is, its keys, and the federation's signed records.

Claim: secret keys are read only from files that nobody else can read, and a file is either the old or the new one,
       never half of it; the manifest handed out was signed by the root keys pinned here.
Because: keys are created with mode 0600 and refused when group or others have any right; writing goes to a temporary
         file, is fsynced and renamed; ``manifest`` verifies on every call. (Founding a home, and installing what
         others signed, is engine/governance/homes.py: no node does either.)
Checked by: tests/trusted_crypto/test_home.py::test_a_key_that_others_may_read_is_refused
            tests/trusted_crypto/test_home.py::test_writing_is_atomic
            tests/trusted_crypto/test_home.py::test_the_manifest_is_verified_against_the_pinned_roots

    member.json     name, role, federation, coordinator, listen
    keys/           sign.key seal.key (32 raw bytes)   tls.key tls.crt ca.crt (PEM)
    root.keys       pinned root keys, name -> hex
    federation.manifest   agreements/*.agreement   node.binding   (bytes as in wire.py)
    state.db        snapshots/   journal/head (the journal's head when last started or stopped)
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.errors import BadFile, Refused, require
from engine.trusted import seal, sign, wire
from engine.trusted.catalogue import NodeBinding
from engine.trusted.records import FederationManifest, JournalHead, Role, RootKey, SignedRecord

_Record = TypeVar("_Record")
ROLES = ("root", *(role.name.lower() for role in Role))


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM: this member's key and certificate, and the federation's authority."""

    key: bytes = field(repr=False)
    certificate: bytes
    authority: bytes


@dataclass(frozen=True, slots=True)
class Home:
    """``coordinator``: host:port that this member dials; ``listen``: host:port that it serves, or empty."""

    path: Path
    name: str
    role: str  # one of ROLES
    federation: str
    coordinator: str = ""
    listen: str = ""

    @classmethod
    def load(cls, path: Path | str) -> Home:
        """Raises BadFile FILE_HOME_MISSING or FILE_HOME_BROKEN. ``path`` becomes absolute: workers run elsewhere."""
        home = cls(Path(path).resolve(), "", "", "")
        member = home._json("member.json")
        known = {"name", "role", "federation", "coordinator", "listen"}
        if set(member) != known or member["role"] not in ROLES or not all(isinstance(v, str) for v in member.values()):
            raise home._broken("member.json")
        return cls(home.path, **member)

    @property
    def state_path(self) -> Path:
        return self.path / "state.db"

    def write(self, name: str, body: bytes, *, secret: bool = False) -> None:
        """Writes one file as a whole or not at all, durably; ``secret``: for the owner's eyes only."""
        target = self.path / name
        temporary = target.with_name(f".{target.name}.{os.getpid()}.new")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if secret else 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def signing_key(self) -> sign.SigningKey:
        return sign.SigningKey.from_raw(self.name, self._raw_key("keys/sign.key"))

    def sealing_key(self) -> seal.SealingKey:
        return seal.SealingKey.from_raw(self._raw_key("keys/seal.key"))

    def tls(self) -> Tls:
        """Read anew on every call; FILE_HOME_BROKEN for what is no PEM, which a handshake would refuse for ever."""
        from cryptography.x509 import load_pem_x509_certificates

        tls = Tls(self._read("keys/tls.key", secret=True), self._read("keys/tls.crt"), self._read("keys/ca.crt"))
        for name, body in (("tls.key", tls.key), ("tls.crt", tls.certificate), ("ca.crt", tls.authority)):
            try:
                load_pem_private_key(body, None) if name == "tls.key" else load_pem_x509_certificates(body)
            except (ValueError, TypeError):
                raise self._broken(f"keys/{name}") from None
        return tls

    def roots(self) -> tuple[RootKey, ...]:
        """The pinned root keys."""
        try:
            return tuple(RootKey(str(name), bytes.fromhex(key)) for name, key in self._json("root.keys").items())
        except (ValueError, TypeError):
            raise self._broken("root.keys") from None

    def manifest_record(self) -> SignedRecord:
        return self._decode("federation.manifest", SignedRecord)

    def manifest(self) -> FederationManifest:
        """The installed manifest, verified against the pinned roots; its currency is the caller's to check."""
        return self.open_manifest(self.manifest_record())

    def open_manifest(self, record: SignedRecord) -> FederationManifest:
        """The manifest in ``record``, verified against the pinned roots and of this home's federation."""
        manifest = sign.open_manifest(record, self.roots())
        require(manifest.federation == self.federation, "POLICY_MANIFEST_INVALID")
        sign.Roster(manifest)
        return manifest

    def roster(self) -> sign.Roster:
        return sign.Roster(self.manifest())

    def agreements(self) -> tuple[SignedRecord, ...]:
        """The stored agreements, as signed; not yet verified."""
        files = sorted((self.path / "agreements").glob("*.agreement"))
        return tuple(self._decode(f"agreements/{file.name}", SignedRecord) for file in files)

    def binding(self) -> NodeBinding:
        return self._decode("node.binding", NodeBinding)

    def seen_head(self) -> JournalHead | None:
        """The head written down last; None in a home whose ledger has never been opened."""
        return self._decode("journal/head", JournalHead) if (self.path / "journal/head").exists() else None

    def _decode(self, name: str, kind: type[_Record]) -> _Record:
        try:
            record: _Record = wire.decode(kind, self._read(name))
        except Refused:
            raise self._broken(name) from None
        return record

    def _json(self, name: str) -> dict[str, Any]:
        try:
            found = json.loads(self._read(name))
        except ValueError:
            raise self._broken(name) from None
        if not isinstance(found, dict):
            raise self._broken(name)
        return found

    def _raw_key(self, name: str) -> bytes:
        raw = self._read(name, secret=True)
        if len(raw) != 32:
            raise self._broken(name)
        return raw

    def _read(self, name: str, *, secret: bool = False) -> bytes:
        """A file's bytes; ``secret``: its owner alone may touch it; the rights are those of the file that is read."""
        try:
            with (self.path / name).open("rb") as file:
                body, mode = file.read(), os.fstat(file.fileno()).st_mode
        except FileNotFoundError:
            raise BadFile("FILE_HOME_MISSING", path=str(self.path / name), home=str(self.path)) from None
        except OSError as error:
            raise BadFile("FILE_HOME_BROKEN", path=str(self.path / name), internal=repr(error)) from None
        closed = not mode & (stat.S_IRWXG | stat.S_IRWXO)
        require(closed or not secret, "FILE_HOME_KEY_OPEN", path=str(self.path / name))
        return body

    def _broken(self, name: str) -> BadFile:
        return BadFile("FILE_HOME_BROKEN", path=str(self.path / name))
