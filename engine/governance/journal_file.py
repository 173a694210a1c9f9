"""A journal as a file: JSON lines that anybody can read, and whose every byte is vouched for.

    {"splittally": "journal", "version": 1, "member", "size", "root", "totals_digest", "signature"}   the signed head
    {"manifest": base64 of the federation's signed manifest}
    {"position": 0, "at": "2026-11-27T06:00:00.000Z", "kind": "charged", ..., "entry": base64 of the exact bytes}
    ...                                                              one line an entry, in order, all from 0 to size

What stands beside an entry's bytes is for people, and is made from those bytes. A file is sound only if it is, byte by
byte, what is written for the entries, head and manifest in it: so no edit of a readable field can stand beside other
bytes. The head's root covers the entries, the member's signature the head, the manifest names the member's key, and
the root keys sign the manifest.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from engine.errors import BadFile, Refused, require
from engine.governance.proofs import root
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.journal import leaf_hash
from engine.trusted.records import JournalEntry, JournalHead, RootKey, SignedHead, SignedRecord
from engine.trusted.sign import Roster, open_head, open_manifest, sign_head

FORMAT, VERSION = "journal", 1
MOST_BYTES = 1 << 30
_ANSWERED = "SELECT answered FROM ledger"
_TOTALS = "SELECT scope, name, rho, delta FROM accounts WHERE period_days = 0 ORDER BY scope, name"
_ENTRIES = "SELECT entry FROM entries ORDER BY position"


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal as it is handed on: all entries, the head that covers them, and the manifest that names the key."""

    manifest: SignedRecord
    head: SignedHead
    entries: tuple[bytes, ...]

    @property
    def member(self) -> str:
        return self.head.head.member

    def decoded(self) -> tuple[JournalEntry, ...]:
        return tuple(wire.decode(JournalEntry, entry) for entry in self.entries)


