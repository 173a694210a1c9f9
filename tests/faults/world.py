"""The operations of the tables in this folder, on a federation in memory and a clock that only they move."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from engine.coordinator import events
from engine.coordinator.events import Open
from engine.errors import SplittallyError
from engine.trusted import records, wire
from engine.trusted.messages import AskAnswer, AskReady, OpenRound
from engine.trusted.records import (
    Decision,
    Loss,
    RecordKind,
    Request,
    RoundManifest,
    SignedRecord,
)
from engine.trusted.sign import SigningKey, signed
from nodes.answer import answer
from nodes.committee import ready
from nodes.manifest import Arrival
from tests.faults.coordinator import Asked, Forge, terms_of, without_approvals
from tests.faults.federated import HELPERS, ROOT, UNITS, Federated, operation
from tests.nodes.conftest import HOSTS, Federation, snapshots_of


class World(Federated):
    """The words of the tables."""

    # -- asking

    @operation("submit")
    def submit(self) -> None:
        self.coordinator.submit(self.asked())

    @operation(r"submit, approved by (.+)")
    def submit_approved(self, guardians: str) -> None:
        asked = self.asked()
        asked.approvals = tuple(self.approval(asked, name) for name in guardians.split(" and "))
        self.coordinator.submit(asked)

    @operation(r"submit with the approvals of request (\d+)")
    def submit_reusing(self, number: str) -> None:
        asked = self.asked()
        asked.approvals = self.coordinator.requests[int(number) - 1].approvals
        self.coordinator.submit(asked)

    @operation(r"submit, refused by (.+)")
    def submit_refused(self, guardian: str) -> None:
        asked = self.asked()
        asked.approvals = (self.approval(asked, guardian, decision=Decision.REFUSED),)
        self.coordinator.submit(asked)

    @operation(r"submit request (\d+) again")
    def submit_again(self, number: str) -> None:
        """The same signed bytes: a coordinator that runs a request more often than signed."""
        old = self.coordinator.requests[int(number) - 1]
        request = wire.decode(Request, old.record.payload)
        hosts = HOSTS
        self.coordinator.submit(Asked(old.record, old.plan, old.approvals, terms_of(self, request, hosts)))

    @operation(r"submit run (\d+) of request (\d+)")
    def submit_run(self, run: str, number: str) -> None:
        old = self.coordinator.requests[int(number) - 1]
        request = wire.decode(Request, old.record.payload)
        again = Asked(old.record, old.plan, old.approvals, terms_of(self, request, HOSTS), run=int(run))
        self.coordinator.submit(again)

    def approval(self, asked: Asked, guardian: str, **changes: Any) -> SignedRecord:
        name = f"guardian of {guardian}"
        return self.federation.approval(asked.record, by=name, guardian=name, node=guardian, **changes)

    @operation(r"(\d+) requests race at north")
    def race(self, count: str) -> None:
        """All at once, each from a thread of its own, through the node's whole spine."""
        node, made, now = self.members["north"].server, [], self.clock.now_ms()
        assert node is not None
        assert node._node is not None
        for number in range(int(count)):
            asked = self.asked(nonce=bytes([100 + number]) * 16)
            asked.readies = {h: ready(AskReady(asked.digest, HOSTS), self.members[h].seat) for h in HELPERS}
            chosen = Open(1, HOSTS, HELPERS)
            payload = wire.encode(self.coordinator.assembled(asked, chosen))
            made.append(Arrival(payload, now, self.clock.monotonic))
        start, outcomes = threading.Barrier(len(made)), list[str]()

        def go(arrival: Any) -> None:
            start.wait()
            try:
                answer(arrival, replace(node._node, seat=node._seat))
                outcomes.append("answered")
            except SplittallyError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=go, args=(arrival,)) for arrival in made]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.said["race"] = [f"{n} {code}" for code, n in sorted(Counter(outcomes).items())]

    # -- crashes and lines

    @operation(r"lose the reply of (\S+)")
    def lose_reply(self, name: str) -> None:
        self.lost[name] += 1

    @operation(r"cut the line of (\S+)")
    def cut(self, name: str) -> None:
        self.cut_line(self.members[name])

    @operation(r"(\S+) dials again")
    def dial(self, name: str) -> None:
        self.greet(self.members[name])

    @operation(r"kill (\S+) (before|after) its next (charge|reply|answer|record)")
    def kill_at(self, name: str, when: str, step: str) -> None:
        self.members[name].kill_at(when, step)

    @operation(r"kill (\S+)")
    def kill(self, name: str) -> None:
        self.members[name].die()
        self.notice()

    @operation(r"start (\S+)")
    def start(self, name: str) -> None:
        self.members[name].start()
        self.greet(self.members[name])

    @operation(r"stop (\S+)")
    def stop(self, name: str) -> None:
        self.members[name].stop()
        self.notice()

    @operation(r"the disk of (\S+) is full")
    def fill(self, name: str) -> None:
        self.members[name].ledger._db.execute("PRAGMA query_only = ON")  # no write of it succeeds

    @operation(r"the disk of (\S+) has room")
    def clear(self, name: str) -> None:
        self.members[name].ledger._db.execute("PRAGMA query_only = OFF")

    @operation(r"the data of (\S+) cannot be read")
    def unreadable(self, name: str) -> None:
        from engine.errors import Unavailable

        tables = self.members[name].tables
        assert tables is not None
        tables.failure = Unavailable("NODE_SOURCE_FAILED")

    @operation(r"the data of (\S+) can be read")
    def readable(self, name: str) -> None:
        tables = self.members[name].tables
        assert tables is not None
        tables.failure = None

    @operation(r"back up (\S+)")
    def back_up(self, name: str) -> None:
        self.members[name].back_up()

    @operation(r"restore (\S+) from backup (\d+)")
    def restore(self, name: str, number: str) -> None:
        self.members[name].restore(int(number), head_too=False)
        self.start(name)

    @operation(r"restore the whole home of (\S+) from backup (\d+)")
    def restore_home(self, name: str, number: str) -> None:
        self.members[name].restore(int(number), head_too=True)
        self.start(name)

    @operation(r"lose the ledger of (\S+)")
    def lose_ledger(self, name: str) -> None:
        self.members[name].die()
        self.members[name].home.state.unlink()
        self.members[name].put_back = True
        self.start(name)

    @operation(r"a clone of (\S+) takes its place on the line")
    def clone(self, name: str) -> None:
        """It was started from a copy, was vouched for when it still was as new as the original, and waits."""
        member = self.members[name]
        member.restore(len(member.backups), head_too=True)
        member.start()
        assert member.server is not None
        member.server._seat = replace(member.server._seat, unvouched="")
        self.greet(member)

    @operation(r"witnesses of (\S+) are withheld")
    def withhold(self, name: str) -> None:
        self.coordinator.withholds |= {name}

    @operation(r"while (\S+) computes: (.+)")
    def meanwhile(self, name: str, words: str) -> None:
        tables = self.members[name].tables
        assert tables is not None

        def act() -> None:
            self.nested = True
            self.perform(words)
            self.nested = False

        tables.before = act

    # -- time

    @operation(r"(?:wait|the coordinator is away for) (\d+) (s|min|h|days)")
    def wait(self, count: str, unit: str) -> None:
        until = self.clock.monotonic + int(count) * UNITS[unit]
        while self.clock.monotonic < until:
            deadline = self.coordinator.next_deadline
            step = until if deadline is None else max(min(until, deadline), self.clock.monotonic + 1)
            self.clock.forward(step - self.clock.monotonic)
            self.coordinator.happened(events.Tick())
            self.pump()

    @operation(r"the clock of (\S+) is (-?\d+) (s|min|h|days) off")
    def misplace(self, name: str, count: str, unit: str) -> None:
        self.members[name].clock.off_ms = int(count) * UNITS[unit]

    @operation("the coordinator loses its memory")
    def forget(self) -> None:
        for asked in self.coordinator.requests:
            asked.outcome = asked.outcome or "ROUND_COORDINATOR_RESTARTED"

    # -- what members are told

    @operation(r"(\S+) revokes the agreement(?:, and only (\S+) is told)?")
    def revoke(self, by: str, only: str | None) -> None:
        party = by if by == "officer" else f"guardian of {by}"
        record = records.Revocation(1, self.federation.agreement_digest, party, self.clock.now_ms(), "a reason")
        self.hand(self.sign(RecordKind.REVOCATION, record, party), *((only,) if only else ()))

    @operation(r"(pause|resume) (\S+)")
    def pause(self, what: str, node: str) -> None:
        guardian = f"guardian of {node}"
        record = records.Pause(1, node, guardian, what == "pause", self.clock.now_ms() + len(self.written), "a reason")
        self.hand(self.sign(RecordKind.PAUSE, record, guardian), node)

    @operation(r"(\S+) is handed record (\d+) again")
    def hand_again(self, name: str, number: str) -> None:
        self.members[name].hear(self.written[int(number) - 1])

    @operation(r"a manifest of epoch (\d+)(?: reaches (.+?))?(?:, with another key of (.+))?")
    def manifest(self, epoch: str, names: str | None, rotated: str | None) -> None:
        old = self.federation.manifest
        key = SigningKey.from_raw(rotated or "", bytes([77]) * 32)
        changed = (replace(m, signing_key=key.public) if m.name == rotated else m for m in old.members)
        newer = replace(old, epoch=int(epoch), members=tuple(changed))
        self.hand(
            signed(RecordKind.FEDERATION_MANIFEST, wire.encode(newer), ROOT), *(names.split(" and ") if names else ())
        )
        self.epoch = max(self.epoch, int(epoch)) if not names else self.epoch

    @operation(r"edition (\d+) of the agreement")
    def amend(self, edition: str) -> None:
        newer = replace(self.federation.agreement, edition=int(edition))
        signers = ("officer", *(f"guardian of {h}" for h in HOSTS))
        self.hand(self.sign(RecordKind.AGREEMENT, newer, *signers))
        self.federation.agreement, self.federation.agreement_digest = newer, wire.digest(wire.encode(newer))

    @operation(r"every host cuts new tables")
    def recut_all(self) -> None:
        for name in HOSTS:
            self.recut(name)

    @operation(r"(\S+) cuts new tables")
    def recut(self, name: str) -> None:
        member = self.members[name]
        assert member.server is not None
        assert member.server._node is not None
        tables: Any = member.tables
        new = tuple(replace(s, snapshot=f"{s.snapshot}+") for s in tables.snapshots)
        tables.snapshots = new
        member.server.publish(member.server._node)

    # -- lies of a coordinator

    @operation(r"replay round (\d+) at (\S+)")
    def replay(self, number: str, name: str) -> None:
        self.members[name].hear(OpenRound(self.round(number).payload))

    @operation(r"ask (\S+) about round (\d+)(?: over (.+))?")
    def ask(self, helper: str, number: str, over: str | None) -> None:
        opened = self.round(number)
        survivors = tuple(over.split(" and ")) if over else tuple(p.node for p in opened.manifest.participants)
        self.coordinator.ask(opened, helper, survivors)

    @operation(r"ask (\S+) about other survivors: (.+)")
    def equivocate(self, helper: str, names: str) -> None:
        self.coordinator.asks[helper] = tuple(names.split(" and "))

    @operation(r"ask (\S+) with the shares of round (\d+)")
    def misdirect(self, helper: str, number: str) -> None:
        old, new = self.round(number), self.round()
        place = 1 + old.manifest.helpers.index(helper)
        shares = tuple(old.shares[p.node].shares[place] for p in old.manifest.participants)
        self.members[helper].hear(AskAnswer(new.id, shares, ()))

    @operation(r"the round says (.+)")
    def lie(self, what: str) -> None:
        self.coordinator.forge.append(LIES[what])

    @operation(r"(\S+) is told that the round says (.+)")
    def lie_to(self, name: str, what: str) -> None:
        self.coordinator.forge_for[name] = LIES[what]

    @operation("the coordinator is honest again")
    def honest(self) -> None:
        self.coordinator.forge.clear()
        self.coordinator.forge_for.clear()
        self.coordinator.asks.clear()

    @operation("helpers are not told who takes part")
    def hide(self) -> None:
        self.coordinator.hides_heads = True

    @operation("proofs of journals are dropped")
    def drop_proofs(self) -> None:
        self.coordinator.drops_proofs = True


