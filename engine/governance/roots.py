"""Root keys: their own homes, what a new one states of itself, and a federation before its first manifest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from engine.errors import BadFile
from engine.governance import homes
from engine.governance.application import NAME
from engine.governance.authority import Authority
from engine.governance.federation import GRACE_SECONDS, MANIFEST_DAYS, default_rules
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.random import Randomness
from engine.trusted.records import RECORD_VERSION, FederationManifest, RootKey
from engine.trusted.sign import KEY_BYTES

DAY_MS = 86_400_000


def draw_root(path: Path, name: str, federation: str, randomness: Randomness) -> RootKey:
    """A home with a new root key, which pins nothing yet. BadFile FILE_MEMBER_NAME, FILE_HOME_EXISTS."""
    if not NAME.fullmatch(name):
        raise BadFile("FILE_MEMBER_NAME", name=name)
    home = homes.create_home(path, name, "root", federation)
    return RootKey(name, homes.draw_signing_key(home, randomness).public)


def found_roots(
    directory: Path, federation: str, names: Sequence[str], address: str, clock: Clock, randomness: Randomness
) -> tuple[Home, ...]:
    """Homes of the roots of a federation that has no manifest yet; the first keeps the certificate authority."""
    keys = [draw_root(directory / name, name, federation, randomness) for name in names]
    found = tuple(Home.load(directory / name) for name in names)
    homes.store_tls(found[0], Authority.create(federation, clock, randomness).own())
    for home in found:
        homes.store_roots(home, keys)
        homes.set_coordinator(home, address)
    return found


def before_the_first(root: Home, catalogue: Catalogue, threshold: int, clock: Clock) -> FederationManifest:
    """A manifest of epoch 0 without members, for the first admission to follow; it is never signed."""
    if catalogue.federation != root.federation:
        problem = f"the catalogue is that of {catalogue.federation}, the root's that of {root.federation}"
        raise BadFile("FILE_FEDERATION_CHANGE", problem=problem, instead="Give the federation's own catalogue.")
    now, roots = clock.now_ms(), root.roots()
    return FederationManifest(
        version=RECORD_VERSION,
        federation=root.federation,
        epoch=0,
        issued_ms=now,
        until_ms=now + MANIFEST_DAYS * DAY_MS,
        grace_seconds=GRACE_SECONDS,
        root_keys=roots,
        root_threshold=threshold,
        members=(),
        rules=default_rules(),
        catalogue=catalogue,
    )


def write_root_key(key: RootKey, path: Path) -> None:
    """A public root key as a file for the other roots."""
    path.write_text(json.dumps({"root": key.name, "key": key.signing_key.hex()}) + "\n", encoding="utf-8")


def read_root_key(path: Path) -> RootKey:
    """BadFile FILE_MISSING, FILE_RECORD."""
    try:
        document = json.loads(path.read_bytes())
        key = RootKey(str(document["root"]), bytes.fromhex(document["key"]))
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    except (ValueError, KeyError, TypeError):
        raise BadFile("FILE_RECORD", path=str(path), wanted="root key") from None
    if len(key.signing_key) != KEY_BYTES:
        raise BadFile("FILE_RECORD", path=str(path), wanted="root key")
    return key
