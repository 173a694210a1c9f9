"""Quality cards of a home: what was published of a dataset's completeness, and what holds of it.

    cards/<dataset>.card      the newest published one: signed record, table and receipt (JSON)
    cards/<dataset>.asked     the request that asked for one here last

A card is believed if (1) its receipt holds, up to the root keys, (2) the analyst who asked signed the publication of
that very request and run, (3) of that very table, and (4) the table's headers are those of the plan that was answered
(engine/governance/card.py). The figures themselves are that analyst's signed word, as with every release that is
handed on. Whether they are of the snapshots as they are now is another question, asked whenever a card is shown.
"""

from __future__ import annotations

import enum
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.receipts import RECEIPT_BYTES, Verified, verify_receipt
from engine.errors import BadFile, Refused, SplittallyError, Unavailable, require
from engine.governance import card, journal_file
from engine.governance.card import Figures
from engine.governance.text import PLAN_DELTA, loss_words
from engine.trusted import wire
from engine.trusted.account import add_loss
from engine.trusted.catalogue import Dataset
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription
from engine.trusted.records import (
    JournalEntry,
    JournalKind,
    Loss,
    Participant,
    Publication,
    RecordKind,
    Role,
    SignedRecord,
    SnapshotRef,
)
from engine.trusted.sign import FAR_MS, decoded, require_signed_by

if TYPE_CHECKING:
    from engine.client.session import Session

DAY_MS = 86_400_000  # how far clocks may be apart
FORMAT, VERSION = "card", 1
GLANCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Card:
    """A published card that holds; ``body``: its file."""

    figures: Figures
    publication: Publication
    verified: Verified
    record: SignedRecord
    table: bytes
    body: bytes

    @property
    def dataset(self) -> str:
        return self.figures.dataset

    @property
    def request(self) -> str:
        """Id of the request that it answers."""
        return self.publication.request_digest.hex()

    @property
    def nodes(self) -> tuple[str, ...]:
        """Whose rows it counts."""
        return self.verified.receipt.survivors

    @property
    def loss(self) -> Loss:
        """What it was charged at each node."""
        request = self.verified.request
        return add_loss(request.loss, request.selection or Loss(0, 0))

    @property
    def cost(self) -> str:
        return loss_words(self.loss, PLAN_DELTA)

    @property
    def age(self) -> tuple[int, int]:
        """What orders the cards of a dataset: when it was answered, then when it was published. The first time is the
        round's, which the coordinator writes and nodes and helpers sign: who publishes can put no later one in its
        place. No card is of a day to come, whoever dated it."""
        return self.verified.receipt.round_manifest.created_ms, self.publication.decided_ms

    @property
    def participants(self) -> tuple[Participant, ...]:
        return self.verified.receipt.round_manifest.participants


class Freshness(enum.Enum):
    """Whether a card is of the snapshots that nodes answer from now."""

    NOW = "of the snapshots that answers come from now"
    OLDER = "figures of an older snapshot"
    UNKNOWN = "whether the snapshots are still these cannot be seen now"


def refs_of(participants: Sequence[Participant], dataset: str) -> dict[str, SnapshotRef]:
    """node -> its snapshot of a dataset."""
    return {p.node: ref for p in participants for ref in p.snapshots if ref.dataset == dataset}


def freshness(answered: Sequence[Participant], dataset: str, now: Sequence[Participant] | None) -> Freshness:
    """``now``: the nodes that are connected, None while nobody can tell. One changed snapshot makes it older."""
    held, current = refs_of(answered, dataset), refs_of(now or (), dataset)
    if any(node in current and current[node] != ref for node, ref in held.items()):
        return Freshness.OLDER
    return Freshness.NOW if held and held.keys() <= current.keys() else Freshness.UNKNOWN


# -- files


