"""Private joins over real processes and TLS: two owners, four helpers, guardians; answered, or ended, whoever dies.

Nothing is lost or charged twice whatever the moment of a kill -9: each owner is charged as often as rounds opened over
it, and a request ends in an answer or a refusal. A round stands still where a test needs it: behind stopped engines it
has been charged and nothing was sent, behind a stopped helper its streams are half on their way.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

import grpc
import pytest

from engine.client.query import Query
from engine.client.receipts import sign_receipt, verify_receipt
from engine.client.release import Release
from engine.client.session import Session
from engine.coordinator.cases import RESTART_GATHER
from engine.errors import SplittallyError, Waiting
from engine.governance.agreement import (
    default_agreement,
    enforcing_members,
    install_agreement,
    sign_agreement,
    signing_members,
)
from engine.governance.federation import found
from engine.local.approvals import approve
from engine.local.federation import ANALYST
from engine.trusted import wire
from engine.trusted.clock import SystemClock
from engine.trusted.epsilon import allowance, times
from engine.trusted.messages import FromNode, Hello, Relay
from engine.trusted.random import SystemRandomness
from engine.trusted.records import AccountCap, AccountScope, JournalKind, Operation, Receipt, RoundManifest
from engine.trusted.sign import sign_head
from nodes.ledger import Ledger
from tests.processes.faults_fleet import DELTA, EPSILON, PATIENCE, WIDE, Fleet, digest_of, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the engines of a node in /proc")

OWNERS = ("ada", "ben")
HELPERS = tuple(f"helper-{number}" for number in range(1, 5))
PAID, BORN, BOTH = 40_000, 1_000, 600  # persons at each owner, and at both
SLACK = 30.0
PRICE = allowance(EPSILON, DELTA)
CATALOGUE = f"""
federation: joins
datasets:
  pay:
    title: Pay
    hosts: [ada]
    person: {{column: worker, identifier: nino, form: upper-alnum}}
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: {PAID}, rows: {PAID}}}
    columns:
      worker: {{type: text}}
      year: {{type: integer, bounds: [1900, 1999]}}
      wages: {{type: integer, bounds: [0, 1000]}}
  births:
    title: Births
    hosts: [ben]
    person: {{column: born, identifier: nino, form: upper-alnum}}
    overlap: 1
    rows_per_person: 1
    at_most: {{persons: {BORN}, rows: {BORN}}}
    columns:
      born: {{type: text}}
      sex: {{type: text, domain: [F, M]}}
