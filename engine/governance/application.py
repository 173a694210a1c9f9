"""Applications: a member draws its keys on its own machine and states them, signed with them.

Secret keys never leave the home. To replace its keys a member signs with the old key too; without that, a root has to
know by other means whose keys these are, and says so.

    keys/next/     sign.key seal.key tls.key: drawn by ``renew``, in use once a manifest names them
"""

from __future__ import annotations

import re
from pathlib import Path

from engine.errors import BadFile, Refused, require
from engine.governance import homes
from engine.governance.authority import draw_key, request_certificate, requested_key
from engine.trusted import sign, wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.random import Randomness
from engine.trusted.records import (
    RECORD_VERSION,
    Application,
    FederationManifest,
    Member,
    RecordKind,
    Role,
    RootKey,
    SignedRecord,
)
from engine.trusted.seal import SealingKey
from engine.trusted.sign import KEY_BYTES, SigningKey

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
NEXT = "keys/next"
ROLES = {role.name.lower(): (role,) for role in Role} | {"node": (Role.NODE, Role.HELPER)}  # every node also helps


def apply(
    path: Path,
    name: str,
    role: str,
    body: str,
    *,
    clock: Clock,
    randomness: Randomness,
    department: str = "",
    federation: str = "",
    listen: str = "",
) -> SignedRecord:
    """Make a home with keys of its own at ``path`` and state the keys. ``federation`` empty: whichever admits it.

    Raises BadFile FILE_MEMBER_NAME, FILE_APPLICATION or FILE_HOME_EXISTS; nothing is written then.
    """
    if not NAME.fullmatch(name):
        raise BadFile("FILE_MEMBER_NAME", name=name)
    roles = ROLES.get(role)
    if roles is None:
        raise BadFile("FILE_APPLICATION", problem=f"no member has the role {role}", instead=f"Use {', '.join(ROLES)}.")
    if (Role.GUARDIAN in roles) is not bool(department):
        problem = "a guardian, and nobody else, answers for a department"
        raise BadFile("FILE_APPLICATION", problem=problem, instead="Give --department with --role guardian only.")
    if not body.strip():
        raise BadFile("FILE_APPLICATION", problem="no body is named", instead="Give --body ORGANISATION.")
    home = homes.create_home(path, name, role, federation, listen=listen)
    signing, sealing = homes.draw_signing_key(home, randomness), homes.draw_sealing_key(home, randomness)
    key = draw_key()
    home.write("keys/tls.key", key, secret=True)
    member = Member(name, body, roles, signing.public, sealing.public, department)
    return _stated(federation, member, request_certificate(key), clock, signing)


def renew(home: Home, clock: Clock, randomness: Randomness) -> SignedRecord:
    """Draw the next keys of a member and state them, signed with both; the old ones serve until a manifest names these.

    Keys drawn before, and not yet in use, are stated again.
    """
    member = home.roster().member(home.name)
    (home.path / NEXT).mkdir(mode=0o700, exist_ok=True)
    drawn = {"sign.key": randomness.bytes(KEY_BYTES), "seal.key": randomness.bytes(KEY_BYTES), "tls.key": draw_key()}
    for name, key in drawn.items():
        if not (home.path / NEXT / name).exists():
            home.write(f"{NEXT}/{name}", key, secret=True)
    request = request_certificate((home.path / NEXT / "tls.key").read_bytes())
    signing, sealing = next_keys(home)
    stated = Member(member.name, member.body, member.roles, signing.public, sealing.public, member.department)
    return _stated(home.federation, stated, request, clock, signing, home.signing_key())


def next_keys(home: Home) -> tuple[SigningKey, SealingKey]:
    """The keys drawn by ``renew``; BadFile FILE_HOME_BROKEN."""
    raw = [(home.path / NEXT / name).read_bytes() for name in ("sign.key", "seal.key")]
    if any(len(key) != KEY_BYTES for key in raw):
        raise BadFile("FILE_HOME_BROKEN", path=str(home.path / NEXT))
    return SigningKey.from_raw(home.name, raw[0]), SealingKey.from_raw(raw[1])


def _stated(federation: str, member: Member, request: bytes, clock: Clock, *keys: SigningKey) -> SignedRecord:
    stated = Application(RECORD_VERSION, federation, member, clock.now_ms(), request)
    return sign.signed(RecordKind.APPLICATION, wire.encode(stated), *keys)


def open_application(record: SignedRecord, federation: str) -> Application:
    """What a member states of itself, signed with the key it names, for this federation or for any.

    Raises Refused POLICY_RECORD_INVALID, POLICY_SIGNATURE_INVALID, POLICY_APPLICATION_OTHER,
    POLICY_CERTIFICATE_REQUEST; BadFile FILE_MEMBER_NAME.
    """
    stated = sign.decoded(record, RecordKind.APPLICATION, Application)
    require(bool(record.signatures), "POLICY_SIGNATURE_INVALID", name=stated.member.name)
    sign.verify_signature(record.kind, record.payload, record.signatures[0], stated.member.signing_key)
    require(stated.federation in ("", federation), "POLICY_APPLICATION_OTHER", name=stated.member.name)
    if not NAME.fullmatch(stated.member.name):
        raise BadFile("FILE_MEMBER_NAME", name=stated.member.name)
    requested_key(stated.certificate_request)
    return stated


def require_own(record: SignedRecord, stated: Member, manifest: FederationManifest) -> None:
    """That a member of the manifest replaces its own keys and nothing else; anything new is free.

    Raises Refused POLICY_APPLICATION_UNPROVEN unless the old key signed too and name, body and roles stay.
    """
    known = next((m for m in manifest.members if m.name == stated.name), None)
    if known is None:
        return
    same = (known.body, known.roles, known.department) == (stated.body, stated.roles, stated.department)
    try:
        for signature in record.signatures[1:]:
            sign.verify_signature(record.kind, record.payload, signature, known.signing_key)
        proven = len(record.signatures) == 2
    except Refused:
        proven = False
    require(same and proven, "POLICY_APPLICATION_UNPROVEN", name=stated.name)


def fingerprint(*keys: bytes) -> str:
    """The first 128 bits of SHA-256 over public keys, as people read them to each other: eight groups of four."""
    digest = wire.digest(b"".join(keys)).hex()[:32]
    return " ".join(digest[start : start + 4] for start in range(0, 32, 4))


def fingerprint_of(member: Member) -> str:
    return fingerprint(member.signing_key, member.sealing_key)


def fingerprint_of_roots(roots: tuple[RootKey, ...], threshold: int) -> str:
    """Of all root keys together, in the order of their names, and of how many have to sign."""
    ordered = sorted(roots, key=lambda root: root.name)
    parts = [part for root in ordered for part in (root.name.encode(), b"\0", root.signing_key)]
    return fingerprint(*parts, threshold.to_bytes(2, "big"))
