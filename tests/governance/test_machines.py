"""A federation over several machines: applications, manifests, welcomes, new keys, new roots, and what is refused."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.errors import BadFile, Refused
from engine.governance import homes
from engine.governance.application import apply, open_application, require_own
from engine.governance.authority import draw_key, fits, request_certificate, requested_key
from engine.governance.manifests import read_manifest, read_signed
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from engine.trusted.records import Application, FederationManifest, RecordKind, Role
from engine.trusted.sign import decoded, signed
from tests.governance.machines import MEMBERS, Machines


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"))
    made.found()
    return made


@pytest.fixture
def machines(founded: Machines, tmp_path: Path) -> Machines:
    return founded.copy(tmp_path)


def home(machines: Machines, name: str) -> Home:
    return Home.load(machines.at(name))


def current(machines: Machines) -> FederationManifest:
    return decoded(
        read_manifest(Path(machines.file("federation.manifest"))), RecordKind.FEDERATION_MANIFEST, FederationManifest
    )


def test_everybody_draws_keys_at_home_and_holds_the_same_manifest(machines: Machines) -> None:
    manifest = home(machines, "north").manifest()
    assert [m.name for m in manifest.members] == list(MEMBERS)
    assert manifest.epoch == 1
    for member in manifest.members:
        own = home(machines, member.name)
        assert own.manifest() == manifest
        assert (own.federation, own.coordinator) == ("realm", "tally.example:7443")
        assert own.signing_key().public == member.signing_key
        assert own.sealing_key().public == member.sealing_key
        tls = own.tls()
        certificate = x509.load_pem_x509_certificate(tls.certificate)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(tls.authority))
        key = serialization.load_pem_private_key(tls.key, None)
        assert key.public_key() == certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        role = member.roles[0].name.lower()
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://realm/{role}/{member.name}"]
        assert bool(names.get_values_for_type(x509.DNSName)) is (member.name == "coordinator")
    assert manifest.members[2].roles == (Role.NODE, Role.HELPER)
    assert home(machines, "coordinator").listen == "tally.example:7443"


def test_nothing_secret_is_in_what_is_carried(machines: Machines) -> None:
    carried = b"".join(file.read_bytes() for file in machines.carry.iterdir())
    for name in MEMBERS:
        for key in Path(machines.at(name), "keys").glob("*.key"):
            body = key.read_bytes()
            assert body not in carried
            assert b"".join(body.splitlines()[1:-1]) not in carried.replace(b"\\n", b"") or not body.startswith(b"---")


def test_root_keys_are_pinned_only_by_agreement(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = machines.json("federation", "show", "--home", machines.at("ann"))["roots"]
    machines.admit(machines.apply("helper-1"))
    for typed, more, status in (
        ("n\n", (), 3),
        ("", (), 3),
        ("", ("--fingerprint", "0000 " * 8), 3),
        ("", ("--fingerprint", shown[:-1]), 3),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert "POLICY_ROOTS_NOT_AGREED" in machines.join("helper-1", *more, status=status)
        assert not Path(machines.at("helper-1"), "root.keys").exists()
    machines.join("helper-1", "--fingerprint", shown.upper().replace(" ", ":"))
    assert home(machines, "helper-1").manifest().epoch == 2


def test_a_member_is_removed_with_the_next_epoch_and_a_nodes_guardian_goes_too(machines: Machines) -> None:
    machines.admit(machines.apply("helper-1"))
    machines.said(
        "federation", "remove", "helper-1", "--root", machines.at("root"), "--out", machines.file(""), "--yes"
    )
    assert [m.name for m in current(machines).members] == list(MEMBERS)
    assert current(machines).epoch == 3
    assert "POLICY_UNKNOWN_MEMBER" in machines.join("helper-1", "--yes", status=3)
    refused = machines.said("federation", "remove", "north", "--root", machines.at("root"), "--yes", status=2)
    assert "north hosts a dataset and is no member" in refused
    text = machines.catalogue.read_text().replace("[north, south]", "[south]")
    machines.catalogue.write_text(text)
    machines.admit(machines.apply("helper-2"), more=("--catalog", str(machines.catalogue)))
    machines.said("federation", "remove", "north", "--root", machines.at("root"), "--out", machines.file(""), "--yes")
    assert not {"north", "guardian-north"} & {m.name for m in current(machines).members}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("policy", "there is no policy officer"),
        ("coordinator", "there is no coordinator"),
        ("guardian-south", "south hosts a dataset and has no guardian"),
    ],
)
def test_a_manifest_that_could_not_work_is_not_signed(machines: Machines, name: str, words: str) -> None:
    refused = machines.said("federation", "remove", name, "--root", machines.at("root"), "--yes", status=2)
    assert "FILE_FEDERATION_CHANGE" in refused
    assert words in refused
    assert homes.last_signed(home(machines, "root")) == 1


def test_old_keys_serve_until_the_manifest_names_the_new_ones(machines: Machines) -> None:
    before = home(machines, "north")
    old = (before.signing_key().public, before.sealing_key().public, before.tls().key)
    stated = machines.file("north.application")
    machines.said("federation", "rotate", "--home", machines.at("north"), "--out", stated)
    first = Path(stated).read_bytes()
    machines.said("federation", "rotate", "--home", machines.at("north"), "--out", stated)
    member = decoded(read_signed(Path(stated)), RecordKind.APPLICATION, Application).member
    assert (
        decoded(wire.decode(type(read_signed(Path(stated))), first), RecordKind.APPLICATION, Application).member
        == member
    )
    assert home(machines, "north").signing_key().public == old[0]
    machines.admit(stated)
    Path(machines.file("north.welcome")).rename(machines.file("kept"))
    assert "FILE_WELCOME_MISSING" in machines.join("north", status=2)
    assert home(machines, "north").signing_key().public == old[0]
    Path(machines.file("kept")).rename(machines.file("north.welcome"))
    for _ in range(2):
        machines.join("north")
        now = home(machines, "north")
        assert (now.signing_key().public, now.sealing_key().public) == (member.signing_key, member.sealing_key)
        assert now.tls().key != old[2]
        assert now.manifest().epoch == 2
        assert not list(Path(machines.at("north"), "keys/next").iterdir())


def test_nobody_replaces_a_members_keys_without_its_old_one(machines: Machines, tmp_path: Path) -> None:
    root = ("--root", machines.at("root"), "--yes", "--out", machines.file(""))
    thief = machines.file("thief")
    given = ("--name", "north", "--role", "node", "--body", "north council")
    machines.said("federation", "apply", "--home", machines.at("thief"), *given, "--out", thief)
    assert "POLICY_APPLICATION_UNPROVEN" in machines.said("federation", "admit", thief, *root, status=3)
    record, manifest = read_signed(Path(thief)), home(machines, "root").manifest()
    own = home(machines, "thief").signing_key()
    twice = replace(record, signatures=(*record.signatures, own.sign(record.kind, record.payload)))
    with pytest.raises(Refused, match="POLICY_APPLICATION_UNPROVEN"):
        require_own(twice, open_application(twice, "realm").member, manifest)
    machines.said("federation", "admit", thief, *root, "--replace", "north")
    assert current(machines).members[2].signing_key == own.public


def test_new_keys_bring_no_new_role(machines: Machines) -> None:
    machines.said("federation", "rotate", "--home", machines.at("ann"), "--out", machines.file("a"))
    record = read_signed(Path(machines.file("a")))
    stated = open_application(record, "realm")
    next_ = homes.Home.load(machines.at("ann"))
    from engine.governance.application import next_keys

    wanted = replace(stated, member=replace(stated.member, roles=(Role.ANALYST, Role.POLICY_OFFICER)))
    keys = (next_keys(next_)[0], next_.signing_key())
    forged = signed(RecordKind.APPLICATION, wire.encode(wanted), *keys)
    with pytest.raises(Refused, match="POLICY_APPLICATION_UNPROVEN"):
        require_own(forged, open_application(forged, "realm").member, next_.manifest())
    require_own(record, stated.member, next_.manifest())


def test_an_application_for_another_federation_or_with_another_signature_is_refused(tmp_path: Path) -> None:
    def made(name: str, federation: str) -> tuple[Home, Application, object]:
        clock, randomness = SystemClock(), SystemRandomness()
        record = apply(tmp_path / name, name, "analyst", "b", clock=clock, randomness=randomness, federation=federation)
        return Home.load(tmp_path / name), decoded(record, RecordKind.APPLICATION, Application), record

    _, stated, record = made("bob", "other")
    with pytest.raises(Refused, match="POLICY_APPLICATION_OTHER"):
        open_application(record, "realm")  # type: ignore[arg-type]
    thief, _, _ = made("thief", "realm")
    forged = signed(RecordKind.APPLICATION, wire.encode(replace(stated, federation="realm")), thief.signing_key())
    with pytest.raises(Refused, match="POLICY_SIGNATURE_INVALID"):
        open_application(forged, "realm")


@pytest.mark.parametrize(
    ("role", "department", "body", "name"),
    [
        ("root", "", "b", "x"),
        ("guardian", "", "b", "x"),
        ("node", "north", "b", "x"),
        ("node", "", " ", "x"),
        ("node", "", "b", "X!"),
    ],
)
def test_an_application_that_makes_no_sense_writes_nothing(
    tmp_path: Path, role: str, department: str, body: str, name: str
) -> None:
    with pytest.raises(BadFile):
        apply(
            tmp_path / "h", name, role, body, clock=SystemClock(), randomness=SystemRandomness(), department=department
        )
    assert not (tmp_path / "h").exists()


def test_a_certificate_request_asks_for_its_key_and_nothing_else() -> None:
    assert requested_key(request_certificate(draw_key()))
    key = ec.generate_private_key(ec.SECP256R1())
    builder, name = (
        x509.CertificateSigningRequestBuilder(),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")]),
    )
    empty = builder.subject_name(x509.Name([]))
    server = x509.SubjectAlternativeName([x509.DNSName("coordinator")])
    sound = empty.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    bad = [
        builder.subject_name(name).sign(key, hashes.SHA256()),
        empty.add_extension(server, critical=False).sign(key, hashes.SHA256()),
        empty.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256()),
        empty.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"x").sign(key, hashes.SHA256()),
        empty.sign(ec.generate_private_key(ec.SECP384R1()), hashes.SHA256()),
    ]
    requests = [request.public_bytes(serialization.Encoding.DER) for request in bad]
    for request in (*requests, sound[:-1] + bytes([sound[-1] ^ 1]), b"", b"no request"):
        with pytest.raises(Refused, match="POLICY_CERTIFICATE_REQUEST"):
            requested_key(request)


def test_a_welcome_for_another_key_or_member_is_refused(machines: Machines) -> None:
    for name in ("helper-1", "helper-2"):
        machines.admit(machines.apply(name))
    document = json.loads(Path(machines.file("helper-2.welcome")).read_text())
    document["name"] = "helper-1"
    Path(machines.file("helper-1.welcome")).write_text(json.dumps(document))
    assert "FILE_WELCOME_OTHER" in machines.join("helper-1", "--yes", status=2)
    Path(machines.file("helper-1.welcome")).write_text("{}")
    assert "FILE_RECORD" in machines.join("helper-1", "--yes", status=2)


def test_an_old_epoch_and_a_rival_of_the_same_one_are_refused(machines: Machines) -> None:
    first = Path(machines.file("first"))
    shutil.copy(machines.file("federation.manifest"), first)
    machines.admit(machines.apply("helper-1"))
    machines.join("north")
    old = machines.said("federation", "join", str(first), "--home", machines.at("north"), status=3)
    assert "POLICY_MANIFEST_OLD" in old
    manifest, root = current(machines), home(machines, "root")
    rival = replace(manifest, grace_seconds=1)
    record = signed(RecordKind.FEDERATION_MANIFEST, wire.encode(rival), root.signing_key())
    first.write_bytes(wire.encode(record))
    refused = machines.said("federation", "join", str(first), "--home", machines.at("north"), status=3)
    assert "POLICY_MANIFEST_RIVAL" in refused
    assert home(machines, "north").manifest() == manifest
    with pytest.raises(Refused, match="POLICY_MANIFEST_RIVAL"):  # nor does a root sign two of one epoch
        homes.remember_signed(root, manifest.epoch, wire.encode(rival))


@pytest.fixture(scope="module")
def founded_by_three(tmp_path_factory: pytest.TempPathFactory) -> Machines:
    made = Machines(tmp_path_factory.mktemp("machines"))
    made.found(roots=3)
    return made


@pytest.fixture
def three(founded_by_three: Machines, tmp_path: Path) -> Machines:
    return founded_by_three.copy(tmp_path)


def test_roots_on_several_machines_sign_one_after_another(three: Machines) -> None:
    stated = three.apply("helper-1")
    assert "FILE_ROOT_NO_AUTHORITY" in three.said(
        "federation", "admit", stated, "--root", three.at("root-2"), "--yes", status=2
    )
    assert three.admit(stated, roots=("root-1",))["signatures_missing"] == 1
    assert "POLICY_MANIFEST_UNSIGNED" in three.join("north", status=3)
    assert home(three, "root-1").manifest().epoch == 1
    files = (three.file("federation.manifest"), three.file("helper-1.welcome"))
    assert "more needed" not in three.said("federation", "sign", *files, "--root", three.at("root-3"), "--yes")
    three.join("helper-1", "--yes")
    three.join("north")
    three.said("federation", "join", files[0], "--home", three.at("root-1"))
    for name in ("helper-1", "north", "root-1", "root-3"):
        assert home(three, name).manifest().epoch == 2
    once = Path(files[0]).read_bytes()
    three.said("federation", "sign", files[0], "--root", three.at("root-3"), "--yes")
    assert Path(files[0]).read_bytes() == once


def test_a_signature_is_given_after_reading_only(three: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    three.admit(three.apply("helper-1"), roots=("root-1",))
    file = three.file("federation.manifest")
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    said = three.said("federation", "sign", file, "--root", three.at("root-2"), status=2)
    assert "new: member helper-1: helper of helper-1; keys " in said
    assert "FILE_NOT_AGREED" in said
    assert homes.last_signed(home(three, "root-2")) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    three.said("federation", "sign", file, "--root", three.at("root-2"))


def test_an_abandoned_manifest_burns_its_epoch_and_blocks_nothing(three: Machines) -> None:
    three.admit(three.apply("helper-1"), roots=("root-1",))
    three.admit(three.apply("helper-2"), roots=("root-1", "root-2"))
    assert current(three).epoch == 3
    assert home(three, "root-1").manifest().epoch == 3


def test_root_keys_change_only_by_the_old_ones_and_pinning_follows(three: Machines) -> None:
    """The old ones and the new ones sign; a home that was away takes the manifests one after another."""
    file = three.file("federation.manifest")
    three.said("federation", "root-key", "--home", three.at("new"), "--name", "root-4", "--out", three.file("k"))
    three.said("federation", "join", file, "--home", three.at("new"), "--yes")
    more = ("--keep", "root-3", "--threshold", "2", "--out", three.file(""), "--yes")
    three.said("federation", "roots", three.file("k"), "--root", three.at("root-1"), *more)
    three.said("federation", "sign", file, "--root", three.at("root-2"), "--yes")
    assert "POLICY_MANIFEST_UNSIGNED" in three.join("north", status=3)  # old ones alone: no proof of the new ones
    for name in ("root-3", "new"):
        three.said("federation", "sign", file, "--root", three.at(name), "--yes")
    three.join("north")
    assert {root.name for root in home(three, "north").roots()} == {"root-3", "root-4"}
    assert home(three, "north").manifest().epoch == 2
    shutil.copy(file, three.file("second"))
    three.said("federation", "join", file, "--home", three.at("root-1"))
    given = ("--root", three.at("root-3"), "--root", three.at("new"), "--root", three.at("root-1"))
    refused = three.said("federation", "remove", "ann", *given, "--yes", status=2)
    assert "root-1 is no root of this federation" in refused
    gone = ("remove", "ann", "--root", three.at("root-3"), "--root", three.at("new"), "--out", three.file(""), "--yes")
    three.said("federation", *gone)
    three.join("north")
    assert "POLICY_MANIFEST_UNSIGNED" in three.join("south", status=3)
    both = (three.file("federation.manifest"), three.file("second"))
    three.said("federation", "join", *both, "--home", three.at("south"))
    assert home(three, "south").manifest() == home(three, "north").manifest() == current(three)


def test_new_roots_alone_cannot_make_themselves_roots(three: Machines) -> None:
    three.said("federation", "root-key", "--home", three.at("new"), "--name", "root-9", "--out", three.file("k"))
    three.said("federation", "join", three.file("federation.manifest"), "--home", three.at("new"), "--yes")
    more = ("--threshold", "1", "--out", three.file(""), "--yes")
    three.said("federation", "roots", three.file("k"), "--root", three.at("new"), *more)
    assert "POLICY_MANIFEST_UNSIGNED" in three.join("north", status=3)
    assert len(home(three, "north").roots()) == 3


RULES = """
f: 1
n_min: 2
until: 2031-01-01
grace_days: 3
caps:
  - {account: identifier, name: nino, period_days: 30, period: {epsilon: 2, delta: 1e-6},
     lifetime: {epsilon: 9, delta: 1e-6}}
  - {account: share, name: people, lifetime: {epsilon: 1, delta: 1e-6}}
