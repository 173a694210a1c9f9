from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import Refused
from engine.trusted import records, sign, wire
from engine.trusted.records import (
    Approval,
    Decision,
    HelperAnswer,
    JournalHead,
    Member,
    Ready,
    RecordKind,
    Role,
    RootKey,
    Share,
    Signature,
    SignedRecord,
)
from engine.trusted.sign import Roster, SigningKey, signed, verify_signature

OFFICER, NORTH, SOUTH = "officer", "north-guardian", "south-guardian"


def refused(code: str) -> Any:
    return pytest.raises(Refused, match=f"^{code}")


def test_the_message_is_prefix_kind_nul_and_payload(randomness: Any) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = SigningKey.from_raw("a", randomness.bytes(32))
    signature = key.sign(RecordKind.ROUND_MANIFEST, b"body")
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature.signature, b"splittally.v1.round_manifest\0body")


def test_a_signature_on_one_kind_is_none_on_another(randomness: Any) -> None:
    key = SigningKey.from_raw("a", randomness.bytes(32))
    for kind in RecordKind:
        for other in RecordKind:
            if other is kind:
                verify_signature(kind, b"body", key.sign(kind, b"body"), key.public)
            else:
                with refused("POLICY_SIGNATURE_INVALID"):
                    verify_signature(other, b"body", key.sign(kind, b"body"), key.public)


def test_any_changed_byte_is_refused(federation: Any) -> None:
    record = federation.sign(RecordKind.REQUEST, federation.request, "ana")
    assert sign.open_request(record, federation.roster) == federation.request
    for at in range(len(record.payload)):
        body = bytearray(record.payload)
        body[at] ^= 1
        with pytest.raises(Refused):
            sign.open_request(replace(record, payload=bytes(body)), federation.roster)
    signature = record.signatures[0]
    for at in range(len(signature.signature)):
        changed = bytearray(signature.signature)
        changed[at] ^= 1
        with refused("POLICY_SIGNATURE_INVALID"):
            sign.open_request(
                replace(record, signatures=(replace(signature, signature=bytes(changed)),)), federation.roster
            )


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_keys_and_signatures_of_another_length_are_refused(randomness: Any, length: int) -> None:
    key = SigningKey.from_raw("a", randomness.bytes(32))
    with refused("POLICY_SIGNATURE_INVALID"):
        verify_signature(RecordKind.REQUEST, b"x", key.sign(RecordKind.REQUEST, b"x"), bytes(length))
    with refused("POLICY_SIGNATURE_INVALID"):
        verify_signature(RecordKind.REQUEST, b"x", Signature("a", bytes(length)), key.public)


def test_the_text_of_a_key_shows_its_name_only(randomness: Any) -> None:
    key = SigningKey.from_raw("a", randomness.bytes(32))
    assert repr(key) == str(key) == "SigningKey(name='a')"
    with pytest.raises(TypeError):
        pickle.dumps(key)


# -- manifest and roster


def test_a_manifest_needs_k_distinct_pinned_roots(federation: Any, randomness: Any) -> None:
    one, two, three = federation.roots
    for roots in ((one, two), (two, three), (one, two, three)):
        record = federation.signed_manifest(*roots)
        assert sign.open_manifest(record, federation.pinned) == federation.manifest
    stranger = SigningKey.from_raw("root-1", randomness.bytes(32))
    for roots in ((one,), (one, one)):
        with refused("POLICY_MANIFEST_UNSIGNED"):
            sign.open_manifest(federation.signed_manifest(*roots), federation.pinned)
    with refused("POLICY_SIGNATURE_INVALID"):
        sign.open_manifest(federation.signed_manifest(one, stranger), federation.pinned)
    with refused("POLICY_MANIFEST_UNSIGNED"):  # a key of the federation, but not a root
        sign.open_manifest(federation.signed_manifest(one, federation.keys["hub"]), federation.pinned)
    with refused("POLICY_MANIFEST_UNSIGNED"):  # nothing is pinned
        sign.open_manifest(federation.signed_manifest(), ())


