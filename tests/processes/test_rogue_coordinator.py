"""A coordinator that lies gets nothing, over real processes: no release opens beyond what was signed, nobody is charged
beyond it, and the journals show what was tried.

The liar has the coordinator's keys and its place; the analyst's own code opens, or does not open, what it gathered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.client.open_result import open_result
from engine.errors import SplittallyError
from engine.governance.binding import folder_binding
from engine.governance.homes import store_manifest
from engine.governance.revocation import approval_record
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import BodyKind, OpenRound, ResultHead, RoundRefusal, ShareSet, Submission
from engine.trusted.records import Decision, JournalKind, Participant, RecordKind, Request, RoundManifest, SignedRecord
from engine.trusted.sign import open_share, signed
from tests.processes.faults_fleet import HELPER, MEMBERS, NODES, Fleet, charged_once, digest_of, until
from tests.processes.faults_rogue import SILENT, Rogue, lying

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the engines of a node in /proc")
ANALYST, OTHER = "analyst", "other"
HELPERS = ("eve", HELPER)
NOBODY: dict[str, int] = {}
Answers = dict[str, tuple[bytes, ShareSet]]


class Guarded(Fleet):
    """At ada, each plan needs its guardian's approval."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        written = folder / "ada.toml"
        text = folder_binding("ada", self.catalogue, folder / "ada")
        written.write_text(f'{text}[approval]\nmode = "each-plan"\n')
        self.bindings = {**self.bindings, "ada": written}

    def decided(self, submission: Submission, decision: Decision = Decision.APPROVED) -> SignedRecord:
        """What ada's guardian signed about a request."""
        request: Request = wire.decode(Request, submission.request.payload)
        digest, reason = wire.digest(submission.request.payload), "no" if decision is Decision.REFUSED else ""
        home = self.home("guardian-ada")
        return approval_record(home, digest, decision, reason, SystemClock(), latest_ms=request.expires_ms)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    fleet = Guarded(tmp_path_factory.mktemp("rogue"))
    with fleet:
        yield fleet


@pytest.fixture
def fleet(running: Guarded) -> Iterator[Guarded]:
    running.restore()
    yield running
    running.check_books()


def approved(fleet: Guarded, rogue: Rogue, submission: Submission, **lies: object) -> bytes:
    """The manifest of an honest round, but for ``lies``."""
    return rogue.manifest(submission, HELPERS, **{"approvals": (fleet.decided(submission),), **lies})


def answered(given: dict[str, tuple[bytes, ShareSet] | str]) -> Answers:
    found = {node: answer for node, answer in given.items() if isinstance(answer, tuple)}
    assert set(found) == set(given), given
    return found


def gathered(rogue: Rogue, manifest: bytes, answers: Answers) -> dict[str, tuple[bytes, SignedRecord] | str]:
    """What the helpers say about these nodes' shares."""
    sets = [shares for _, shares in answers.values()]
    return {helper: rogue.masks(helper, wire.digest(manifest), sets) for helper in HELPERS}


def opens(
    fleet: Guarded,
    submission: Submission,
    manifest: bytes,
    answers: Answers,
    masks: dict[str, tuple[bytes, SignedRecord]],
) -> str:
    """What the analyst's machine makes of a result put together like this: its code, or nothing if it opens."""
    home = fleet.home(ANALYST)
    own = tuple(
        record
        for _, shares in answers.values()
        for record in shares.shares
        if open_share(record, home.roster()).member == ANALYST
    )
    head = ResultHead(manifest, tuple(answers), own, tuple(record for _, record in masks.values()), False)
    bodies = {(BodyKind.MASKED_VECTOR, node): vector for node, (vector, _) in answers.items()}
    bodies |= {(BodyKind.SEALED_MASKS, helper): sealed for helper, (sealed, _) in masks.items()}
    try:
        open_result(head, bodies, submission, home.roster(), home.sealing_key())
    except SplittallyError as error:
        return error.code
    return ""


def of_helpers(said: dict[str, tuple[bytes, SignedRecord] | str]) -> dict[str, tuple[bytes, SignedRecord]]:
    found = {helper: given for helper, given in said.items() if isinstance(given, tuple)}
    assert set(found) == set(HELPERS), said
    return found


