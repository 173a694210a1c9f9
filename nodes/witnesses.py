"""Whether a journal that opens is the newest one of its member: those who hold its heads are asked at every start.

Claim: a member whose ledger was put back to an older copy, or copied to a second machine that fell behind, answers
       and helps in no round.
Because: it stays closed until all but one of the other helpers of the manifest have signed, over a fresh nonce, the
         newest head they hold of it, and its own journal goes on from each of them. A helper keeps, with its own
         answer, the heads of the shares it was given and of the *readies* beside its own. Where both helpers of a
         round were others, one of them is always asked; where the member was itself one of the two, the round's last
         entries are unseen if just the other one is away (a named limit).
Checked by: tests/nodes/test_witnesses.py::test_a_member_opens_only_when_enough_others_vouch
            tests/nodes/test_witnesses.py::test_a_ledger_that_was_put_back_stays_closed
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.errors import require
from engine.trusted import messages, records, sign, wire
from engine.trusted.records import RecordKind, Role, SignedRecord
from nodes.manifest import Seat

ALONE, ROLLED_BACK = "NODE_WITNESSES_MISSING", "NODE_LEDGER_ROLLED_BACK"
NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Vouching:
    """One start's question, and who answered it."""

    nonce: bytes
    heard: frozenset[str] = field(default=frozenset())


def others(seat: Seat) -> frozenset[str]:
    """Members that hold heads of this one: helpers, of every node and of each other."""
    return frozenset(m.name for m in seat.roster.manifest.members if Role.HELPER in m.roles) - {seat.name}


def testify(ask: messages.AskWitness, seat: Seat) -> SignedRecord:
    """What this member knows of another one's journal."""
    [known] = seat.ledger.held((ask.member,))
    witness = records.Witness(records.RECORD_VERSION, ask.nonce, seat.name, ask.member, known.size, known.root)
    return sign.signed(RecordKind.WITNESS, wire.encode(witness), seat.keys.signing)


def journal_part(ask: messages.AskJournal, seat: Seat) -> messages.JournalPart:
    """Entries of this member's journal, which holds nothing from data, and the head that covers them."""
    entries = seat.ledger.entries(ask.start, messages.PART_BYTES)
    return messages.JournalPart(ask.start, entries, sign.sign_head(seat.ledger.head(), seat.keys.signing))


def hear(record: SignedRecord, vouching: Vouching, seat: Seat) -> tuple[Vouching, Seat]:
    """The question and the seat after one answer: open once enough have vouched, closed for good by a newer head."""
    witness = sign.open_witness(record, seat.roster)
    require((witness.member, witness.nonce) == (seat.name, vouching.nonce), "POLICY_RECORD_INVALID")
    require(witness.witness in others(seat), "POLICY_UNKNOWN_MEMBER", name=witness.witness)
    require(bool(seat.unvouched), "POLICY_RECORD_OLD")  # once open, no single word closes it
    if witness.size and not seat.ledger.goes_on_from(witness.size, witness.root):
        return vouching, replace(seat, unvouched=ROLLED_BACK)
    vouching = replace(vouching, heard=vouching.heard | {witness.witness})
    enough = len(vouching.heard) >= max(1, len(others(seat)) - 1) and seat.unvouched == ALONE
    return vouching, replace(seat, unvouched="") if enough else seat