def test_one_root_key_under_two_names_counts_once(federation: Any) -> None:
    one, *_ = federation.roots
    again = SigningKey.from_raw("again", one._key.private_bytes_raw())
    pinned = (RootKey(one.name, one.public), RootKey("again", one.public), federation.pinned[1])
    with refused("POLICY_MANIFEST_UNSIGNED"):
        sign.open_manifest(federation.signed_manifest(one, again), pinned)


def test_a_manifest_cannot_lower_its_own_bar(federation: Any) -> None:
    federation.manifest = replace(federation.manifest, root_threshold=1)
    with refused("POLICY_MANIFEST_UNSIGNED"):
        sign.open_manifest(federation.signed_manifest(federation.roots[0]), federation.pinned)
    federation.manifest = replace(federation.manifest, root_threshold=3)
    with refused("POLICY_MANIFEST_UNSIGNED"):
        sign.open_manifest(federation.signed_manifest(*federation.roots[:2]), federation.pinned)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": 2}, "POLICY_RECORD_INVALID"),
        ({"federation": "other"}, "POLICY_MANIFEST_INVALID"),
    ],
)
def test_a_manifest_of_another_version_or_federation_is_refused(federation: Any, change: Any, code: str) -> None:
    federation.manifest = replace(federation.manifest, **change)
    with refused(code):
        sign.open_manifest(federation.signed_manifest(), federation.pinned)


def test_a_stale_manifest_closes_after_its_grace(federation: Any) -> None:
    end = federation.manifest.until_ms + 3_600_000
    sign.require_current(federation.manifest, end)
    with refused("POLICY_MANIFEST_STALE"):
        sign.require_current(federation.manifest, end + 1)


def _changed(members: tuple[Member, ...], who: str, /, **change: Any) -> tuple[Member, ...]:
    return tuple(replace(m, **change) if m.name == who else m for m in members)


@pytest.mark.parametrize(
    "change",
    [
        lambda members: (*members, replace(members[0], signing_key=bytes(32))),
        lambda members: _changed(members, "ana", signing_key=members[0].signing_key),
        lambda members: _changed(members, "ana", signing_key=b"short"),
        lambda members: _changed(members, "north", sealing_key=b""),
        lambda members: _changed(members, "officer", sealing_key=b"short"),
        lambda members: _changed(members, "ana", roles=()),
        lambda members: _changed(members, "ana", name=""),
        lambda members: _changed(members, "north-guardian", department="harbour"),
        lambda members: _changed(members, "south", roles=(Role.HELPER,)),
    ],
    ids=["twice", "one key for two", "short key", "no sealing key", "short sealing key", "no role", "no name",
         "a guardian of no node", "a host that is no node"],
)  # fmt: skip
def test_a_roster_refuses_a_manifest_that_contradicts_itself(federation: Any, change: Any) -> None:
    with refused("POLICY_MANIFEST_INVALID"):
        Roster(replace(federation.manifest, members=change(federation.manifest.members)))


def test_a_roster_finds_members_by_name_and_role(federation: Any) -> None:
    roster = federation.roster
    assert roster.member("ana").name == "ana"
    assert roster.require("harbour", Role.HELPER).roles == (Role.HELPER,)
    with refused("POLICY_UNKNOWN_MEMBER"):
        roster.member("nobody")
    with refused("POLICY_UNKNOWN_MEMBER"):
        roster.require("ana", Role.NODE)


# -- agreement