"""


def test_rules_are_set_in_signed_policy(machines: Machines) -> None:
    Path(machines.file("rules.yaml")).write_text(RULES)
    root = ("--root", machines.at("root"), "--out", machines.file(""), "--yes")
    machines.said("federation", "amend", "--rules", machines.file("rules.yaml"), *root)
    machines.join("north")
    rules = home(machines, "north").manifest().rules
    assert (rules.f, rules.n_min, rules.committee, len(rules.caps)) == (1, 2, 3, 2)
    shown = machines.json("federation", "show", "--home", machines.at("north"))
    said = dict(map(tuple, shown["rules"]))
    assert said["valid until"] == "2031-01-01, and 3 days of grace"
    assert said["cap of identifier nino"].startswith("epsilon 2 at delta 1e-06 in 30 days; epsilon 9")
    assert "cap of one analyst's share of dataset people" in said
    assert said["most loss of a person by nino"].endswith("for ever, over 1 node")
    assert "epoch 2" in machines.said("federation", "show", "--home", machines.at("north"))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("f: 1", "f: 2", "n_min - f has to be at least 1"),
        ("identifier, name: nino", "identifier, name: nhs", "no cap names the identifier nino"),
        ("until: 2031-01-01", "until: 2020-01-01", "out of date at once"),
        ("account: share", "account: shares", "Did you mean `share`?"),
        ("period_days: 30, ", "", "without the other"),
        ("grace_days: 3", "grace: 3", "no key `grace` in rules"),
        ("epsilon: 2,", "epsilon: 0,", "is not above 0"),
    ],
)
def test_rules_that_cannot_be_are_refused_with_their_place(
    machines: Machines, before: str, after: str, words: str
) -> None:
    assert before in RULES
    Path(machines.file("rules.yaml")).write_text(RULES.replace(before, after))
    root = ("--root", machines.at("root"), "--out", machines.file(""), "--yes")
    assert words in machines.said("federation", "amend", "--rules", machines.file("rules.yaml"), *root, status=2)


@pytest.mark.parametrize("broken", ["keys/seal.key", "keys/tls.key", "keys/sign.key", "keys/tls.crt", "keys/ca.crt"])
def test_taking_new_keys_may_stop_anywhere_and_begin_again(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    stated = machines.file("north.application")
    machines.said("federation", "rotate", "--home", machines.at("north"), "--out", stated)
    machines.admit(stated)
    wanted = current(machines).members[2]
    write = Home.write

    def fails(self: Home, name: str, body: bytes, *, secret: bool = False) -> None:
        if name == broken:
            raise OSError("the machine stopped")
        write(self, name, body, secret=secret)

    monkeypatch.setattr(Home, "write", fails)
    machines.said("federation", "join", machines.file("north.welcome"), "--home", machines.at("north"), status=1)
    monkeypatch.undo()
    machines.join("north")
    now = home(machines, "north")
    assert (now.signing_key().public, now.sealing_key().public) == (wanted.signing_key, wanted.sealing_key)
    assert fits(now.tls().certificate, now.tls().key)


def test_a_home_that_stops_before_it_pins_new_roots_still_verifies(
    three: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = three.file("federation.manifest")
    three.said("federation", "root-key", "--home", three.at("new"), "--name", "root-4", "--out", three.file("k"))
    three.said("federation", "join", file, "--home", three.at("new"), "--yes")
    more = ("--keep", "root-3", "--threshold", "2", "--out", three.file(""), "--yes")
    three.said("federation", "roots", three.file("k"), "--root", three.at("root-1"), *more)
    for name in ("root-2", "root-3", "new"):
        three.said("federation", "sign", file, "--root", three.at(name), "--yes")

    def fails(*_: object) -> None:
        raise OSError("the machine stopped")

    monkeypatch.setattr(homes, "store_roots", fails)
    three.said("federation", "join", file, "--home", three.at("north"), status=1)
    monkeypatch.undo()
    assert home(three, "north").manifest().epoch == 2
    assert len(home(three, "north").roots()) == 3
    three.join("north")
    assert len(home(three, "north").roots()) == 2