def _participants(change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Forge:
    return lambda manifest: replace(manifest, participants=change(manifest.participants))


def _calibration(manifest: RoundManifest) -> RoundManifest:
    return replace(manifest, calibration=replace(manifest.calibration, node_sigma=1))


def _wider(manifest: RoundManifest) -> RoundManifest:
    return replace(manifest, plan=wire.encode(Federation.plan("secrets")))


def _dearer(manifest: RoundManifest) -> RoundManifest:
    request = wire.decode(Request, manifest.request.payload)
    dearer = replace(request, loss=Loss(2 * request.loss.rho_billionths, 0))
    return replace(manifest, request=replace(manifest.request, payload=wire.encode(dearer)))


LIES: dict[str, Forge] = {
    "that nobody approved": without_approvals,
    "that east does not take part": _participants(lambda hosts: tuple(p for p in hosts if p.node != "east")),
    "that east takes part twice": _participants(lambda hosts: (*hosts, *(p for p in hosts if p.node == "east"))),
    "that less noise is enough": _calibration,
    "another plan": _wider,
    "a higher price": _dearer,
    "another nonce": lambda manifest: replace(manifest, nonce=bytes([255]) * 16),
    "that one helper is enough": lambda m: replace(m, helpers=m.helpers[:1], readies=m.readies[:1]),
    "attempt 1 once more": lambda manifest: replace(manifest, attempt=1),
    "run 2": lambda manifest: replace(manifest, run=2),
    "another epoch": lambda manifest: replace(manifest, epoch=manifest.epoch + 1),
    "a deadline tomorrow": lambda manifest: replace(manifest, deadline_ms=manifest.deadline_ms + UNITS["days"]),
    "the tables of north from before": _participants(
        lambda hosts: tuple(replace(p, snapshots=snapshots_of(p.node)) if p.node == "north" else p for p in hosts)
    ),
    "no readies": lambda manifest: replace(manifest, readies=()),
}
