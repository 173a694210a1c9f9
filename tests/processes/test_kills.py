"""kill -9 right behind the moments that must not be lost: what was durable then holds after the restart, and no more.

A process is killed as soon as its own books show the moment; that of the charge, with what is sent after it, stands in
test_faults.py. Tests run in this order: the last ones change the federation for good.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from engine.client.calls import Line
from engine.client.query import Query
from engine.client.release import Release
from engine.coordinator.cases import RESTART_GATHER
from engine.errors import Refused
from engine.governance.homes import store_manifest
from engine.governance.revocation import pause_record, revocation_record
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.home import Home
from engine.trusted.messages import RequestState
from engine.trusted.records import JournalKind, RecordKind, SignedRecord
from engine.trusted.sign import signed
from tests.processes.faults_fleet import (
    DEADLINE,
    HELPER,
    MEMBERS,
    NODES,
    Fleet,
    charged_once,
    check_answer,
    digest_of,
    until,
)
from tests.processes.faults_rogue import SILENT, lying

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the engines of a node in /proc")
SLACK = 30.0  # seconds beside the windows of a round, for machines that are busy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("kills")) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: Fleet) -> Iterator[Fleet]:
    running.restore()
    yield running
    running.check_books()


def shown(fleet: Fleet, member: str, kind: JournalKind, request: bytes | None = None) -> int:
    """How often a member's journal shows it."""
    return len(fleet.book(member).rounds(kind, request))


def kill_when(fleet: Fleet, member: str, what: str, happened: Callable[[], object]) -> None:
    until(what, happened)
    fleet.kill(member)


def answer(query: Query) -> Release:
    return query.wait(timeout=RESTART_GATHER / 1e3 + 2 * DEADLINE + SLACK)


def hand(fleet: Fleet, by: str, record: SignedRecord) -> None:
    """Hands a record to the coordinator, by the home of a person."""
    line = Line(fleet.home(by))
    try:
        line.hand(record)
    finally:
        line.close()


# -- the coordinator


def test_accept(fleet: Fleet) -> None:
    """A request that the store holds is answered, though the coordinator died right behind it; each node is charged for
    the attempts that were opened, and the analyst does not submit again."""
    with fleet.session() as session:
        query = fleet.question(session, n_min=5)
        query.submit()
        request = digest_of(query)
        known = "SELECT 1 FROM requests WHERE digest = ?"
        kill_when(fleet, "coordinator", "accepted", lambda: fleet.stored(known, request))
        fleet.begin("coordinator")
        check_answer(answer(query), set(NODES))
        opened = len(fleet.stored("SELECT 1 FROM rounds WHERE request = ?", request))
        assert all(1 <= times <= opened <= 2 for node, times in fleet.charges(query).items() if node in NODES)


def test_release(fleet: Fleet) -> None:
    """A result that is stored is fetched after the restart, and nothing is computed or charged again."""
    with fleet.session() as session:
        query = fleet.question(session, n_min=5)
        query.submit()
        request = digest_of(query)
        held = "SELECT 1 FROM rounds WHERE request = ? AND result IS NOT NULL"
        kill_when(fleet, "coordinator", "released", lambda: fleet.stored(held, request))
        fleet.begin("coordinator")
        release = answer(query)
        check_answer(release, set(NODES))
        assert session.result(release.request_id).answer.rows == release.answer.rows
        assert len(fleet.stored("SELECT 1 FROM rounds WHERE request = ?", request)) == 1
        assert fleet.charges(query) == charged_once(*NODES)


# -- nodes and helpers


def test_store_and_reply(fleet: Fleet) -> None:
    """A reply that was stored, sent or not, is sent again byte by byte."""
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifest = rogue.manifest(submission, ("eve", HELPER))
        rogue.open(manifest, HELPER)
        rogue.begin(manifest, "ada")
        until("stored", lambda: shown(fleet, "ada", JournalKind.REPLIED, digest_of(query)))
        fleet.kill("ada")
        rogue.restart(fleet, "ada")
        first = rogue.open(manifest, "ada")
        fleet.kill("ada")
        rogue.restart(fleet, "ada")
        assert isinstance(first["ada"], tuple)
        assert rogue.open(manifest, "ada") == first
        assert fleet.charges(query) == charged_once("ada")


