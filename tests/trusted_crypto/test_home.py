from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import BadFile, Refused
from engine.governance.authority import Authority
from engine.governance.homes import (
    create_home,
    draw_sealing_key,
    draw_signing_key,
    store_agreement,
    store_binding,
    store_manifest,
    store_roots,
    store_tls,
)
from engine.trusted.catalogue import NodeBinding
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from engine.trusted.records import RecordKind
from engine.trusted.sign import SigningKey

TLS = Authority.create("demo", SystemClock(), SystemRandomness()).issue("north", "node")


def bad(code: str) -> Any:
    return pytest.raises(BadFile, match=f"^{code}")


@pytest.fixture
def home(tmp_path: Path, federation: Any, randomness: Any) -> Home:
    made = create_home(tmp_path / "north", "north", "node", "demo", coordinator="localhost:7443")
    assert draw_signing_key(made, type(randomness)("north")).public == federation.keys["north"].public
    draw_sealing_key(made, randomness)
    store_tls(made, TLS)
    store_roots(made, federation.pinned)
    store_manifest(made, federation.signed_manifest())
    store_agreement(made, federation.sign(RecordKind.AGREEMENT, federation.agreement, "officer"))
    store_binding(made, NodeBinding(1, "north", ()))
    return made


def test_what_was_stored_is_loaded(home: Home, federation: Any) -> None:
    loaded = Home.load(home.path)
    assert loaded == home
    assert (loaded.name, loaded.role, loaded.coordinator, loaded.listen) == ("north", "node", "localhost:7443", "")
    assert loaded.signing_key().public == federation.keys["north"].public
    assert loaded.signing_key().name == "north"
    assert loaded.sealing_key().public == home.sealing_key().public
    assert loaded.tls() == TLS
    assert set(loaded.roots()) == set(federation.pinned)
    assert loaded.manifest() == federation.manifest
    assert loaded.roster().member("north").name == "north"
    assert [r.kind for r in loaded.agreements()] == [RecordKind.AGREEMENT]
    assert loaded.binding() == NodeBinding(1, "north", ())
    assert loaded.state_path == home.path / "state.db"


def test_the_files_are_where_the_manual_says(home: Home) -> None:
    found = {str(p.relative_to(home.path)) for p in home.path.rglob("*") if p.is_file()}
    digests = {f for f in found if f.startswith("agreements/")}
    assert found - digests == {
        "member.json", "root.keys", "federation.manifest", "node.binding",
        "keys/sign.key", "keys/seal.key", "keys/tls.key", "keys/tls.crt", "keys/ca.crt",
    }  # fmt: skip
    assert len(digests) == 1
    pinned = json.loads((home.path / "root.keys").read_text())
    assert sorted(pinned) == ["root-0", "root-1", "root-2"]
    assert len((home.path / "keys/sign.key").read_bytes()) == 32


def test_a_home_is_not_made_over_another(home: Home) -> None:
    with bad("FILE_HOME_EXISTS"):
        create_home(home.path, "south", "node", "demo")


def test_an_unknown_role_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="role"):
        create_home(tmp_path / "x", "x", "king", "demo")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["keys/sign.key", "keys/seal.key", "keys/tls.key"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644])
def test_a_key_that_others_may_read_is_refused(home: Home, name: str, mode: int) -> None:
    assert (home.path / name).stat().st_mode & 0o777 == 0o600
    (home.path / name).chmod(mode)
    opened = {"keys/sign.key": home.signing_key, "keys/seal.key": home.sealing_key, "keys/tls.key": home.tls}[name]
    with bad("FILE_HOME_KEY_OPEN"):
        opened()


def test_no_secret_stands_in_a_text_form_or_an_error(home: Home) -> None:
    (home.path / "keys/tls.key").chmod(0o644)
    with pytest.raises(BadFile) as caught:
        home.tls()
    texts = repr(home) + repr(TLS) + str(caught.value) + repr(caught.value.facts)
    assert TLS.key.decode().splitlines()[1] not in texts
    assert (home.path / "keys/sign.key").read_bytes().hex() not in texts