def written(record: SignedRecord, table: bytes, receipt: bytes) -> bytes:
    """The file of a card; ``receipt``: as `receipt export` writes it."""
    document = {
        "splittally": FORMAT,
        "version": VERSION,
        "publication": b64encode(wire.encode(record)).decode(),
        "table": table.decode(),
        "receipt": b64encode(receipt).decode(),
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def opened(body: bytes, home: Home) -> Card:
    """The card in a file, if it holds for the federation of ``home``.

    Raises Refused POLICY_CARD_INVALID, or the code of the receipt's or the record's step that does not hold.
    """
    record, table, receipt = _parts(body)
    verified = verify_receipt(receipt, home.roots())  # (1)
    roster, round_ = verified.roster, verified.receipt.round_manifest
    _require(roster.manifest.federation == home.federation, "it is of another federation")
    publication = decoded(record, RecordKind.PUBLICATION, Publication)
    require_signed_by(record, roster.require(publication.analyst, Role.ANALYST))  # (2)
    same = (publication.request_digest, publication.run, publication.analyst) == (
        wire.digest(round_.request.payload),
        round_.run,
        verified.request.analyst,
    )
    _require(same, "its publication is of another release")
    _require(0 <= publication.decided_ms <= FAR_MS, "no calendar has the day of its publication")
    _require(round_.created_ms <= publication.decided_ms + DAY_MS, "it was answered after it was published")
    _require(publication.table_digest == wire.digest(table), "its table is not the one that was published")  # (3)
    figures = card.read(table, round_.plan, roster.manifest.catalogue, roster.manifest.rules)  # (4)
    return Card(figures, publication, verified, record, table, body)


def _parts(body: bytes) -> tuple[SignedRecord, bytes, bytes]:
    _require(len(body) <= 2 * RECEIPT_BYTES, "it is longer than any card")
    try:
        document = json.loads(body)
        _require((document["splittally"], document["version"]) == (FORMAT, VERSION), "it is no card of this version")
        record: SignedRecord = wire.decode(SignedRecord, b64decode(document["publication"], validate=True))
        return record, document["table"].encode(), b64decode(document["receipt"], validate=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refused("POLICY_CARD_INVALID", detail="it is no card") from None


def _require(holds: bool, detail: str) -> None:
    require(holds, "POLICY_CARD_INVALID", detail=detail)


def newest(home: Home, dataset: str) -> Card | None:
    """The newest card of a dataset in this home, verified again; None if there is none. Raises as ``opened``."""
    try:
        body = _place(home, dataset).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadFile("FILE_HOME_BROKEN", path=str(_place(home, dataset)), internal=repr(error)) from None
    found = opened(body, home)
    _require(found.dataset == dataset, "it is about another dataset")
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """What can be shown of a dataset: its newest card with its figures as the catalogue in force publishes them, or
    why the one that is kept is not believed."""

    card: Card | None
    figures: Figures | None
    freshness: Freshness
    missing: tuple[str, ...] = ()  # hosts that did not answer
    trouble: SplittallyError | None = None


def seen(home: Home, dataset: Dataset, session: Session, described: FederationDescription | None) -> Seen:
    """``described`` None: the coordinator is away."""
    try:
        found = newest(home, dataset.name)
    except SplittallyError as error:
        return Seen(None, None, Freshness.UNKNOWN, (), error)
    if found is None:
        return Seen(None, None, Freshness.UNKNOWN)
    state = freshness(found.participants, dataset.name, described.connected if described else None)
    missing = tuple(host for host in dataset.hosts if host not in found.nodes)
    return Seen(found, card.published(found.figures, session.catalogue), state, missing)


def require_newest(home: Home, found: Card) -> None:
    """Refused POLICY_RECORD_OLD if a card that was answered later is kept, or one of that answer published later."""
    try:
        held = newest(home, found.dataset)
    except SplittallyError:
        return  # what does not hold is replaced
    require(held is None or held.age <= found.age, "POLICY_RECORD_OLD")


def keep(home: Home, found: Card) -> None:
    """In place of an older one; raises as ``require_newest``."""
    require_newest(home, found)
    (home.path / "cards").mkdir(exist_ok=True, mode=0o700)
    home.write(f"cards/{found.dataset}.card", found.body)


def take(session: Session, body: bytes) -> Card:
    """Keeps a card from somebody else's file, once it holds and the coordinator's journal tells of its publication.

    Raises as ``opened``, Refused POLICY_JOURNAL_INVALID, POLICY_RECORD_OLD, Unavailable NODE_*.
    """
    found = opened(body, session.home)
    _require(session.catalogue.dataset(found.dataset) is not None, "the catalogue has no such dataset")
    _require(found.publication.decided_ms <= session.clock.now_ms() + DAY_MS, "it is of a day to come")
    _require(_is_registered(session, found), "the coordinator's journal does not tell of its publication")
    keep(session.home, found)
    return found


def _is_registered(session: Session, found: Card) -> bool:
    digest = wire.digest(found.record.payload)
    return any(e.kind is JournalKind.PUBLISHED and e.record_digest == digest for e in of_coordinator(session))


def of_coordinator(session: Session) -> tuple[JournalEntry, ...]:
    """The coordinator's journal, verified. Raises as ``journal_of``."""
    return journal_of(session, next(m.name for m in session.roster.manifest.members if Role.COORDINATOR in m.roles))


def journal_of(session: Session, member: str) -> tuple[JournalEntry, ...]:
    """Verified. Raises Refused POLICY_JOURNAL_INVALID, POLICY_RECORD_INVALID, Unavailable NODE_*."""
    head, entries = session.line.journal(member)
    journal = journal_file.Journal(session.home.manifest_record(), head, entries)
    require(head.head.member == member, "POLICY_RECORD_INVALID")
    journal_file.verify(journal, session.home.roots())
    return tuple(journal.decoded())


def _place(home: Home, dataset: str) -> Path:
    return home.path / "cards" / f"{dataset}.card"


def last_asked(home: Home, dataset: str) -> bytes | None:
    """The request by which this home asked for a card last."""
    try:
        return bytes.fromhex((home.path / "cards" / f"{dataset}.asked").read_text())
    except (OSError, ValueError):
        return None


def note_asked(home: Home, dataset: str, request: str) -> None:
    (home.path / "cards").mkdir(exist_ok=True, mode=0o700)
    home.write(f"cards/{dataset}.asked", request.encode())


def described_or_away(session: Session) -> FederationDescription | None:
    """None while the coordinator does not answer within a glance."""
    try:
        return session.describe(GLANCE_SECONDS)
    except Unavailable:
        return None