def journal_of_home(home: Home) -> Journal:
    """The journal of a node or helper, from its ledger while it runs or rests; nothing is changed.

    Raises BadFile FILE_HOME_NOT_A_NODE, FILE_LEDGER_BROKEN.
    """
    if home.role not in ("node", "helper"):
        raise BadFile("FILE_HOME_NOT_A_NODE", path=str(home.path), name=home.name, role=home.role.replace("_", " "))
    try:
        db = sqlite3.connect(f"{home.state_path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            db.execute("BEGIN")  # head and entries of one moment
            entries = tuple(bytes(row[0]) for row in db.execute(_ENTRIES))
            totals = sha256(b"".join(json.dumps(row).encode() + b"\n" for row in db.execute(_TOTALS))).digest()
            digest = sha256(db.execute(_ANSWERED).fetchone()[0] + totals).digest()
        finally:
            db.close()
    except (sqlite3.Error, TypeError) as error:
        raise BadFile("FILE_LEDGER_BROKEN", path=str(home.state_path), internal=repr(error)) from None
    head = JournalHead(home.name, len(entries), root([leaf_hash(entry) for entry in entries]), digest)
    return Journal(home.manifest_record(), sign_head(head, home.signing_key()), entries)


def written(journal: Journal) -> bytes:
    """The file's bytes. Refused POLICY_WIRE_INVALID for an entry that is none."""
    head = journal.head.head
    first = {
        "splittally": FORMAT,
        "version": VERSION,
        "member": head.member,
        "size": head.size,
        "root": head.root.hex(),
    }
    first |= {"totals_digest": head.totals_digest.hex(), "signature": journal.head.signature.hex()}
    lines = [first, {"manifest": _text(wire.encode(journal.manifest))}]
    lines += [_line(position, entry) for position, entry in enumerate(journal.entries)]
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def read(body: bytes) -> Journal:
    """The journal in a file, if these are the bytes that are written for it; signatures are not verified yet."""
    require(len(body) <= MOST_BYTES, "POLICY_JOURNAL_INVALID", detail="it is too long")
    try:
        first, second, *rest = (json.loads(line) for line in body.decode().removesuffix("\n").split("\n"))
        head = JournalHead(
            str(first["member"]),
            int(first["size"]),
            bytes.fromhex(first["root"]),
            bytes.fromhex(first["totals_digest"]),
        )
        signed_head = SignedHead(head, bytes.fromhex(first["signature"]))
        manifest: SignedRecord = wire.decode(SignedRecord, _bytes(second["manifest"]))
        journal = Journal(manifest, signed_head, tuple(_bytes(line["entry"]) for line in rest))
        same = written(journal) == body
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise Refused("POLICY_JOURNAL_INVALID", detail="it is no journal file", internal=repr(error)) from None
    require(same, "POLICY_JOURNAL_INVALID", detail="what stands beside an entry is not what the entry says")
    return journal


def verify(journal: Journal, roots: tuple[RootKey, ...], heads: Iterable[SignedHead] = ()) -> JournalHead:
    """The head, once the roots, the member and the entries vouch for each other. ``heads``: others of this member that
    were seen elsewhere, which this journal has to continue.

    Raises Refused POLICY_JOURNAL_INVALID (with the detail), POLICY_MANIFEST_*, POLICY_SIGNATURE_INVALID,
    POLICY_UNKNOWN_MEMBER, POLICY_HEAD_FORKED.
    """
    roster = Roster(open_manifest(journal.manifest, roots))
    signers = [signature.signer for signature in journal.manifest.signatures]
    known = len(set(signers)) == len(signers) and set(signers) <= {pinned.name for pinned in roots}
    require(known, "POLICY_JOURNAL_INVALID", detail="its manifest bears a signature that no root key made")
    head = open_head(journal.head, roster)
    require(head.size == len(journal.entries), "POLICY_JOURNAL_INVALID", detail="entries are missing, or too many")
    leaves = [leaf_hash(entry) for entry in journal.entries]
    require(root(leaves) == head.root, "POLICY_JOURNAL_INVALID", detail="its entries are not those of its head")
    own = all(entry.member == head.member for entry in journal.decoded())
    require(own, "POLICY_JOURNAL_INVALID", detail="it holds an entry of another member")
    for other in heads:
        seen = open_head(other, roster)
        same = seen.member == head.member and seen.size <= head.size and root(leaves[: seen.size]) == seen.root
        require(same, "POLICY_HEAD_FORKED", name=head.member)
    return head


def require_continues(journal: Journal, seen: JournalHead | None) -> None:
    """Raises Refused POLICY_HEAD_FORKED unless the journal continues a head that its own member wrote down."""
    if seen is not None:
        leaves = [leaf_hash(entry) for entry in journal.entries[: seen.size]]
        require(len(leaves) == seen.size and root(leaves) == seen.root, "POLICY_HEAD_FORKED", name=journal.member)


def summary(entries: Sequence[JournalEntry]) -> dict[str, Any]:
    """What a journal tells, counted: entries by kind, loss charged, first and last day."""
    kinds = Counter(_kind(entry) for entry in entries)
    charged = [entry.loss.rho_billionths for entry in entries if entry.loss is not None]
    times = [entry.at_ms for entry in entries]
    span = {"from": _time(min(times)), "until": _time(max(times))} if times else {}
    return {"entries": len(entries), **span, "rho_billionths": sum(charged), "kinds": dict(sorted(kinds.items()))}


def _line(position: int, entry: bytes) -> dict[str, object]:
    said: JournalEntry = wire.decode(JournalEntry, entry)
    line: dict[str, object] = {"position": position, "at": _time(said.at_ms), "kind": _kind(said)}
    for name, value in (("analyst", said.analyst), ("code", said.code), ("detail", said.detail)):
        if value:
            line[name] = value
    for name, digest in (("request", said.request_digest), ("round", said.round)):
        if digest:
            line[name] = digest.hex()
    if said.loss is not None:
        line["rho_billionths"] = said.loss.rho_billionths
    return {**line, "entry": _text(entry)}


def _kind(entry: JournalEntry) -> str:
    return entry.kind.name.lower().replace("_", " ")


def _time(ms: int) -> str:
    """ISO 8601 in UTC, to the millisecond; a time beyond the calendar is the number itself."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03}Z"
    except (ValueError, OverflowError, OSError):
        return str(ms)


def _text(body: bytes) -> str:
    return b64encode(body).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)