def journalled(fleet: Guarded, *rounds: bytes, at: tuple[str, ...] = NODES) -> set[tuple[str, ...]]:
    """As which codes the journals of members show these rounds refused: one tuple for all that agree."""
    names = [wire.digest(manifest) for manifest in rounds]
    found = [[e for e in fleet.book(m).entries if e.kind is JournalKind.ROUND_REFUSED] for m in at]
    return {tuple(e.code for name in names for e in entries if e.round == name) for entries in found}


def test_a_replay_gives_the_same_bytes_and_no_second_answer(fleet: Guarded) -> None:
    """(a) Also after everybody was killed. A second round is the attempt that the analyst signed; a third is none."""
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifest = approved(fleet, rogue, submission)
        first = answered(rogue.open(manifest, *NODES, HELPER))
        masks = of_helpers(gathered(rogue, manifest, first))
        assert opens(fleet, submission, manifest, first, masks) == ""
        assert answered(rogue.open(manifest, *NODES, HELPER)) == first
        fleet.kill("ada", HELPER)
        rogue.restart(fleet, "ada", HELPER)
        assert answered(rogue.open(manifest, *NODES, HELPER)) == first
        assert set(gathered(rogue, manifest, first).values()) <= SILENT
        assert fleet.charges(query) == charged_once(*NODES)
        second = approved(fleet, rogue, submission, attempt=2)
        answered(rogue.open(second, *NODES, HELPER))
        third = approved(fleet, rogue, submission, attempt=2)
        assert rogue.open(third, *NODES, HELPER) == dict.fromkeys(NODES, "POLICY_ATTEMPTS_EXHAUSTED")
        assert fleet.charges(query) == charged_once(*NODES, *NODES)
        assert journalled(fleet, third) == {("POLICY_ATTEMPTS_EXHAUSTED",)}


def test_approvals_that_are_dropped_or_changed_open_nothing(fleet: Guarded) -> None:
    """(b) Left out; a refusal; that of another request."""
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifest = approved(fleet, rogue, submission, approvals=())
        given = rogue.open(manifest, *NODES, HELPER)
        assert given.pop("ada") == "APPROVAL_MISSING"
        said = gathered(rogue, manifest, answered(given))
        assert said == dict.fromkeys(HELPERS, "ROUND_TOO_FEW_NODES")
        assert fleet.charges(query) == charged_once(*NODES[1:])  # who asks for no approval; nobody can open it
        no = approved(fleet, rogue, submission, attempt=2, approvals=(fleet.decided(submission, Decision.REFUSED),))
        assert rogue.open(no, *NODES, HELPER) == dict.fromkeys(NODES, "APPROVAL_REFUSED")
        elsewhere = replace(submission, request=replace(submission.request, payload=other_nonce(submission)))
        other = approved(fleet, rogue, submission, attempt=2, approvals=(fleet.decided(elsewhere),))
        assert rogue.open(other, *NODES, HELPER) == dict.fromkeys(NODES, "APPROVAL_OTHER_REQUEST")
        assert fleet.charges(query) == charged_once(*NODES[1:])
        shown = journalled(fleet, manifest, no, other, at=("ada",))
        assert shown == {("APPROVAL_MISSING", "APPROVAL_REFUSED", "APPROVAL_OTHER_REQUEST")}


def other_nonce(submission: Submission) -> bytes:
    request: Request = wire.decode(Request, submission.request.payload)
    return wire.encode(replace(request, nonce=bytes(len(request.nonce))))