@pytest.mark.parametrize(
    ("name", "opened"),
    [
        ("keys/sign.key", Home.signing_key),
        ("keys/tls.key", Home.tls),
        ("keys/tls.crt", Home.tls),
        ("keys/ca.crt", Home.tls),
        ("root.keys", Home.roots),
        ("federation.manifest", Home.manifest),
        ("node.binding", Home.binding),
    ],
)
def test_missing_and_broken_files_are_named(home: Home, name: str, opened: Any) -> None:
    file = home.path / name
    file.write_bytes(b"\xff broken")
    with bad("FILE_HOME_BROKEN") as broken:
        opened(home)
    assert broken.value.facts["path"] == str(file)
    file.unlink()
    with bad("FILE_HOME_MISSING") as missing:
        opened(home)
    assert missing.value.facts["path"] == str(file)
    file.mkdir(0o700)
    with bad("FILE_HOME_BROKEN"):
        opened(home)


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"name": 1}', '{"name":"n","role":"king","federation":"f","coordinator":"","listen":""}'])  # fmt: skip  # noqa: E501
def test_a_member_file_of_another_shape_is_refused(home: Home, body: str) -> None:
    (home.path / "member.json").write_text(body)
    with bad("FILE_HOME_BROKEN"):
        Home.load(home.path)


def test_no_home(tmp_path: Path) -> None:
    with bad("FILE_HOME_MISSING"):
        Home.load(tmp_path)


def test_writing_is_atomic(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure at any step of writing leaves the old file; the new one appears only after its fsync."""
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def failing_fsync(handle: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", failing_fsync)
    with pytest.raises(OSError, match="disk full"):
        home.write("root.keys", b"new")
    assert json.loads((home.path / "root.keys").read_text())
    monkeypatch.setattr(os, "fsync", lambda handle: (steps.append("fsync"), real_fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("rename"), real_replace(self, to))[1])
    home.write("root.keys", b"new")
    assert (home.path / "root.keys").read_bytes() == b"new"
    assert steps == ["fsync", "rename", "fsync"]


def test_a_secret_is_never_readable_by_others_not_even_for_a_moment(home: Home, monkeypatch: Any) -> None:
    modes: list[int] = []
    real = os.open

    def watching(path: Any, flags: int, mode: int = 0o777) -> int:
        modes.append(mode)
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", watching)
    home.write("keys/sign.key", bytes(32), secret=True)
    assert modes[0] == 0o600


def test_the_manifest_is_verified_against_the_pinned_roots(home: Home, federation: Any, randomness: Any) -> None:
    strangers = tuple(SigningKey.from_raw(root.name, randomness.bytes(32)) for root in federation.roots)
    pairs = zip(federation.pinned, strangers, strict=True)
    store_roots(home, (replace(pin, signing_key=key.public) for pin, key in pairs))
    with pytest.raises(Refused, match="POLICY_SIGNATURE_INVALID"):
        home.manifest()
    with pytest.raises(Refused, match="POLICY_SIGNATURE_INVALID"):
        store_manifest(home, federation.signed_manifest())


def test_a_manifest_of_another_federation_is_refused(home: Home, federation: Any) -> None:
    catalogue = replace(federation.manifest.catalogue, federation="other")
    federation.manifest = replace(federation.manifest, federation="other", catalogue=catalogue)
    with pytest.raises(Refused, match="POLICY_MANIFEST_INVALID"):
        store_manifest(home, federation.signed_manifest())


def test_an_older_manifest_never_replaces_a_newer_one(home: Home, federation: Any) -> None:
    old = federation.signed_manifest()
    federation.manifest = replace(federation.manifest, epoch=5)
    store_manifest(home, federation.signed_manifest())
    with pytest.raises(Refused, match="POLICY_MANIFEST_OLD"):
        store_manifest(home, old)
    assert home.manifest().epoch == 5
