"""What the public register is made from besides the journals, as the coordinator holds it: requests without their
analysts' own words, signed records, and heads that contradict the journals collected.

Nothing in it is taken on trust by whoever makes the register (engine/governance/register): records are signed, and
journals have roots.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from engine.coordinator.handed import HandedIn
from engine.coordinator.journals import Journals
from engine.coordinator.store import Store
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import QueuedRequest, RegisterPart
from engine.trusted.records import RecordKind, SignedRecord

PART_RECORD_BYTES = 1 << 20
EVERYTHING = 2**31 - 1
_HANDED = (RecordKind.REVOCATION, RecordKind.PAUSE, RecordKind.WITHDRAWAL, RecordKind.PUBLICATION)


def register_parts(home: Home, store: Store, handed: HandedIn, journals: Journals) -> Iterator[RegisterPart]:
    """Everything, a part of about 1 MiB at a time: manifests (oldest first), agreements, records, requests.

    Manifests that came before the first one that was handed in are with whoever installed them.
    """
    manifests = (*handed.records(RecordKind.FEDERATION_MANIFEST), home.manifest_record())
    agreements = (*home.agreements(), *handed.records(RecordKind.AGREEMENT))
    said = list({wire.digest(record.payload): record for record in (*manifests, *agreements)}.values())
    said += [record for kind in _HANDED for record in handed.records(kind)]
    yield from _filled(said)
    contrary = journals.contrary_heads()
    if contrary:
        yield RegisterPart((), (), contrary)
    yield from _asked(store, handed)


@contextmanager
def opened(home: Home, where: str = "") -> Iterator[tuple[Journals, Iterator[RegisterPart]]]:
    """The journals and everything else from a coordinator's own store, while it runs or rests.

    ``where``: URL of a database; default the file in the home. Raises Unavailable NODE_STORE_FAILED.
    """
    store = Store(where or home.state_path, home.name)
    try:
        journals = store.journals(home.roster, home.signing_key())
        yield journals, register_parts(home, store, HandedIn(store), journals)
    finally:
        store.close()


def _filled(records: list[SignedRecord]) -> Iterator[RegisterPart]:
    held, length = list[SignedRecord](), 0
    for record in records:
        size = len(record.payload)
        if held and length + size > PART_RECORD_BYTES:
            yield RegisterPart((), tuple(held), ())
            held, length = [], 0
        held.append(record)
        length += size
    if held:
        yield RegisterPart((), tuple(held), ())


def _asked(store: Store, handed: HandedIn) -> Iterator[RegisterPart]:
    """One request a part: with a long plan and many decisions one fills a message."""
    for digest in store.newest(EVERYTHING):
        kept = store.kept(digest)
        submission = replace(kept.submission, statement=b"")
        decisions = handed.records(RecordKind.APPROVAL, digest)
        yield RegisterPart((QueuedRequest(submission, kept.status, decisions, kept.received_ms),), (), ())