def test_a_plan_that_is_widened_is_refused_by_everybody(fleet: Guarded) -> None:
    """(c) Another plan under the same request; the request changed to name it; a higher price."""
    with lying(fleet, n_min=5) as (rogue, query, submission), fleet.session() as session:
        wide = session.query("SELECT region, COUNT(*) AS n, SUM(income) AS s FROM people GROUP BY region").plan
        lies = [approved(fleet, rogue, submission, plan=wide)]
        assert rogue.open(lies[0], *NODES, HELPER) == dict.fromkeys(NODES, "POLICY_PLAN_DIFFERS")
        request: Request = wire.decode(Request, submission.request.payload)
        assert request.loss is not None
        for changed in (
            replace(request, plan_digest=wire.digest(wide)),
            replace(request, loss=replace(request.loss, rho_billionths=2 * request.loss.rho_billionths)),
            replace(request, max_attempts=3),
        ):
            forged = replace(submission.request, payload=wire.encode(changed))
            lies.append(approved(fleet, rogue, submission, request=forged))
            assert rogue.open(lies[-1], *NODES, HELPER) == dict.fromkeys(NODES, "POLICY_SIGNATURE_INVALID")
        assert +fleet.charges(query) == NOBODY
        assert journalled(fleet, *lies) == {("POLICY_PLAN_DIFFERS", *["POLICY_SIGNATURE_INVALID"] * 3)}


def test_lies_about_who_takes_part_open_nothing(fleet: Guarded) -> None:
    """(d) Fewer than were signed for, one twice, somebody without data; then fewer at the helpers than at the nodes."""
    with lying(fleet, n_min=5) as (rogue, query, submission):
        seats, lies, codes = tuple(Participant(n, rogue.hellos[n].snapshots) for n in NODES), [], []
        for participants, code in (
            (seats[:4], "ROUND_TOO_FEW_NODES"),
            ((*seats[:4], seats[0]), "ROUND_NODE_REPEATED"),
            ((*seats, Participant(HELPER, ())), "ROUND_NOT_A_HOST"),
        ):
            lies.append(approved(fleet, rogue, submission, participants=participants))
            codes.append(code)
            assert rogue.open(lies[-1], *NODES[:4], HELPER) == dict.fromkeys(NODES[:4], code)
        assert +fleet.charges(query) == NOBODY
        assert journalled(fleet, *lies, at=NODES[:4]) == {tuple(codes)}
        manifest = approved(fleet, rogue, submission)
        answers = answered(rogue.open(manifest, *NODES, HELPER))
        four = {node: answers[node] for node in NODES[:4]}
        assert gathered(rogue, manifest, four) == dict.fromkeys(HELPERS, "ROUND_TOO_FEW_NODES")
        twice = [answers[node][1] for node in (*NODES[:4], "ada")]
        for helper in HELPERS:
            assert rogue.masks(helper, wire.digest(manifest), twice) == "ROUND_SURVIVOR_REPEATED"
        masks = of_helpers(gathered(rogue, manifest, answers))
        assert opens(fleet, submission, manifest, four, masks) == "ROUND_TOO_FEW_NODES"
        assert opens(fleet, submission, manifest, answers, masks) == ""
        assert fleet.charges(query) == charged_once(*NODES)


def test_helpers_asked_twice_say_nothing_more(fleet: Guarded) -> None:
    """(f) Each helper over other nodes: the difference would be one node's own sum. It does not open."""
    with lying(fleet, n_min=4) as (rogue, query, submission):
        manifest = approved(fleet, rogue, submission)
        answers, round_ = answered(rogue.open(manifest, *NODES, HELPER)), wire.digest(manifest)
        sets = [shares for _, shares in answers.values()]
        five, four = rogue.masks("eve", round_, sets), rogue.masks(HELPER, round_, sets[:4])
        assert isinstance(five, tuple) and isinstance(four, tuple)
        for over in (sets, sets[:4], sets[1:]):
            assert rogue.masks("eve", round_, over) == "POLICY_ROUND_ANSWERED"
            assert rogue.masks(HELPER, round_, over) == "POLICY_ROUND_ANSWERED"
        fleet.kill("eve")
        rogue.restart(fleet, "eve")
        assert rogue.open(manifest, "eve")["eve"] in (answers["eve"], "ROUND_READY_STALE")  # as a node, as a helper
        assert rogue.masks("eve", round_, sets[:4]) in SILENT
        masks = {"eve": five, HELPER: four}
        for nodes in (NODES, NODES[:4]):
            assert opens(fleet, submission, manifest, {n: answers[n] for n in nodes}, masks) == "ROUND_RESULT_INVALID"
        assert fleet.charges(query) == charged_once(*NODES)
    for helper in HELPERS:
        assert fleet.book(helper).rounds(JournalKind.ANSWERED_AS_HELPER, digest_of(query)) == [round_]