"""
SMALL = "SELECT sex, COUNT(*) AS n FROM pay JOIN births ON worker = born WHERE wages > {} GROUP BY sex"
# A bulky join carries 66 MB, a third of it to each helper: with one that takes nothing it stands still below this.
MOST_CARRIED_BYTES = 60 << 20
BULKY = "SELECT year, COUNT(*) AS n FROM pay JOIN births ON worker = born WHERE wages > {} GROUP BY year"


class JoinFleet(Fleet):
    """Owners of two lists with 600 persons in common; whose ids each writes in its own way."""

    nodes, members, deadline = OWNERS, (*OWNERS, *HELPERS), 25

    def __init__(self, folder: Path) -> None:
        for owner in OWNERS:
            (folder / owner).mkdir()
        pay = (f"p {number},{1900 + number % 100},{500}" for number in range(PAID))
        births = (f"P-{PAID - BOTH + number},{'FM'[number % 2]}" for number in range(BORN))
        (folder / "ada" / "pay.csv").write_text("\n".join(["worker,year,wages", *pay, ""]))
        (folder / "ben" / "births.csv").write_text("\n".join(["born,sex", *births, ""]))
        (folder / "catalogue.yaml").write_text(CATALOGUE)
        self._prepare(folder)

    def _found(self) -> None:
        budget = times(PRICE, 1_000)
        self.federation = found(
            self.directory / "homes",
            self.catalogue,
            clock=self.clock,
            randomness=SystemRandomness(),
            helpers=len(HELPERS),
            caps=(AccountCap(AccountScope.IDENTIFIER, "", 365, budget, budget),),
        )
        manifest = self.federation.manifest
        draft = default_agreement(manifest, self.clock, budget, PRICE, (Operation.AGGREGATE, Operation.PRIVATE_JOIN))
        record = sign_agreement(draft, *map(self.home, signing_members(manifest)))
        install_agreement(record, map(self.home, enforcing_members(manifest)))

    def _await(self, name: str) -> None:
        """Until others vouched for its journal too: before, it takes no part."""
        super()._await(name)
        until(f"{name} is vouched for", lambda: '"closed": ""' in self.child(name).log.read_text())

    def asked(self, session: Session, sql: str = SMALL) -> Query:
        """A join that was not asked before, submitted: it waits for both guardians."""
        query = session.query(sql.format(next(self._questions)), epsilon=EPSILON, delta=DELTA)
        query.submit()
        return query

    def approved(self, session: Session, sql: str = SMALL) -> Query:
        query = self.asked(session, sql)
        approve(self, digest_of(query).hex())
        return query

    @contextmanager
    def charged(self) -> Iterator[tuple[Query, RoundManifest]]:
        """A join whose round is open and charged at both owners, and stands still: their engines are stopped."""
        self.stop_engines(*OWNERS)
        with self.session() as session:
            query = self.approved(session)
            manifest = self.round(digest_of(query))
            for owner in OWNERS:
                until("charge", lambda owner=owner: self.charges(query)[owner])  # type: ignore[misc]
            try:
                yield query, manifest
            finally:
                self.resume()

    def replace_unseen(self, name: str) -> None:
        """Kills a member and starts it again while the coordinator stands still: it sees both at once."""
        self.halt("coordinator")
        self.child(name).process.kill()
        self.child(name).process.wait()
        self.begin(name)
        until(f"{name} dials", lambda: self.dials(name) or self.child(name).stopped)
        os.kill(self.child("coordinator").process.pid, signal.SIGCONT)

    def dials(self, name: str) -> bool:
        """Whether a member holds a connection to the coordinator's port, heard or not."""
        process = Path(f"/proc/{self.child(name).process.pid}")
        port = f":{int(self.home(name).coordinator.rpartition(':')[2]):04X}"
        tables = ((process / "net" / table).read_text().splitlines()[1:] for table in ("tcp", "tcp6"))
        rows = [line.split() for table in tables for line in table]
        sockets = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(port) and row[3] == "01"}
        with suppress(OSError):
            return any(str(file.readlink()) in sockets for file in (process / "fd").iterdir())
        return False

    def relayed(self, session: Session, query: Query) -> int:
        """How many bytes were carried so far in the round that is open."""
        statuses = session.watch(digest_of(query).hex(), PATIENCE)
        try:
            return next(statuses).relayed_bytes
        finally:
            statuses.close()  # type: ignore[attr-defined]

    def opened(self, query: Query) -> int:
        return len(self.stored("SELECT 1 FROM rounds WHERE request = ?", digest_of(query)))

    def check(self, query: Query) -> None:
        """Owners were charged as often as rounds opened over them, never twice for one, and nobody else ever."""
        charges, opened = self.charges(query), self.opened(query)
        assert all(charges[owner] <= opened <= 2 for owner in OWNERS), (charges, opened)
        assert not any(charges[helper] for helper in HELPERS)


class Speaking:
    """A member's stream, in the hands of somebody who has its keys: says what it is told to."""

    def __init__(self, fleet: JoinFleet, name: str) -> None:
        home, outbox = fleet.home(name), SimpleQueue[FromNode | None]()
        ledger = Ledger.open(home.state_path, name, SystemClock(), home.manifest().rules.caps)
        outbox.put(Hello(1, name, 1, (), sign_head(ledger.head(), home.signing_key())))
        ledger.close()
        tls = home.tls()
        credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
        options = [("grpc.ssl_target_name_override", "coordinator")]
        self._channel = grpc.secure_channel(home.coordinator, credentials, options=options)
        self._outbox = outbox
        said = (wire.encode(message, FromNode) for message in iter(outbox.get, None))
        self._stream = self._channel.stream_stream("/splittally.v1.Federation/Attend")(said)
        next(self._stream)  # welcome

    def say(self, message: FromNode) -> None:
        self._outbox.put(message)

    @property
    def idle(self) -> bool:
        return self._outbox.empty()

    def close(self) -> None:
        self._outbox.put(None)
        self._channel.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JoinFleet]:
    with JoinFleet(tmp_path_factory.mktemp("joins")) as fleet:
        yield fleet


@pytest.fixture
def fleet(running: JoinFleet) -> Iterator[JoinFleet]:
    running.restore()
    yield running
    running.check_books()


