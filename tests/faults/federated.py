"""A federation in memory: its members, their lines, the time, and what is looked at afterwards."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.coordinator import events
from engine.trusted import records, wire
from engine.trusted.messages import Hello, ShareSet
from engine.trusted.plan import Plan
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    JournalEntry,
    Loss,
    RecordKind,
    Request,
    SignedRecord,
    SnapshotRef,
)
from engine.trusted.sign import Roster, SigningKey, signed
from tests.faults.coordinator import Asked, Coordinator, Opened, terms_of
from tests.faults.members import Home, Member, MemberClock
from tests.nodes.conftest import HOSTS, HOUR, LOSS, NOW, Federation, FixedClock, snapshots_of

HELPERS = ("helper-1", "helper-2")
ROOT = SigningKey.from_raw("root", bytes([1]) * 32)
MOST_BURSTS = 5_000
UNITS = {"s": 1_000, "min": 60_000, "h": 3_600_000, "days": 86_400_000}
OPERATIONS: dict[str, Callable[..., None]] = {}


def operation(pattern: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Names the words of a table that a method carries out."""

    def keep(method: Callable[..., None]) -> Callable[..., None]:
        OPERATIONS[pattern] = method
        return method

    return keep


class Federated:
    """``options``: n_min, budget (in requests), period_days, guardians (of north), max_attempts, runs."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self.options, self.clock = options, FixedClock()
        self.federation = Federation(folder, self.clock)
        room = Loss(LOSS.rho_billionths * options.get("budget", 1000), 0)
        days = options.get("period_days", 0)
        cap = AccountCap(
            AccountScope.IDENTIFIER, "", days, room if days else None, replace(room, rho_billionths=10**12)
        )
        self.caps = (cap if days else replace(cap, lifetime=room),)
        self.federation.adopt(rules=replace(self.federation.rules, caps=self.caps, n_min=options.get("n_min", 0)))
        agreement = replace(self.federation.agreement, budget=Loss(10**12, 0), until_ms=NOW + 90 * UNITS["days"])
        self.federation.adopt(agreement=agreement)
        manifest = replace(self.federation.manifest, until_ms=NOW + 90 * UNITS["days"])
        self.federation.manifest, self.federation.roster = manifest, Roster(manifest)
        self.epoch = manifest.epoch
        self.record = self.sign(RecordKind.AGREEMENT, agreement, "officer", *(f"guardian of {h}" for h in HOSTS))
        self.members: dict[str, Member] = {}
        self.greeted: dict[str, Hello] = {}
        self.said: dict[str, list[str]] = {}
        self.coordinator = Coordinator(self)
        self.lost: Counter[str] = Counter()  # members whose next reply is lost on the way
        self.written: list[SignedRecord] = []
        self.nested = False
        for number, name in enumerate((*HOSTS, *HELPERS, "helper-3", "helper-of-ada")):
            home = Home(
                name, folder, self.federation.roster, (records.RootKey("root", ROOT.public),),
                self.federation.keys[name], self.caps, [self.record],
                guardians=options.get("guardians", 0) if name == "north" else 0, hosts_data=name in HOSTS,
            )  # fmt: skip
            self.members[name] = Member(home, MemberClock(self.clock), number)
            self.members[name].start()
        for member in self.members.values():
            self.greet(member)
        self.pump()

    # -- the machinery

    def perform(self, words: str) -> None:
        """One operation of a table, and everything that follows from it now."""
        for pattern, method in OPERATIONS.items():
            found = re.fullmatch(pattern, words)
            if found:
                method(self, *found.groups())
                break
        else:
            raise ValueError(f"no such operation: {words}")
        if not self.nested:
            self.pump()

    def pump(self) -> None:
        """Lets every message arrive; time goes on only to the ticks at which replies leave."""
        for _ in range(MOST_BURSTS):
            ready = [m for m in self.members.values() if m.next_due is not None]
            if not ready:
                return
            soonest = min(m.next_due or 0.0 for m in ready)
            self.clock.forward(max(0.0, soonest - self.clock.monotonic))
            for member in ready:
                burst = member.due()
                replied = any(isinstance(message, ShareSet) for message in burst)
                if replied and self.lost[member.name]:
                    self.lost[member.name] -= 1
                    self.cut_line(member)
                    continue
                for message in burst:
                    self.coordinator.heard(member.name, message)
            self.notice()
        raise AssertionError("messages never end")

    def notice(self) -> None:
        """The coordinator sees lines end."""
        for member in self.members.values():
            if not member.connected and self.greeted.pop(member.name, None):
                self.coordinator.happened(events.Lost(member.name))

    def greet(self, member: Member) -> None:
        if member.server is None or self.coordinator.away:
            return
        member.connected = True
        for message in member.greeting():
            self.coordinator.heard(member.name, message)

    def cut_line(self, member: Member) -> None:
        member.connected = False
        self.notice()

    def snapshots(self, node: str) -> tuple[SnapshotRef, ...]:
        hello = self.greeted.get(node)
        return hello.snapshots if hello else snapshots_of(node)

    def sign(self, kind: RecordKind, record: object, *names: str) -> SignedRecord:
        return signed(kind, wire.encode(record), *(self.federation.keys[n].signing for n in names))

    def hand(self, record: SignedRecord, *names: str) -> None:
        """A governance record, relayed to these members, or to all."""
        self.written.append(record)
        for name in names or self.members:
            self.members[name].hear(record)

    def round(self, number: str | None = None) -> Opened:
        """A round by its number in the order of opening; the newest if no number is given."""
        opened = [o for asked in self.coordinator.requests for o in asked.opened]
        return opened[int(number) - 1 if number else -1]

    def asked(self, **changes: Any) -> Asked:
        plan: Plan = self.federation.plan("people")
        count = len(self.coordinator.requests)
        expires = self.clock.now_ms() + self.options.get("valid_h", 1) * HOUR
        fields = {
            "nonce": bytes([count]) * 16, "n_min": self.options.get("n_min", 5), "expires_ms": expires,
            "max_attempts": self.options.get("max_attempts", 2), "runs": self.options.get("runs", 1),
            "agreement_digest": self.federation.agreement_digest,
        }  # fmt: skip
        request: Request = self.federation.request(plan, **{**fields, **changes})
        return Asked(self.federation.sign(request), plan, (), terms_of(self, request, HOSTS))

    # -- what is looked at afterwards

    def spent(self, name: str) -> int:
        """How many requests the identifier's account of a node has paid for, as it stands on disk."""
        if not self.members[name].home.state.exists():
            return 0
        with sqlite3.connect(f"file:{self.members[name].home.state}?mode=ro", uri=True) as db:
            row = db.execute("SELECT rho FROM accounts WHERE scope = 1 AND period_days = 0").fetchone()
        return int(row[0]) // LOSS.rho_billionths if row else 0

    def journal(self, name: str) -> list[JournalEntry]:
        if not self.members[name].home.state.exists():
            return []
        with sqlite3.connect(f"file:{self.members[name].home.state}?mode=ro", uri=True) as db:
            rows = db.execute("SELECT entry FROM entries ORDER BY position").fetchall()
        return [wire.decode(JournalEntry, row[0]) for row in rows]

    def close(self) -> None:
        for member in self.members.values():
            member.die()
        self.federation.close()
