"""A quality card asked for, once a snapshot, and made public.

    given = ask(session, asking)      the question, its answer; free where this snapshot was asked about before
    card = publish(session, ...)      signed, registered, and kept in this home as the newest one

The figures are the release's own. A card of a snapshot is charged once: whoever wants other figures of the same
snapshot asks an ordinary question, and says so to whoever guards the budget.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from engine.client.card_registered import Registered, registered
from engine.client.cards import (
    Card,
    Freshness,
    freshness,
    keep,
    last_asked,
    newest,
    note_asked,
    opened,
    refs_of,
    require_newest,
    written,
)
from engine.client.papers import meant, usable
from engine.client.publish import publish as published
from engine.client.publish import written as table_of
from engine.client.receipts import RECEIPT_BYTES, sign_receipt
from engine.client.states import named_if_late
from engine.errors import Refused, SplittallyError, require
from engine.governance import card
from engine.governance.card import Figures, statement, wanted_of
from engine.trusted import wire
from engine.trusted.catalogue import Dataset
from engine.trusted.messages import FederationDescription, RequestStatus
from engine.trusted.records import Agreement, Receipt
from engine.trusted.sign import open_agreement

if TYPE_CHECKING:
    from engine.client.query import Query
    from engine.client.release import Release
    from engine.client.session import Amount, Session

MOST_NAMED = 8  # snapshots in the purpose
SHORT = 8  # letters of a snapshot's id
Progress = Callable[[RequestStatus], None]


@dataclass(frozen=True, slots=True)
class Asking:
    """``columns``: of which; empty: all that the agreement covers. The rest as in ``Session.query``."""

    dataset: str
    columns: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    quartiles: tuple[str, ...] = ()
    agreement: str | None = None
    epsilon: Amount = Fraction(1)
    delta: Amount = Fraction(1, 10**9)
    n_min: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether any card of the dataset will do."""
        return not (self.columns or self.values or self.quartiles)


@dataclass(frozen=True, slots=True)
class Given:
    """``release``: what it rests on, None of a card that another analyst published; that one is ``card`` then.
    ``free``: nothing was charged."""

    figures: Figures
    request: str
    free: bool
    release: Release | None = None
    card: Card | None = None


def dataset_of(session: Session, name: str) -> Dataset:
    """Refused SQL_UNKNOWN_DATASET."""
    found = session.catalogue.dataset(name)
    if found is None:
        known = ", ".join(dataset.name for dataset in session.catalogue.datasets)
        raise Refused("SQL_UNKNOWN_DATASET", name=name[:40], meant=f"There are {known}.")
    return found


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of a card that is asked for, before anything is signed; one of four is there.

    ``held``: this home's own request of the present snapshots. ``kept``: a card of them that somebody published, in
    this home. ``elsewhere``: one that is not. ``query``: the question that would be asked, without any of these.
    """

    dataset: Dataset
    held: bytes | None = None
    kept: Card | None = None
    elsewhere: Registered | None = None
    query: Query | None = None


def look(session: Session, asking: Asking) -> Found:
    """Nothing is sent or spent. Raises Refused SQL_*, and POLICY_CARD_ONCE where other figures of these snapshots were
    asked for already."""
    dataset, described = dataset_of(session, asking.dataset), session.describe()
    covered = _in_scope(session, asking, dataset, described)
    columns = asking.columns or tuple(name for name in covered if name != dataset.person.column)
    persons = not covered or dataset.person.column in covered
    sql = statement(dataset, wanted_of(dataset, columns, asking.values, asking.quartiles, persons=persons))
    held = _held(session, dataset, described)
    if held is not None:
        was = session.archive.asked(held).submission.statement.decode()
        require(asking.is_open or was == sql, "POLICY_CARD_ONCE", name=dataset.name, request=held.hex())
        return Found(dataset, held=held)
    kept = _published(session, dataset, described)
    if kept is not None:
        was = statement(dataset, card.wanted_in(kept.figures))
        require(asking.is_open or was == sql, "POLICY_CARD_ONCE", name=dataset.name, request=kept.request)
        return Found(dataset, kept=kept)
    purpose = _purpose(dataset, described)
    query = session.query(sql, asking.agreement, asking.epsilon, asking.delta, asking.n_min, purpose)
    usual = session.prepare(statement(dataset, wanted_of(dataset)))  # what whoever may read all columns asks for
    plans = {query.plan, wire.encode(usual.plan)} if asking.is_open else {query.plan}
    elsewhere = registered(session, dataset.name, frozenset(map(wire.digest, plans)), described)
    return Found(dataset, elsewhere=elsewhere) if elsewhere else Found(dataset, query=query)


def ask(
    session: Session,
    asking: Asking,
    seconds: float | None = None,
    progress: Progress = lambda _: None,
    told: Callable[[str], None] = lambda _: None,
) -> Given:
    """``told``: the price before anything is signed, then the request's id.

    Raises as ``look``, ``submit``, ``Query.submit`` and ``Query.wait``.
    """
    found = look(session, asking)
    if found.held is not None:
        free = session.archive.released(found.held) is not None
        told(f"request id {found.held.hex()}")
        return _given(session, found.held.hex(), free, seconds, progress)
    if found.kept is not None:
        figures = card.published(found.kept.figures, session.catalogue)
        return Given(figures, found.kept.request, True, card=found.kept)
    if found.query is not None:
        told(found.query.cost_words())
    request = submit(session, found)
    told(f"request id {request}")
    return _given(session, request, found.query is not None and found.query.kept is not None, seconds, progress)


def submit(session: Session, found: Found) -> str:
    """Signs the question and hands it in; the id of its request, or of the one that there is.

    Refused POLICY_CARD_PUBLISHED where somebody's card of these snapshots can be had instead.
    """
    if found.elsewhere is not None:
        whose, request = found.elsewhere.analyst, found.elsewhere.request
        raise Refused("POLICY_CARD_PUBLISHED", name=found.dataset.name, analyst=whose, request=request)
    if found.query is None:
        return found.held.hex() if found.held else found.kept.request if found.kept else ""
    request = found.query.submit()
    note_asked(session.home, found.dataset.name, request)
    return request


def _in_scope(session: Session, asking: Asking, dataset: Dataset, described: FederationDescription) -> tuple[str, ...]:
    """The columns that the agreement covers; none where it is not clear which one is meant, which is refused later."""
    name = session.home.name
    try:
        _, agreement = meant(usable(described, session.roster, name, session.clock.now_ms()), name, asking.agreement)
    except Refused:
        return ()
    covered = {name for scope in agreement.scope if scope.dataset == dataset.name for name in scope.columns}
    return tuple(c.name for c in dataset.columns if c.name in covered)


def _held(session: Session, dataset: Dataset, described: FederationDescription) -> bytes | None:
    """This home's own request for a card of the present snapshot: under way, or answered and still given again."""
    digest = last_asked(session.home, dataset.name)
    if digest is None or not session.archive.holds(digest):
        return None
    released = session.archive.released(digest)
    if released is None:
        return digest if session.is_under_way(digest) else None
    record = session.archive.asked(digest).agreement
    agreement: Agreement = wire.decode(Agreement, record.payload)
    ended = session.clock.now_ms() >= agreement.until_ms or session.archive.is_revoked(wire.digest(record.payload))
    participants = released.receipt.round_manifest.participants
    older = freshness(participants, dataset.name, described.connected) is Freshness.OLDER
    return None if ended or older else digest