@pytest.mark.parametrize(
    ("signers", "code"),
    [
        ((OFFICER, NORTH, SOUTH), None),
        ((SOUTH, NORTH, OFFICER), None),
        ((NORTH, SOUTH), "POLICY_AGREEMENT_UNSIGNED"),
        ((OFFICER, NORTH), "POLICY_AGREEMENT_UNSIGNED"),
        ((OFFICER, SOUTH), "POLICY_AGREEMENT_UNSIGNED"),
        ((OFFICER, NORTH, NORTH), "POLICY_AGREEMENT_UNSIGNED"),
        ((OFFICER, "north", "south"), "POLICY_AGREEMENT_UNSIGNED"),
        ((), "POLICY_AGREEMENT_UNSIGNED"),
    ],
)
def test_an_agreement_needs_an_officer_and_each_hosts_guardian(federation: Any, signers: Any, code: str) -> None:
    record = federation.sign(RecordKind.AGREEMENT, federation.agreement, *signers)
    if code is None:
        assert sign.open_agreement(record, federation.roster) == federation.agreement
    else:
        with refused(code):
            sign.open_agreement(record, federation.roster)


def test_only_the_hosts_in_scope_have_to_sign(federation: Any) -> None:
    scope = (replace(federation.agreement.scope[0], dataset="visits"),)
    record = federation.sign(RecordKind.AGREEMENT, replace(federation.agreement, scope=scope), OFFICER, SOUTH)
    assert sign.open_agreement(record, federation.roster).scope == scope


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"federation": "other"}, "POLICY_AGREEMENT_INVALID"),
        ({"scope": ()}, "POLICY_AGREEMENT_INVALID"),
        ({"name": ""}, "POLICY_AGREEMENT_INVALID"),
        ({"name": "benefit\u0455"}, "POLICY_AGREEMENT_INVALID"),  # a Cyrillic letter
        ({"name": "benefits\u200b"}, "POLICY_AGREEMENT_INVALID"),
        ({"name": "benefits\n"}, "POLICY_AGREEMENT_INVALID"),
        ({"name": "b" * 64}, "POLICY_AGREEMENT_INVALID"),
        ({"version": 9}, "POLICY_RECORD_INVALID"),
    ],
)
def test_an_agreement_that_does_not_fit_is_refused(federation: Any, change: Any, code: str) -> None:
    record = federation.sign(RecordKind.AGREEMENT, replace(federation.agreement, **change), OFFICER, NORTH, SOUTH)
    with refused(code):
        sign.open_agreement(record, federation.roster)


def test_a_dataset_that_nobody_knows_is_refused(federation: Any) -> None:
    scope = (*federation.agreement.scope, replace(federation.agreement.scope[0], dataset="secrets"))
    record = federation.sign(RecordKind.AGREEMENT, replace(federation.agreement, scope=scope), OFFICER, NORTH, SOUTH)
    with refused("POLICY_AGREEMENT_INVALID"):
        sign.open_agreement(record, federation.roster)


def test_an_agreement_is_in_force_from_its_first_to_before_its_last_moment(federation: Any) -> None:
    agreement = federation.agreement
    sign.require_in_force(agreement, agreement.from_ms)
    sign.require_in_force(agreement, agreement.until_ms - 1)
    with refused("POLICY_AGREEMENT_NOT_YET"):
        sign.require_in_force(agreement, agreement.from_ms - 1)
    with refused("POLICY_AGREEMENT_EXPIRED"):
        sign.require_in_force(agreement, agreement.until_ms)


# -- request and the records of a round


@pytest.mark.parametrize("signers", [(), ("ben",), ("ana", "ana"), ("ana", "ben"), ("hub",)])
def test_a_request_is_signed_by_the_analyst_it_names_alone(federation: Any, signers: Any) -> None:
    with refused("POLICY_SIGNATURE_INVALID"):
        sign.open_request(federation.sign(RecordKind.REQUEST, federation.request, *signers), federation.roster)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"federation": "other"}, "POLICY_RECORD_INVALID"),
        ({"nonce": b"short"}, "POLICY_RECORD_INVALID"),
        ({"sealing_key": b"short"}, "POLICY_RECORD_INVALID"),
        ({"expires_ms": 0}, "POLICY_RECORD_INVALID"),
        ({"max_attempts": 0}, "POLICY_RECORD_INVALID"),
        ({"runs": 0}, "POLICY_RECORD_INVALID"),
        ({"version": 0}, "POLICY_RECORD_INVALID"),
        ({"analyst": "nobody"}, "POLICY_UNKNOWN_MEMBER"),
        ({"analyst": "officer"}, "POLICY_UNKNOWN_MEMBER"),
    ],
)
def test_a_request_out_of_shape_is_refused(federation: Any, change: Any, code: str) -> None:
    request = replace(federation.request, **change)
    signer = request.analyst if request.analyst in federation.keys else "ana"
    with refused(code):
        sign.open_request(federation.sign(RecordKind.REQUEST, request, signer), federation.roster)


