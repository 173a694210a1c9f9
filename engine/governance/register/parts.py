"""What several pages of the register show: links, and tables of accounts, charges, publications, pauses, gaps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from hashlib import sha256

from engine.governance.card import Measured
from engine.governance.register.html import Cell, facts, joined, link, paragraph, table
from engine.governance.register.related import Related
from engine.governance.register.rows import (
    AccountRow,
    ChargeRow,
    ContradictionRow,
    PauseRow,
    PersonRow,
    PublicationRow,
    Register,
)
from engine.governance.text import loss_words
from engine.trusted.catalogue import Catalogue
from engine.trusted.records import Loss

AS_IS = (
    "The figures carry noise, and are shown as released: it can lift a share above 100 %. A text outside the published"
    " values counts as missing; rows beyond those that one person may have are not counted."
)
OLDER = "Figures of an older snapshot: a node has answered from another one since."
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,70}")


def place(folder: str, name: str) -> str:
    """Where the page of a name is; a name that is no plain word goes by its digest."""
    plain = name if _PLAIN.fullmatch(name) else sha256(name.encode()).hexdigest()[:32]
    return f"{folder}/{plain}.html"


def request_place(request: str) -> str:
    return f"requests/{request}/index.html"


class Parts:
    """Of one register. ``up``: the way to its first page, such as "../"."""

    def __init__(self, register: Register, catalogue: Catalogue) -> None:
        self.register, self.catalogue, self.of = register, catalogue, Related(register)
        self._asked = {row.request for row in register.requests}
        self._agreed = {row.agreement: row for row in register.agreements}
        self._members = {row.member for row in register.journals}

    def to_request(self, request: str, up: str) -> Cell:
        if request in self._asked:
            return link(f"{up}{request_place(request)}", request[:12])
        return request[:12]

    def to_agreement(self, digest: str, up: str) -> Cell:
        row = self._agreed.get(digest)
        if row is None:
            return digest[:12]
        return link(f"{up}{place('agreements', digest)}", f"{row.name}, edition {row.edition}")

    def to_dataset(self, name: str, up: str) -> Cell:
        return link(f"{up}{place('datasets', name)}", name) if self.catalogue.dataset(name) else name

    def to_member(self, name: str, up: str) -> Cell:
        return link(f"{up}{place('nodes', name)}", name) if name in self._members else name

    def accounts(self, caption: str, rows: list[AccountRow], up: str) -> str:
        shown = [
            (
                joined([self.to_member(row.node, up)]),
                f"{row.scope} {row.name}",
                f"this period of {row.period_days} days, until {day(row.period_ends)}" if row.period_days else "ever",
                row.charges,
                row.spent,
                row.rho_billionths,
                row.cap_rho_billionths if row.cap_rho_billionths is not None else "no cap",
                left(row),
            )
            for row in rows
        ]
        headings = ("Node", "Account", "Span", "Charges", "Spent", "rho in 1e-9", "Cap in 1e-9", "Left")
        return table(caption, headings, shown, (3, 5, 6, 7))

    def charges(self, found: Sequence[ChargeRow], up: str) -> str:
        rows = [
            (
                row.at,
                joined([self.to_member(row.node, up)]),
                joined([self.to_request(row.request, up)]),
                ", ".join(row.datasets),
                _loss_words(row.rho_billionths, row.delta_quintillionths),
                row.rho_billionths,
                " ".join(filter(None, (row.outcome, row.code))),
            )
            for row in found
        ]
        headings = ("At", "Node", "Request", "Datasets", "Loss", "rho in 1e-9", "Outcome")
        return table("Charges in the journals of nodes", headings, rows, (5,))

    def publications(self, found: Sequence[PublicationRow], up: str) -> str:
        rows = [
            (
                row.title,
                day(row.published),
                row.analyst,
                joined([self.to_request(row.request, up)]),
                link(f"{up}{row.file}", "table") if row.file else "not in this register",
                row.table,
            )
            for row in found
        ]
        headings = ("Title", "Published", "By", "Request", "Table", "SHA-256 of the table")
        return table("Releases that were published", headings, rows)

    def card(self, dataset: str, up: str) -> list[str]:
        """How complete a dataset was found to be, by the newest card that was published."""
        rows = [row for row in self.register.cards if row.dataset == dataset]
        if not rows:
            return [paragraph("No card with figures from the data is in this register.")]
        first = rows[0]
        shown = [
            (row.column or "the dataset", row.figure, *Measured(row.value, row.low, row.high).words, row.unit)
            for row in rows
        ]
        headings = ("Column", "Figure", "Value", "95 % interval", "Unit")
        said: list[tuple[str, Cell]] = [
            ("Published", f"{day(first.published)} by {first.analyst}, who vouches for the figures"),
            ("Answered by", ", ".join(first.nodes)),
            ("Cost at each of them", first.cost),
            ("Request", joined([self.to_request(first.request, up)])),
            ("Table", joined([link(f"{up}{first.file}", "table")])),
            ("Snapshot", OLDER if first.older else ""),
        ]
        return [
            table(f"How complete {dataset} was found to be", headings, shown, (2, 3)),
            paragraph(AS_IS),
            facts(said),
        ]

    def shares(self, request: str) -> str:
        rows = [(row.reader, row.analyst, row.at) for row in self.of.shares[request]]
        return table("Analysts it was shared with", ("Reader", "By", "At"), rows)

    def pauses(self, found: Sequence[PauseRow], up: str) -> str:
        rows = [
            (
                joined([self.to_member(row.node, up)]),
                "paused" if row.paused else "goes on",
                row.decided,
                row.by,
                row.reason,
                "yes" if row.holds else "no",
            )
            for row in found
        ]
        return table("Nodes stopped, or let go on", ("Node", "Decision", "Since", "By", "Reason", "Holds"), rows)

    def contradictions(self, found: Sequence[ContradictionRow], up: str) -> str:
        rows = [
            (row.kind, joined([self.to_member(row.member, up)]), joined([self.to_request(row.request, up)]),
             row.subject[:12], row.says)
            for row in found
        ]  # fmt: skip
        return table("What does not fit together", ("Kind", "Member", "Request", "About", "What is said"), rows)


@cache
def _loss_words(rho: int, delta: int) -> str:
    return loss_words(Loss(rho, delta))


def persons_table(rows: tuple[PersonRow, ...] | list[PersonRow]) -> str:
    shown = [
        (
            row.identifier,
            ", ".join(row.datasets),
            row.nodes_at_once,
            row.spent,
            row.rho_billionths,
            row.promised or "no cap",
        )
        for row in rows
    ]
    headings = ("Named by", "Over all of", "Nodes at once", "At most lost so far", "rho in 1e-9", "At most for ever")
    return table("The most one person can have lost since the beginning", headings, shown, (2, 4))


def left(row: AccountRow) -> Cell:
    """In per cent of the cap; below 0 where it was exceeded."""
    if not row.cap_rho_billionths:
        return ""
    return f"{100 * (row.cap_rho_billionths - row.rho_billionths) / row.cap_rho_billionths:.1f} %"


def day(time: str) -> str:
    return time[:10]