def _published(session: Session, dataset: Dataset, described: FederationDescription) -> Card | None:
    """A card of the present snapshot that somebody published; one that does not hold counts for nothing."""
    with suppress(SplittallyError):
        found = newest(session.home, dataset.name)
        if found and freshness(found.participants, dataset.name, described.connected) is not Freshness.OLDER:
            return found
    return None


def _purpose(dataset: Dataset, described: FederationDescription) -> str:
    """For the record: what is asked, and of which snapshots as they are when it is asked."""
    refs = sorted(refs_of(described.connected, dataset.name).items())
    named = [f"{node} {ref.snapshot[:SHORT]}" for node, ref in refs[:MOST_NAMED]]
    named += [f"and {len(refs) - MOST_NAMED} more"] if len(refs) > MOST_NAMED else []
    return f"Quality card of {dataset.name}; snapshots: {', '.join(named) or 'none yet'}"


def _given(session: Session, request: str, free: bool, seconds: float | None, progress: Progress) -> Given:
    """The answer once there is one; waits, and says for whom it waits, as ``Query.wait`` does."""
    if session.archive.released(bytes.fromhex(request)) is None:
        with named_if_late(session.home.name) as latest:
            for status in session.watch(request, seconds):
                latest.append(status)
                progress(status)
                session.check_ended_well(status)
    release = session.result(request)
    return Given(figures_of(session, release), request, free, release)


def figures_of(session: Session, release: Release) -> Figures:
    """The release's own figures, read from its table as every reader of the card will read them."""
    receipt: Receipt = wire.decode(Receipt, release.receipt, RECEIPT_BYTES)
    agreement = open_agreement(receipt.agreement, session.roster)
    table = table_of(release, agreement, "", "card", session.home.name, session.clock.now_ms()).csv
    rules = session.roster.manifest.rules
    return card.read(table, receipt.round_manifest.plan, session.catalogue, rules)


def publish(session: Session, name: str, out: Path | None = None) -> tuple[Card, tuple[Path, ...]]:
    """Makes the card that this home asked for last public, and keeps it as the newest; the same one again is the same.

    With ``out`` the files of the publication go there, with the card itself for others to take. Raises Refused
    POLICY_CARD_NONE where none was asked for, POLICY_RECORD_OLD where a newer one is kept, Unavailable
    ROUND_NOT_RELEASED, and as ``splittally release publish``.
    """
    dataset = dataset_of(session, name)
    digest = last_asked(session.home, dataset.name)
    if digest is None:
        raise Refused("POLICY_CARD_NONE", name=dataset.name)
    found = _published_before(session, dataset, digest)
    if found is None:
        release = session.result(digest.hex())
        receipt: Receipt = wire.decode(Receipt, release.receipt, RECEIPT_BYTES)
        agreement = open_agreement(receipt.agreement, session.roster)
        key, now = session.home.signing_key(), session.clock.now_ms()
        made = published(release, agreement, f"Quality card of {dataset.name}", f"card-{dataset.name}", key, now)
        body = written(made.record, made.csv, wire.encode(sign_receipt(receipt, key)))
        found = opened(body, session.home)
        require_newest(session.home, found)  # before it is public
        session.line.hand(made.record)
        keep(session.home, found)
        paths = made.write(out, f"card-{dataset.name}") if out else ()
    else:
        paths = ()
    return found, (*paths, *_card_file(found, out))


def _published_before(session: Session, dataset: Dataset, digest: bytes) -> Card | None:
    with suppress(SplittallyError):
        found = newest(session.home, dataset.name)
        if found is not None and found.publication.request_digest == digest:
            return found
    return None


def _card_file(found: Card, out: Path | None) -> tuple[Path, ...]:
    if out is None:
        return ()
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{found.dataset}.card"
    target.write_bytes(found.body)
    return (target,)
