"""A helper's duty: ready, one answer a round, and which survivors it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import SplittallyError
from engine.governance.proofs import verify_inclusion
from engine.trusted import ring, wire
from engine.trusted.journal import EMPTY_ROOT, leaf_hash
from engine.trusted.mask import answer_info
from engine.trusted.messages import AskAnswer, AskReady, ConsistencyProof
from engine.trusted.records import HeldHead, JournalEntry, JournalKind, RecordKind, Share, SignedRecord
from engine.trusted.sign import open_answer, open_head, open_ready, sign_head, signed
from nodes.answer import answer
from nodes.committee import help_answer, ready, remember
from nodes.ledger import Ledger


class Scene:
    """One round that five nodes have answered; three survivors are enough."""

    def __init__(self, federation: Any) -> None:
        federation.adopt(rules=replace(federation.rules, n_min=3))
        self.federation = federation
        self.arrival = federation.arrive(federation.round(federation.sign(federation.request(n_min=3))))
        self.helper = federation.seat("helper-1")
        self.held = remember(self.arrival, self.helper)
        self.replies = {host: answer(self.arrival, federation.node(host)) for host in federation.hosts}

    def shares(self, *nodes: str, place: int = 1) -> tuple[SignedRecord, ...]:
        return tuple(self.replies[node].shares.shares[place] for node in nodes)

    def ask(self, *shares: SignedRecord) -> AskAnswer:
        return AskAnswer(self.held.round.id, shares, ())

    def refused(self, ask: AskAnswer) -> str:
        with pytest.raises(SplittallyError) as refused:
            help_answer(ask, self.held, self.helper)
        return refused.value.code


@pytest.fixture
def scene(federation: Any) -> Scene:
    return Scene(federation)


def test_ready_is_signed_and_dated(federation: Any) -> None:
    record = ready(AskReady(bytes(32), federation.hosts), federation.seat("helper-1"))
    opened = open_ready(record, federation.roster)
    assert (opened.member, opened.at_ms, opened.request_digest) == ("helper-1", federation.now, bytes(32))
    assert opened.held == tuple(HeldHead(name, 0, EMPTY_ROOT) for name in sorted(federation.hosts))
    assert opened.head == federation.seat("helper-1").ledger.head()


def test_a_member_without_the_role_is_never_ready(federation: Any) -> None:
    with pytest.raises(SplittallyError) as refused:
        ready(AskReady(bytes(32), ()), federation.seat("north"))
    assert refused.value.code == "POLICY_UNKNOWN_MEMBER"


def test_helper_never_answers_twice(scene: Scene) -> None:
    first = scene.ask(*scene.shares("north", "south", "east"))
    help_answer(first, scene.held, scene.helper)
    assert scene.refused(first) == "POLICY_ROUND_ANSWERED"
    assert scene.refused(scene.ask(*scene.shares("north", "south", "west"))) == "POLICY_ROUND_ANSWERED"
    scene.helper.ledger.close()
    del scene.federation.seats["helper-1"]
    restarted = scene.federation.seat("helper-1")
    with pytest.raises(SplittallyError) as refused:
        help_answer(first, scene.held, restarted)
    assert refused.value.code == "POLICY_ROUND_ANSWERED"


def test_the_answer_is_marked_before_it_is_made_and_signed(scene: Scene) -> None:
    given = help_answer(scene.ask(*scene.shares("north", "south", "east")), scene.held, scene.helper)
    record = open_answer(given.answer.answer, scene.federation.roster)
    ledger = scene.helper.ledger
    assert record.survivors == ("north", "south", "east")
    assert record.sealed_digest == wire.digest(given.sealed)
    entry: JournalEntry = wire.decode(JournalEntry, ledger.entry(record.head.head.size - 1))
    assert (entry.kind, entry.round, entry.survivors) == (
        JournalKind.ANSWERED_AS_HELPER,
        scene.held.round.id,
        record.survivors,
    )


def test_the_sum_is_for_the_analyst_alone(scene: Scene) -> None:
    given = help_answer(scene.ask(*scene.shares("north", "south", "east")), scene.held, scene.helper)
    info, keys = answer_info(scene.held.round.id, "helper-1"), scene.federation.keys
    assert len(ring.from_bytes(keys["ada"].sealing.open(given.sealed, info))) == 5
    for other in ("bob", "helper-1", "helper-2", "north"):
        with pytest.raises(SplittallyError):
            keys[other].sealing.open(given.sealed, info)


def altered(change: Callable[[Share], Share], by: str = "north") -> Callable[[Scene], AskAnswer]:
    def forge(scene: Scene) -> AskAnswer:
        first, *others = scene.shares("north", "south", "east")
        payload = wire.encode(change(wire.decode(Share, first.payload)))
        return scene.ask(signed(RecordKind.SHARE, payload, scene.federation.keys[by].signing), *others)

    return forge


FORGED: dict[str, tuple[Callable[[Scene], AskAnswer], str]] = {
    "below n_min": (lambda s: s.ask(*s.shares("north", "south")), "ROUND_TOO_FEW_NODES"),
    "nobody": (lambda s: s.ask(), "ROUND_TOO_FEW_NODES"),
    "a node twice": (lambda s: s.ask(*s.shares("north", "south", "south")), "ROUND_SURVIVOR_REPEATED"),
    "shares for the analyst": (
        lambda s: s.ask(*s.shares("north", "south", "east", place=0)),
        "ROUND_SHARE_MISDIRECTED",
    ),
    "shares for the other helper": (
        lambda s: s.ask(*s.shares("north", "south", "east", place=2)),
        "ROUND_SHARE_MISDIRECTED",
    ),
    "a share of another round": (altered(lambda share: replace(share, round=bytes(32))), "ROUND_SHARE_MISDIRECTED"),
    "a share signed by another node": (altered(lambda share: share, by="south"), "POLICY_SIGNATURE_INVALID"),
    "a share of a node outside the round": (
        altered(lambda share: replace(share, node="helper-3"), by="helper-3"),
        "POLICY_RECORD_INVALID",
    ),
    "a seed sealed for another": (
        altered(lambda share: replace(share, sealed_seed=bytes(80))),
        "POLICY_SEAL_INVALID",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_helper_refuses_forged_survivors(name: str, scene: Scene) -> None:
    forge, code = FORGED[name]
    assert scene.refused(forge(scene)) == code
    help_answer(scene.ask(*scene.shares("north", "south", "east")), scene.held, scene.helper)  # nothing was burnt


def test_a_node_that_was_not_a_participant_is_no_survivor(federation: Any) -> None:
    federation.adopt(rules=replace(federation.rules, n_min=3))
    record = federation.sign(federation.request(n_min=3))
    whole = federation.round(record)
    small = federation.arrive(replace(whole, participants=whole.participants[:4]))
    helper = federation.seat("helper-1")
    held = remember(small, helper)
    shares = [answer(small, federation.node(h)).shares.shares[1] for h in federation.hosts[:3]]
    honest: Share = wire.decode(Share, shares[0].payload)
    outside = federation.node("centre").seat
    head = answer(federation.arrive(replace(whole, attempt=2)), federation.node("centre")).shares.shares[1]
    foreign = replace(honest, node="centre", head=wire.decode(Share, head.payload).head)
    shares.append(signed(RecordKind.SHARE, wire.encode(foreign), outside.keys.signing))
    with pytest.raises(SplittallyError) as refused:
        help_answer(AskAnswer(held.round.id, tuple(shares), ()), held, helper)
    assert refused.value.code == "ROUND_SURVIVOR_UNKNOWN"


def test_nothing_is_answered_after_the_agreement_or_the_request(scene: Scene) -> None:
    ask = scene.ask(*scene.shares("north", "south", "east"))
    over = replace(scene.held, agreement=replace(scene.held.agreement, until_ms=scene.federation.now))
    with pytest.raises(SplittallyError) as refused:
        help_answer(ask, over, scene.helper)
    assert refused.value.code == "POLICY_AGREEMENT_EXPIRED"
    scene.federation.clock.forward(3_600_000)
    assert scene.refused(ask) == "POLICY_REQUEST_EXPIRED"


def test_nothing_is_answered_after_the_deadline_of_the_round(scene: Scene) -> None:
    ask = scene.ask(*scene.shares("north", "south", "east"))
    deadline = scene.held.round.manifest.deadline_ms
    assert deadline < scene.held.round.request.expires_ms
    scene.federation.clock.forward(deadline - scene.federation.clock.now_ms() - 1)
    early = replace(ask, shares=ask.shares[:2])
    assert scene.refused(early) == "ROUND_TOO_FEW_NODES"  # a millisecond before, it is judged by its content
    scene.federation.clock.forward(1)
    assert scene.refused(ask) == "ROUND_LATE"


def second_round(scene: Scene) -> tuple[Any, dict[str, Any]]:
    """A round after one that the helper has answered: it now holds heads of north, south and east."""
    help_answer(scene.ask(*scene.shares("north", "south", "east")), scene.held, scene.helper)
    record = scene.federation.sign(scene.federation.request(n_min=3, nonce=bytes([9]) * 16))
    arrival = scene.federation.arrive(scene.federation.round(record))
    held = remember(arrival, scene.helper)
    replies = {host: answer(arrival, scene.federation.node(host)).shares for host in ("north", "south", "east")}
    return held, replies


def test_helper_refuses_a_journal_that_does_not_go_on(scene: Scene) -> None:
    """From the head it held: no proof, another's proof, a changed one, or an older head; and nothing is burnt."""
    held, replies = second_round(scene)
    shares = tuple(given.shares[1] for given in replies.values())
    north, south, east = (given.proofs[0] for given in replies.values())
    assert [proof.node for proof in (north, south, east)] == ["north", "south", "east"]
    assert min(proof.old_size for proof in (north, south, east)) > 1

    def code_of(shares: tuple[SignedRecord, ...], *proofs: ConsistencyProof) -> str:
        with pytest.raises(SplittallyError) as refused:
            help_answer(AskAnswer(held.round.id, shares, proofs), held, scene.helper)
        return refused.value.code

    changed = replace(north, path=(bytes(32), *north.path[1:]))
    renamed = replace(south, node="north")
    for proofs in ((), (south, east), (north, south), (changed, south, east), (renamed, south, east)):
        assert code_of(shares, *proofs) == "POLICY_PROOF_INVALID"
    first: Share = wire.decode(Share, shares[0].payload)
    seat = scene.federation.seat("north")
    older = sign_head(replace(first.head.head, size=1), seat.keys.signing)
    forged = signed(RecordKind.SHARE, wire.encode(replace(first, head=older)), seat.keys.signing)
    assert code_of((forged, *shares[1:]), north, south, east) == "POLICY_HEAD_FORKED"
    help_answer(AskAnswer(held.round.id, shares, (north, south, east)), held, scene.helper)