def test_the_mark_of_a_helper(fleet: Fleet) -> None:
    """A helper that marked a round answered says nothing more about it, whether its answer left or not."""
    with lying(fleet, n_min=5) as (rogue, query, submission):
        manifest = rogue.manifest(submission, ("eve", HELPER))
        sets = [given[1] for given in rogue.open(manifest, *NODES, HELPER).values() if isinstance(given, tuple)]
        assert len(sets) == 5
        rogue.begin_to_ask(HELPER, wire.digest(manifest), sets)
        until("marked", lambda: shown(fleet, HELPER, JournalKind.ANSWERED_AS_HELPER, digest_of(query)))
        fleet.kill(HELPER)
        rogue.restart(fleet, HELPER)
        rogue.open(manifest, HELPER)
        assert rogue.ask(HELPER, wire.digest(manifest), sets) in SILENT
        assert shown(fleet, HELPER, JournalKind.ANSWERED_AS_HELPER, digest_of(query)) == 1


def test_a_start_with_witnesses(fleet: Fleet) -> None:
    """Killed while it asks who vouches for its journal, a member asks anew; then it answers."""
    fleet.kill("ben")
    fleet.begin("ben")
    kill_when(fleet, "ben", "ben dials", lambda: fleet.attending("ben"))
    fleet.begin("ben")
    until("vouched for", lambda: '"closed": ""' in fleet.child("ben").log.read_text())
    with fleet.session() as session:
        query = fleet.question(session, n_min=5)
        check_answer(answer(query), set(NODES))
        assert fleet.charges(query) == charged_once(*NODES)


# -- what people decide


def test_a_pause(fleet: Fleet) -> None:
    """A node that was paused when it died is paused when it comes back, until its guardian says otherwise."""
    guardian = fleet.home("guardian-cleo")
    hand(fleet, guardian.name, pause_record(guardian, True, "under repair", SystemClock()))
    kill_when(fleet, "cleo", "paused", lambda: shown(fleet, "cleo", JournalKind.PAUSED))
    fleet.begin("cleo")
    fleet.restore()
    with fleet.session() as session:
        query = fleet.question(session, n_min=5)
        query.submit()
        status = next(s for s in session.watch(digest_of(query).hex(), SLACK) if s.state is RequestState.WAITING)
        assert status.waiting_for == ("the paused node cleo",)
        assert not +fleet.charges(query)
        hand(fleet, guardian.name, pause_record(guardian, False, "repaired", SystemClock()))
        check_answer(answer(query), set(NODES))
    assert shown(fleet, "cleo", JournalKind.PAUSED) == shown(fleet, "cleo", JournalKind.RESUMED) == 1


def test_a_change_of_the_manifest(fleet: Fleet) -> None:
    """Node and coordinator die behind the same new manifest: both come back with it, and it is kept once."""
    root = Home.load(fleet.federation.home("root"))
    after = replace(root.manifest(), epoch=2, issued_ms=SystemClock().now_ms())
    record = signed(RecordKind.FEDERATION_MANIFEST, wire.encode(after), root.signing_key())
    hand(fleet, "policy", record)
    kill_when(fleet, "dev", "kept", lambda: shown(fleet, "dev", JournalKind.MANIFEST_STORED))
    fleet.kill("coordinator")
    assert fleet.home("coordinator").manifest().epoch == 2
    for name in ("analyst", "policy"):
        store_manifest(fleet.home(name), record)
    fleet.restore()
    with fleet.session() as session:
        query = fleet.question(session, n_min=5)
        check_answer(answer(query), set(NODES))
        assert fleet.round(digest_of(query)).epoch == 2
    assert [shown(fleet, member, JournalKind.MANIFEST_STORED) for member in MEMBERS] == [1] * len(MEMBERS)


def test_a_record_that_is_kept(fleet: Fleet) -> None:
    """The end of an agreement: a node that died right behind it holds to it, and so does the restarted coordinator."""
    (agreement,) = fleet.home("ada").agreements()
    policy, digest = fleet.home("policy"), wire.digest(agreement.payload)
    with fleet.held(n_min=5) as (query, _):
        hand(fleet, policy.name, revocation_record(policy, digest, "over", SystemClock()))
        kill_when(fleet, "ada", "kept", lambda: shown(fleet, "ada", JournalKind.AGREEMENT_REVOKED))
        fleet.kill("coordinator")
    fleet.restore()
    with fleet.session() as session, pytest.raises(Refused, match="POLICY_AGREEMENT_REVOKED"):
        session.result(digest_of(query).hex())
    until("passed on", lambda: all(shown(fleet, m, JournalKind.AGREEMENT_REVOKED) == 1 for m in MEMBERS))
    with fleet.session() as session:
        query = fleet.question(session)
        with pytest.raises(Refused, match="POLICY_AGREEMENT_NONE"):
            query.submit()
