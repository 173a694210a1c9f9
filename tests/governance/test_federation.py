"""Founding: every member gets a home that its own loader accepts, and a certificate that names it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from engine.catalogue import parse_catalogue
from engine.errors import BadFile, Refused
from engine.governance.federation import Federation, found, set_coordinator
from engine.governance.homes import store_manifest
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Role


def catalogue(*hosts: str) -> Catalogue:
    return parse_catalogue(
        f"""
federation: realm
datasets:
  people:
    hosts: [{", ".join(hosts)}]
    person: person_id
    rows_per_person: 1
    columns:
      person_id: {{type: text}}
      region: {{type: text, domain: [N, S]}}
""",
        "catalogue.yaml",
    )


def founded(directory: Path, *hosts: str, **options: object) -> Federation:
    return found(directory, catalogue(*hosts), clock=SystemClock(), randomness=SystemRandomness(), **options)  # type: ignore[arg-type]


def test_each_member_has_a_home_with_its_own_keys_and_the_signed_manifest(tmp_path: Path) -> None:
    federation = founded(tmp_path, "north", "south", analysts=("ann", "bob"))
    for member in federation.manifest.members:
        home = Home.load(federation.home(member.name))
        assert home.manifest() == federation.manifest
        assert home.signing_key().public == member.signing_key
        assert home.sealing_key().public == member.sealing_key
        for key in (home.path / "keys").glob("*.key"):
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert federation.names(Role.ANALYST) == ("ann", "bob")
    assert federation.processes == ("north", "south")
    assert not list(tmp_path.glob("n*/keys/root*"))


@pytest.mark.parametrize(("hosts", "helpers"), [(("a",), 1), (("a", "b"), 0), (("a", "b", "c"), 0)])
def test_there_are_always_two_helpers_of_two_bodies_none_of_the_analysts(
    tmp_path: Path, hosts: tuple[str, ...], helpers: int
) -> None:
    federation = founded(tmp_path, *hosts)
    members = [m for m in federation.manifest.members if Role.HELPER in m.roles]
    analysts = {m.body for m in federation.manifest.members if Role.ANALYST in m.roles}
    assert len({m.body for m in members}) >= 2
    assert not analysts & {m.body for m in members}
    assert len(federation.processes) == len(hosts) + helpers


def test_a_certificate_names_its_member_and_only_the_coordinators_names_a_server(tmp_path: Path) -> None:
    federation = founded(tmp_path, "north", coordinator_address="tally.example:7443")
    for name, role in (
        ("coordinator", "coordinator"),
        ("north", "node"),
        ("helper-1", "helper"),
        ("analyst", "analyst"),
    ):
        tls = Home.load(federation.home(name)).tls()
        certificate = x509.load_pem_x509_certificate(tls.certificate)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(tls.authority))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://realm/{role}/{name}"]
        served = names.get_values_for_type(x509.DNSName)
        assert served == (["localhost", "coordinator", "tally.example"] if role == "coordinator" else [])
        key = serialization.load_pem_private_key(tls.key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.public_key() == certificate.public_key()


def test_several_roots_each_keep_their_own_key_and_all_but_one_sign(tmp_path: Path) -> None:
    federation = founded(tmp_path, "north", roots=3)
    assert federation.roots == ("root-1", "root-2", "root-3")
    assert federation.manifest.root_threshold == 2
    home = Home.load(federation.home("root-2"))
    assert home.signing_key().public == federation.manifest.root_keys[1].signing_key
    record = Home.load(federation.home("north")).manifest_record()
    assert [s.signer for s in record.signatures] == list(federation.roots)


@pytest.mark.parametrize(
    ("hosts", "options", "code"),
    [
        (("north",), {"analysts": ("policy",)}, "FILE_MEMBER_NAME"),
        (("north",), {"analysts": ("Ann Smith",)}, "FILE_MEMBER_NAME"),
        (("north",), {"analysts": ("north",)}, "FILE_MEMBER_NAME"),
        (("north", "south"), {"n_min": 1, "f": 1}, "FILE_FEDERATION_OPTION"),
        (("north", "south"), {"f": 2}, "FILE_FEDERATION_OPTION"),
        (("north",), {"helpers": 0}, "FILE_FEDERATION_OPTION"),
        (("north",), {"roots": 2, "root_threshold": 3}, "FILE_FEDERATION_OPTION"),
    ],
)
def test_what_cannot_be_founded_is_refused_before_anything_is_written(
    tmp_path: Path, hosts: tuple[str, ...], options: dict[str, object], code: str
) -> None:
    with pytest.raises(BadFile) as refused:
        founded(tmp_path / "new", *hosts, **options)
    assert refused.value.code == code
    assert not (tmp_path / "new").exists()


def test_a_directory_that_holds_homes_is_left_alone(tmp_path: Path) -> None:
    founded(tmp_path, "north")
    before = (tmp_path / "north" / "keys" / "sign.key").read_bytes()
    with pytest.raises(BadFile) as refused:
        founded(tmp_path, "north")
    assert refused.value.code == "FILE_HOME_EXISTS"
    assert (tmp_path / "north" / "keys" / "sign.key").read_bytes() == before


def test_members_learn_the_coordinators_address(tmp_path: Path) -> None:
    federation = founded(tmp_path, "north")
    set_coordinator(federation, "127.0.0.1:9")
    assert Home.load(federation.home("analyst")).coordinator == "127.0.0.1:9"
    assert Home.load(federation.home("coordinator")).listen == "127.0.0.1:9"
    assert Home.load(federation.home("north")).listen == ""
    assert Home.load(federation.home("north")).manifest() == federation.manifest


def test_another_federations_manifest_is_not_accepted(tmp_path: Path) -> None:
    one, other = founded(tmp_path / "one", "north"), founded(tmp_path / "other", "north")
    home = Home.load(one.home("north"))
    with pytest.raises(Refused) as refused:
        store_manifest(home, Home.load(other.home("north")).manifest_record())
    assert refused.value.code == "POLICY_SIGNATURE_INVALID"