def test_a_signature_under_a_borrowed_name_is_refused(federation: Any) -> None:
    payload = wire.encode(federation.request)
    forged = Signature("ana", federation.keys["ben"].sign(RecordKind.REQUEST, payload).signature)
    with refused("POLICY_SIGNATURE_INVALID"):
        sign.open_request(SignedRecord(RecordKind.REQUEST, payload, (forged,)), federation.roster)


def test_an_approval_counts_for_the_guardians_own_node_only(federation: Any) -> None:
    approval = Approval(1, bytes(32), NORTH, "north", Decision.APPROVED, "", 1, 2, bytes(32))
    record = federation.sign(RecordKind.APPROVAL, approval, NORTH)
    assert sign.open_approval(record, federation.roster) == approval
    record = federation.sign(RecordKind.APPROVAL, replace(approval, node="south"), NORTH)
    with refused("POLICY_UNKNOWN_MEMBER"):
        sign.open_approval(record, federation.roster)


def _head(member: str, size: int = 3) -> JournalHead:
    return JournalHead(member, size, bytes(32), bytes(32))


def test_a_head_is_signed_by_the_member_it_names(federation: Any) -> None:
    head = _head("north")
    signed_head = sign.sign_head(head, federation.keys["north"])
    assert sign.open_head(signed_head, federation.roster) == head
    for forged in (
        replace(signed_head, head=_head("south")),
        replace(signed_head, head=_head("north", 4)),
        sign.sign_head(head, federation.keys["south"]),
    ):
        with refused("POLICY_SIGNATURE_INVALID"):
            sign.open_head(forged, federation.roster)


def test_records_of_a_round_are_signed_by_the_member_they_name(federation: Any) -> None:
    roster, keys = federation.roster, federation.keys
    share = Share(bytes(32), "north", "harbour", b"seed", bytes(32), sign.sign_head(_head("north"), keys["north"]))
    answer = HelperAnswer(
        bytes(32), "harbour", ("north",), bytes(32), sign.sign_head(_head("harbour"), keys["harbour"])
    )
    ready = Ready(1, bytes(32), "harbour", 5, _head("harbour"), ())
    cases = (
        (sign.open_share, RecordKind.SHARE, share, "north"),
        (sign.open_answer, RecordKind.HELPER_ANSWER, answer, "harbour"),
        (sign.open_ready, RecordKind.READY, ready, "harbour"),
    )
    for opened, kind, record, signer in cases:
        assert opened(federation.sign(kind, record, signer), roster) == record  # type: ignore[operator]
        with refused("POLICY_SIGNATURE_INVALID"):
            opened(federation.sign(kind, record, "ana"), roster)  # type: ignore[operator]
        with refused("POLICY_RECORD_INVALID"):
            opened(federation.sign(RecordKind.PAUSE, record, signer), roster)  # type: ignore[operator]