def answer(fleet: JoinFleet, query: Query) -> Release:
    """The answer, which is as near to the truth as it claims, with the noise of two whole owners."""
    release = query.wait(timeout=RESTART_GATHER / 1e3 + SLACK + PATIENCE)
    assert set(release.survivors) == set(OWNERS)
    receipt: Receipt = wire.decode(Receipt, release.receipt)
    calibration = receipt.round_manifest.calibration
    assert calibration.node_sigma == calibration.sigma
    deviation = 2**0.5 * calibration.sigma / calibration.multipliers[0]
    rows = release.answer.rows
    for (_, figure), spread in zip(rows, release.answer.deviations, strict=True):
        assert isinstance(figure, int)
        assert abs(spread["n"] / deviation - 1) < 0.02
        assert abs(figure - BOTH // len(rows)) <= WIDE * deviation + 1, rows
    fleet.check(query)
    return release


def ending(fleet: JoinFleet, query: Query) -> str:
    """How the request ends within its windows; an answer is none of the codes."""
    try:
        answer(fleet, query)
    except SplittallyError as error:
        fleet.check(query)
        return error.code
    return ""


def members_with(fleet: JoinFleet, kind: JournalKind, query: Query) -> Counter[str]:
    return +Counter({m: len(fleet.book(m).rounds(kind, digest_of(query))) for m in fleet.members})


# -- answered


def test_a_join_is_answered(fleet: JoinFleet) -> None:
    """By both owners and three helpers, each of whom has it in its journal; its receipt holds offline."""
    with fleet.session() as session:
        query = fleet.approved(session)
        release = answer(fleet, query)
        assert session.result(release.request_id).answer.rows == release.answer.rows
    assert fleet.opened(query) == 1
    assert members_with(fleet, JournalKind.CHARGED, query) == Counter(OWNERS)
    receipt: Receipt = wire.decode(Receipt, release.receipt)
    assert members_with(fleet, JournalKind.ANSWERED_AS_HELPER, query) == Counter(receipt.round_manifest.helpers)
    home = fleet.home(ANALYST)
    roots = fleet.federation.manifest.root_keys
    verified = verify_receipt(wire.encode(sign_receipt(receipt, home.signing_key())), roots)
    assert verified.charged == OWNERS
    assert len(verified.approvals) == 2
    spent = fleet.book("ada").entries
    assert [e.loss for e in spent if e.kind is JournalKind.CHARGED and e.request_digest == digest_of(query)] == [PRICE]


def test_a_bulky_join_leaves_nothing_behind(fleet: JoinFleet) -> None:
    """Some 66 MB of streams, whose spools are gone when the round is closed."""
    with fleet.session() as session:
        query = fleet.approved(session, BULKY)
        carried = [0]
        query.wait(timeout=PATIENCE, progress=lambda status: carried.append(status.relayed_bytes))
        assert max(carried) > 20 << 20  # as far as a watcher happened to see
        answer(fleet, query)
    until("spools gone", lambda: not [p for h in HELPERS for p in fleet.home(h).path.glob("**/spool/*")])


def test_several_joins_at_once(fleet: JoinFleet) -> None:
    with fleet.session() as session:
        for query in [fleet.approved(session) for _ in range(3)]:
            answer(fleet, query)
            assert fleet.opened(query) == 1


def test_the_register_tells_each_owners_charge(fleet: JoinFleet, tmp_path: Path) -> None:
    """Each for its own dataset; with the plan in English, and both guardians' decisions."""
    with fleet.session() as session:
        query = fleet.approved(session)
        answer(fleet, query)
    out, request = tmp_path / "register", digest_of(query).hex()
    command = [sys.executable, "-m", "engine.cli.main", "register", "export", "--out", str(out)]
    command += ["--home", str(fleet.home("policy").path)]

    def collected() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.returncode == 0, done.stderr
        charged = json.loads((out / "register.json").read_text())["charges"]
        return [c["outcome"] for c in charged if c["request"] == request] == ["replied", "replied"]

    until("both journals collected", collected)
    register = json.loads((out / "register.json").read_text())
    charges = {c["node"]: c["datasets"] for c in register["charges"] if c["request"] == request}
    assert charges == {"ada": ["pay"], "ben": ["births"]}
    totals = {(a["node"], a["name"]) for a in register["accounts"] if a["scope"] == "dataset"}
    assert totals == {("ada", "pay"), ("ben", "births")}
    assert not [c for c in register["contradictions"] if c["about"] == request]
    assert sorted(d["by"] for d in register["decisions"] if d["request"] == request) == ["guardian-ada", "guardian-ben"]


# -- guardians


def test_it_waits_for_the_guardians_of_both(fleet: JoinFleet) -> None:
    with fleet.session() as session:
        query = fleet.asked(session)
        with pytest.raises(Waiting, match="guardian-ada, guardian-ben"):
            query.wait(timeout=1.0)
        fleet.kill("coordinator")  # what waits is kept
        fleet.restore()
        with pytest.raises(Waiting, match="guardian-ada, guardian-ben"):
            query.wait(timeout=1.0)
        assert fleet.opened(query) == 0
        approve(fleet, digest_of(query).hex())
        answer(fleet, query)


# -- an owner dies


def test_an_owner_that_comes_back_without_its_keys(fleet: JoinFleet) -> None:
    """Charged, killed, started again: the round is lost, and the next one is answered."""
    with fleet.charged() as (query, _):
        fleet.replace_unseen("ada")
        fleet.resume("ben")
        answer(fleet, query)
        assert fleet.charges(query) == Counter((*OWNERS, *OWNERS))


def test_an_owner_that_stays_dead(fleet: JoinFleet) -> None:
    with fleet.charged() as (query, _):
        fleet.kill("ben")
        fleet.resume()
        assert ending(fleet, query) == "ROUND_TOO_FEW_NODES"
        assert fleet.charges(query) == Counter(OWNERS)


def test_an_owner_that_dies_with_its_streams_half_sent(fleet: JoinFleet) -> None:
    with streaming(fleet) as (query, helper):
        fleet.kill("ada")
        fleet.resume(helper)
        assert ending(fleet, query) == "ROUND_TOO_FEW_NODES"
        assert fleet.charges(query) == Counter(OWNERS)


@contextmanager
def streaming(fleet: JoinFleet) -> Iterator[tuple[Query, str]]:
    """A bulky join whose streams stand still half-way: one of its helpers takes nothing."""
    fleet.stop_engines(*OWNERS)
    with fleet.session() as session:
        query = fleet.approved(session, BULKY)
        helper = fleet.round(digest_of(query)).helpers[1]
        fleet.halt(helper)
        fleet.resume(*OWNERS)
        until("streaming", lambda: fleet.relayed(session, query) > 1 << 20)
        before = 0
        while (now := fleet.relayed(session, query)) != before:
            before = now
            time.sleep(0.5)
        assert before < MOST_CARRIED_BYTES, "all of it was sent"
        try:
            yield query, helper
        finally:
            fleet.resume()


# -- a helper dies


def test_a_helper_that_dies_before_anything_is_sent(fleet: JoinFleet) -> None:
    """The fourth takes its place in the next round; both owners are charged for both."""
    with fleet.charged() as (query, manifest):
        fleet.kill(manifest.helpers[0])
        fleet.resume()
        answer(fleet, query)
        assert fleet.charges(query) == Counter((*OWNERS, *OWNERS))
        assert manifest.helpers[0] not in fleet.round(digest_of(query), 2).helpers


def test_a_helper_that_dies_with_streams_half_sent(fleet: JoinFleet) -> None:
    with streaming(fleet) as (query, helper):
        fleet.kill(helper)
        answer(fleet, query)
        assert fleet.charges(query) == Counter((*OWNERS, *OWNERS))


def test_a_helper_that_dies_when_it_has_answered(fleet: JoinFleet) -> None:
    """Whether its answer left or not: one round or two, and it answers none of them again."""
    with fleet.session() as session:
        query = fleet.approved(session)
        manifest = fleet.round(digest_of(query))
        helper = manifest.helpers[2]
        marked = JournalKind.ANSWERED_AS_HELPER
        until("answered", lambda: fleet.book(helper).rounds(marked, digest_of(query)))
        fleet.kill(helper)
        answer(fleet, query)
    assert all(len(fleet.book(h).rounds(marked, digest_of(query))) <= fleet.opened(query) for h in HELPERS)


def test_every_helper_but_two_is_dead(fleet: JoinFleet) -> None:
    """Refused before anything is charged."""
    fleet.kill(*HELPERS[:2])
    with fleet.session() as session:
        query = fleet.approved(session)
        assert ending(fleet, query) == "ROUND_TOO_FEW_HELPERS"
    assert not +fleet.charges(query)


# -- the coordinator dies


def test_the_coordinator_dies_in_an_open_round(fleet: JoinFleet) -> None:
    with fleet.charged() as (query, _):
        fleet.kill("coordinator")
        fleet.restore()
        answer(fleet, query)
        assert fleet.charges(query) == Counter((*OWNERS, *OWNERS))


def test_the_coordinator_dies_with_streams_half_sent(fleet: JoinFleet) -> None:
    with streaming(fleet) as (query, _):
        fleet.kill("coordinator")
        fleet.restore()
        answer(fleet, query)
        assert fleet.charges(query) == Counter((*OWNERS, *OWNERS))


# -- somebody lies


def test_a_member_cannot_speak_for_an_owner(fleet: JoinFleet) -> None:
    """A helper that is not of the round sends a piece in the name of an owner: it is carried to nobody."""
    with fleet.charged() as (query, manifest):
        spare = next(helper for helper in HELPERS if helper not in manifest.helpers)
        fleet.kill(spare)
        liar, round_ = Speaking(fleet, spare), wire.digest(wire.encode(manifest))
        for sender in ("ben", spare):
            for receiver in manifest.helpers:
                liar.say(Relay(round_, sender, receiver, 0, False, b"not the owner's"))
        until("said", lambda: liar.idle)
        fleet.resume()
        answer(fleet, query)
        liar.close()
    assert fleet.opened(query) == 1