def test_different_manifests_to_nodes_and_helpers_open_nothing(fleet: Guarded) -> None:
    """(g) Both are honest by themselves; one attempt is spent on each."""
    with lying(fleet, n_min=4) as (rogue, query, submission):
        shown, hidden = approved(fleet, rogue, submission), approved(fleet, rogue, submission)
        answers = answered(rogue.open(shown, *NODES[:4]))
        rogue.tell(HELPER, OpenRound(hidden))
        sets = [shares for _, shares in answers.values()]
        assert rogue.masks(HELPER, wire.digest(hidden), sets) == "ROUND_SHARE_MISDIRECTED"
        assert rogue.masks(HELPER, wire.digest(shown), sets) == "ROUND_NOT_OPEN"
        more = answered(rogue.open(hidden, "dev", "eve"))
        mixed = {**{n: answers[n] for n in NODES[:3]}, **more}
        for helper in HELPERS:
            said = rogue.masks(helper, wire.digest(hidden), [shares for _, shares in mixed.values()])
            assert said == "ROUND_SHARE_MISDIRECTED"
        assert fleet.charges(query) == charged_once(*NODES, "dev")
    for helper in HELPERS:
        assert fleet.book(helper).rounds(JournalKind.ANSWERED_AS_HELPER, digest_of(query)) == []


def next_manifest(fleet: Guarded) -> SignedRecord:
    """The root signs a second edition, without the other analyst."""
    root = Home.load(fleet.federation.home("root"))
    held = root.manifest()
    members = tuple(m for m in held.members if m.name != OTHER)
    after = replace(held, epoch=2, issued_ms=SystemClock().now_ms(), members=members)
    return signed(RecordKind.FEDERATION_MANIFEST, wire.encode(after), root.signing_key())


def test_an_old_federation_manifest_brings_no_member_back(fleet: Guarded) -> None:
    """(e) The last test here: the federation goes on in its second edition."""
    old, new = fleet.home("ada").manifest_record(), next_manifest(fleet)
    with lying(fleet, n_min=5, analyst=OTHER) as (rogue, query, submission):
        early = approved(fleet, rogue, submission)
        for member in MEMBERS:
            rogue.tell(member, new)
        until("all follow", lambda: all(rogue.hellos[member].epoch == 2 for member in MEMBERS))
        for member in MEMBERS:
            rogue.tell(member, old)
        assert rogue.open(early, *NODES, HELPER) == dict.fromkeys(NODES, "POLICY_EPOCH_DIFFERS")
        fleet.kill("ada", HELPER)
        rogue.restart(fleet, "ada", HELPER)
        rogue.tell("ada", old)
        assert rogue.hellos["ada"].epoch == 2
        manifest: RoundManifest = wire.decode(RoundManifest, early)
        late = wire.encode(replace(manifest, epoch=2))
        assert rogue.open(late, *NODES, HELPER) == dict.fromkeys(NODES, "POLICY_UNKNOWN_MEMBER")
        rogue.tell(HELPER, OpenRound(late))
        assert rogue.hear_of(HELPER, wire.digest(late)) == RoundRefusal(wire.digest(late), "POLICY_UNKNOWN_MEMBER")
        assert +fleet.charges(query) == NOBODY
        assert journalled(fleet, early, late) == {("POLICY_EPOCH_DIFFERS", "POLICY_UNKNOWN_MEMBER")}
        for name in fleet.federation.members:
            if name != OTHER:
                store_manifest(fleet.home(name), new)
    for member in MEMBERS:
        kept = [e for e in fleet.book(member).entries if e.kind is JournalKind.MANIFEST_STORED]
        assert [e.record_digest for e in kept] == [wire.digest(new.payload)]
    assert "POLICY_RECORD_OLD" in fleet.child("ben").log.read_text()
