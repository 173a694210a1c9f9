"""What does not fit together is shown: one planted fault a row, and what the register says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.governance.register.build import build
from engine.governance.register.rows import Register
from engine.governance.register.sources import verified
from engine.trusted import wire
from engine.trusted.records import JournalKind, Loss, SignedHead
from tests.coordinator import papers
from tests.register.histories import COORDINATOR, History, digest_of, of

K = JournalKind
Fault = Callable[[History], None]
ALL = ("replied", "replied", "replied")


def register_of(history: History) -> Register:
    return build(history.evidence(), history.now)


def base(history: History) -> History:
    """A sound history with one of everything."""
    submission = history.ask(loss=Loss(1_000, 0))
    history.decide(submission, "north")
    history.round(submission, *ALL)
    history.pause("west", True)
    history.pause("west", False)
    history.publish(submission)
    return history


def drop(member: str, kind: JournalKind) -> Fault:
    def fault(history: History) -> None:
        history.entries[member] = [e for e in history.entries[member] if e.kind is not kind]

    return fault


def shorten(history: History) -> None:
    """North's journal, as far as it was before it was charged."""
    (at, _), *_ = of(history.entries["north"], K.CHARGED)
    history.entries["north"] = history.entries["north"][:at]


def go_missing(history: History) -> None:
    history.away.add("helper-1")


def fork(history: History) -> None:
    """East once signed another history."""
    own = history.entries["east"]
    kept, own[1] = own[1], replace(own[1], detail="another")
    history.contrary.append(history.head("east"))
    own[1] = kept


def ask_unseen(history: History) -> None:
    history.submissions.pop()


def ask_untold(history: History) -> None:
    drop(COORDINATOR, K.REQUESTED)(history)


def charge(**changes: object) -> Fault:
    def fault(history: History) -> None:
        history.charge("east", history.submissions[0], bytes(32), **changes)

    return fault


def charge_often(history: History) -> None:
    history.charge("east", history.submissions[0], b"1" * 32)
    history.charge("east", history.submissions[0], b"2" * 32)


def charge_after_revocation(history: History) -> None:
    history.revoke()
    charge()(history)


def spend_too_much(history: History) -> None:
    submission = history.ask(loss=Loss(10**12, 0))
    history.round(submission, *ALL)


def sign_badly(history: History) -> None:
    record = papers.pause(history.federation, "north")
    history.records.append(replace(record, signatures=()))


def hand_untold(history: History) -> None:
    history.records.append(papers.pause(history.federation, "north"))


def withhold_record(history: History) -> None:
    history.records = [r for r in history.records if r.kind.name != "PAUSE"]


FAULTS: list[tuple[Fault, set[tuple[str, str]]]] = [
    (go_missing, {("JOURNAL_MISSING", "helper-1")}),
    (fork, {("JOURNAL_FORKED", "east")}),
    (shorten, {("JOURNAL_BEHIND", "north")}),
    (drop("west", K.CHARGED), {("JOURNAL_BEHIND", "west")}),
    (ask_untold, {("REQUEST_NOT_JOURNALLED", "analyst")}),
    (
        ask_unseen,
        {
            ("REQUEST_WITHHELD", COORDINATOR),
            ("RECORD_WITHHELD", COORDINATOR),
            *(("CHARGE_WITHOUT_REQUEST", n) for n in ("east", "north", "west")),
        },
    ),
    (charge(analyst="other"), {("CHARGE_DIFFERS", "east")}),
    (charge(loss=Loss(2_000, 0)), {("CHARGE_DIFFERS", "east")}),
    (charge(plan_digest=bytes(32)), {("CHARGE_DIFFERS", "east")}),
    (charge_often, {("CHARGE_TOO_OFTEN", "east")}),
    (charge_after_revocation, {("CHARGE_AFTER_END", "east")}),
    (spend_too_much, {("SPENT_ABOVE_CAP", n) for n in ("east", "north", "west")}),
    (sign_badly, {("RECORD_UNSIGNED", "")}),
    (hand_untold, {("RECORD_NOT_JOURNALLED", "")}),
    (withhold_record, {("RECORD_WITHHELD", COORDINATOR), ("RECORD_WITHHELD", "west")}),
]


def test_the_history_without_a_fault_is_sound(history: History) -> None:
    assert register_of(base(history)).contradictions == ()


@pytest.mark.parametrize(("fault", "expected"), FAULTS, ids=[getattr(f, "__name__", "") for f, _ in FAULTS])
def test_a_planted_fault_is_shown(history: History, fault: Fault, expected: set[tuple[str, str]]) -> None:
    made = base(history)
    fault(made)
    assert {(row.kind, row.member) for row in register_of(made).contradictions} == expected


def test_a_journal_that_does_not_hold_is_not_used(history: History) -> None:
    """One byte of an entry, or a head that another key signed: nothing of that journal counts."""
    sources = base(history).sources()
    head, entries = sources.journals["east"]
    changed = replace(wire.decode(type(history.entries["east"][2]), entries[2]), detail="another")
    bad = (
        (head, (*entries[:2], wire.encode(changed), *entries[3:])),
        (head, entries[:-1]),
        (SignedHead(head.head, bytes(64)), entries),
        sources.journals["west"],
    )
    for journal in bad:
        evidence = verified(replace(sources, journals={**sources.journals, "east": journal}))
        register = build(evidence, history.now)
        assert [row.state for row in register.journals if row.member == "east"] == ["unsound"]
        assert not [row for row in register.entries if row.member == "east"]
        kinds = {(row.kind, row.member) for row in register.contradictions}
        assert {("JOURNAL_UNSOUND", "east"), ("JOURNAL_BEHIND", "east")} <= kinds


def test_a_request_of_another_key_is_no_request(history: History) -> None:
    submission = base(history).ask(signer="other")
    register = register_of(history)
    assert digest_of(submission).hex() not in {row.request for row in register.requests}
    assert {row.kind for row in register.contradictions} == {"RECORD_UNSIGNED", "REQUEST_WITHHELD"}


def test_what_was_signed_under_an_older_manifest_stays_signed(history: History) -> None:
    """A guardian who is gone, and an analyst's new key: their records stand, under the manifest of that time."""
    made = base(history)
    before = made.sources()
    members = tuple(m for m in history.federation.manifest.members if m.name != "guardian-north")
    newer = papers.manifest(history.federation, members=members)
    register = build(verified(replace(before, manifest=newer, records=(*before.records, before.manifest))), made.now)
    assert [row.by for row in register.decisions] == ["guardian-north"]
    assert not [row for row in register.contradictions if row.kind == "RECORD_UNSIGNED"]
    without = build(verified(replace(before, manifest=newer)), made.now)
    assert "RECORD_UNSIGNED" in {row.kind for row in without.contradictions}