def test_a_head_of_somebody_else_inside_a_record_is_refused(federation: Any) -> None:
    roster, keys = federation.roster, federation.keys
    south, north = sign.sign_head(_head("south"), keys["south"]), sign.sign_head(_head("north"), keys["north"])
    share = federation.sign(RecordKind.SHARE, Share(bytes(32), "north", "h", b"", bytes(32), south), "north")
    with refused("POLICY_RECORD_INVALID"):
        sign.open_share(share, roster)
    answer = HelperAnswer(bytes(32), "harbour", (), bytes(32), north)
    with refused("POLICY_RECORD_INVALID"):
        sign.open_answer(federation.sign(RecordKind.HELPER_ANSWER, answer, "harbour"), roster)
    ready = Ready(1, bytes(32), "harbour", 5, _head("north"), ())
    with refused("POLICY_RECORD_INVALID"):
        sign.open_ready(federation.sign(RecordKind.READY, ready, "harbour"), roster)


def test_a_forged_head_inside_a_record_is_refused(federation: Any) -> None:
    roster = federation.roster
    north, harbour = (sign.sign_head(_head(n), federation.keys["ana"]) for n in ("north", "harbour"))
    share = federation.sign(RecordKind.SHARE, Share(bytes(32), "north", "h", b"", bytes(32), north), "north")
    with refused("POLICY_SIGNATURE_INVALID"):
        sign.open_share(share, roster)
    answer = federation.sign(
        RecordKind.HELPER_ANSWER, HelperAnswer(bytes(32), "harbour", (), bytes(32), harbour), "harbour"
    )
    with refused("POLICY_SIGNATURE_INVALID"):
        sign.open_answer(answer, roster)


def test_a_record_of_the_wrong_role_is_refused(federation: Any) -> None:
    head = sign.sign_head(_head("harbour"), federation.keys["harbour"])
    share = Share(bytes(32), "harbour", "ana", b"", bytes(32), head)
    with refused("POLICY_UNKNOWN_MEMBER"):
        sign.open_share(federation.sign(RecordKind.SHARE, share, "harbour"), federation.roster)


def test_signed_keeps_the_order_of_its_keys(federation: Any) -> None:
    record = signed(RecordKind.PAUSE, b"x", *federation.roots)
    assert [s.signer for s in record.signatures] == ["root-0", "root-1", "root-2"]


@pytest.mark.parametrize(
    ("scope", "signer", "named", "code"),
    [
        ("people", OFFICER, OFFICER, None),
        ("people", NORTH, NORTH, None),
        ("visits", NORTH, NORTH, "POLICY_UNKNOWN_MEMBER"),  # north hosts no visits
        ("people", "ana", "ana", "POLICY_UNKNOWN_MEMBER"),
        ("people", NORTH, OFFICER, "POLICY_SIGNATURE_INVALID"),
        ("people", NORTH, "nobody", "POLICY_UNKNOWN_MEMBER"),
    ],
)
def test_an_agreement_is_revoked_by_either_side_only(
    federation: Any, scope: str, signer: str, named: str, code: str | None
) -> None:
    agreement = replace(federation.agreement, scope=(replace(federation.agreement.scope[0], dataset=scope),))
    revocation = records.Revocation(records.RECORD_VERSION, b"d" * 32, named, 1, "over")
    record = federation.sign(RecordKind.REVOCATION, revocation, signer)
    if code is None:
        assert sign.open_revocation(record, federation.roster, agreement) == revocation
    else:
        with refused(code):
            sign.open_revocation(record, federation.roster, agreement)


@pytest.mark.parametrize(
    ("node", "signer", "named", "code"),
    [
        ("north", NORTH, NORTH, None),
        ("south", NORTH, NORTH, "POLICY_UNKNOWN_MEMBER"),
        ("north", OFFICER, OFFICER, "POLICY_UNKNOWN_MEMBER"),
        ("north", SOUTH, NORTH, "POLICY_SIGNATURE_INVALID"),
    ],
)
def test_only_its_own_guardian_stops_a_node(
    federation: Any, node: str, signer: str, named: str, code: str | None
) -> None:
    pause = records.Pause(records.RECORD_VERSION, node, named, True, 1, "a leak")
    record = federation.sign(RecordKind.PAUSE, pause, signer)
    if code is None:
        assert sign.open_pause(record, federation.roster) == pause
    else:
        with refused(code):
            sign.open_pause(record, federation.roster)