def test_shares_prove_the_charge_under_their_own_head(scene: Scene) -> None:
    held, replies = second_round(scene)
    for host, given in replies.items():
        proof = given.charge
        head = open_head(proof.head, scene.federation.roster)
        entry: JournalEntry = wire.decode(JournalEntry, proof.entry)
        assert (entry.kind, entry.round, entry.member, head.member) == (JournalKind.CHARGED, held.round.id, host, host)
        verify_inclusion(leaf_hash(proof.entry), proof.index, head.size, proof.path, head.root)
        assert wire.decode(Share, given.shares[0].payload).head == proof.head


def test_a_helper_serves_no_round_from_before_its_start(scene: Scene) -> None:
    """Not even one that its ledger knows nothing of: it may have been put back to before the answer."""
    now = scene.federation.now
    assert remember(scene.arrival, replace(scene.helper, started_ms=now)).round.id == scene.held.round.id
    with pytest.raises(SplittallyError) as refused:
        remember(scene.arrival, replace(scene.helper, started_ms=now + 1))
    assert refused.value.code == "ROUND_READY_STALE"


def test_a_clone_that_answers_beside_its_original_is_not_helped(scene: Scene) -> None:
    """Both hold the same keys; the helper saw the one, and the other's journal does not go on from there."""
    folder, seat = scene.federation.folder, scene.federation.seat("north")
    seat.ledger.close()
    del scene.federation.seats["north"]
    copy = (folder / "north.db").read_bytes()
    held, replies = second_round(scene)
    shares = tuple(given.shares[1] for given in replies.values())
    help_answer(AskAnswer(held.round.id, shares, tuple(g.proofs[0] for g in replies.values())), held, scene.helper)
    (folder / "clone.db").write_bytes(copy)
    ledger = Ledger.open(folder / "clone.db", "north", scene.federation.clock, scene.federation.rules.caps)
    clone = replace(scene.federation.node("north"), seat=replace(seat, ledger=ledger))
    record = scene.federation.sign(scene.federation.request(n_min=3, nonce=bytes([8]) * 16))
    with pytest.raises(SplittallyError) as refused:
        answer(scene.federation.arrive(scene.federation.round(record)), clone)
    assert refused.value.code == "NODE_LEDGER_ROLLED_BACK"  # it learns so before it charges
    ledger.close()


def test_attempts_are_counted_for_each_request(scene: Scene) -> None:
    record = scene.federation.sign(scene.federation.request(n_min=3))
    codes = []
    for nonce in range(1, 4):
        arrival = scene.federation.arrive(scene.federation.round(record, nonce=bytes([nonce]) * 16))
        held = remember(arrival, scene.helper)
        hosts = scene.federation.hosts[:3]
        try:
            shares = tuple(answer(arrival, scene.federation.node(h)).shares.shares[1] for h in hosts)
            help_answer(AskAnswer(held.round.id, shares, ()), held, scene.helper)
        except SplittallyError as refused:
            codes.append(refused.code)
    assert codes == ["POLICY_ATTEMPTS_EXHAUSTED"] * 2  # two attempts were signed for; the scene's was the first
