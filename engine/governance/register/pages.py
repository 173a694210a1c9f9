"""The register for people: one page of requests, of agreements and of datasets; one page a request, an agreement, a
dataset and a node. Each is made from the rows of one register, so pages and tables cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from hashlib import sha256

from engine.governance.agreement_text import agreement_lines
from engine.governance.budget import NEW_PERIOD
from engine.governance.register.chart import Line, chart
from engine.governance.register.html import (
    Cell,
    facts,
    joined,
    link,
    page,
    paragraph,
    preformatted,
    section,
    table,
)
from engine.governance.register.rows import AccountRow, AgreementRow, PersonRow, Register, RequestRow
from engine.governance.text import loss_words
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.records import Agreement, Loss

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,70}")
_DIGEST = re.compile(r"([0-9a-f]{2})+")
_NUMBERS = ("charges",)
NOISE = (
    "Answers carry random noise, so that nobody can tell from them whether any one person is counted. Each answer"
    " costs some of a fixed privacy budget; what it cost is written down by every node itself."
)
NOT_SHOWN = "This version cannot describe the plan; its digest is above."


def place(folder: str, name: str) -> str:
    """Where the page of a name is; a name that is no plain word goes by its digest."""
    plain = name if _PLAIN.fullmatch(name) else sha256(name.encode()).hexdigest()[:32]
    return f"{folder}/{plain}.html"


def request_place(request: str) -> str:
    return f"requests/{request}/index.html"


class Pages:
    """The pages of one register. ``papers``: its agreements in full, by digest in hex."""

    def __init__(self, register: Register, catalogue: Catalogue, papers: dict[str, Agreement]) -> None:
        self._r, self._catalogue, self._papers = register, catalogue, papers
        self._asked = {row.request for row in register.requests}
        self._agreed = {row.agreement: row for row in register.agreements}
        self._members = {row.member for row in register.journals}

    def all(self) -> Iterator[tuple[str, bytes]]:
        """(place, bytes) of each page."""
        r = self._r
        yield "index.html", self._page("Requests", self._index())
        yield "agreements.html", self._page("Agreements", self._agreements())
        yield "datasets.html", self._page("Datasets and nodes", self._datasets())
        for request in r.requests:
            title = f"Request {request.request[:12]}"
            yield request_place(request.request), self._page(title, self._request(request), "../../")
        for agreement in r.agreements:
            title = f"Agreement {agreement.name}, edition {agreement.edition}"
            yield place("agreements", agreement.agreement), self._page(title, self._agreement(agreement), "../")
        for dataset in self._catalogue.datasets:
            yield place("datasets", dataset.name), self._page(f"Dataset {dataset.name}", self._dataset(dataset), "../")
        for row in r.journals:
            yield place("nodes", row.member), self._page(f"Member {row.member}", self._member(row.member), "../")

    def _page(self, title: str, body: list[str], up: str = "") -> bytes:
        return page(title, self._r.federation, self._r.made, body, up)

    # -- links

    def _to_request(self, request: str, up: str) -> Cell:
        if request in self._asked:
            return link(f"{up}{request_place(request)}", request[:12])
        return request[:12]

    def _to_agreement(self, digest: str, up: str) -> Cell:
        row = self._agreed.get(digest)
        if row is None:
            return digest[:12]
        return link(f"{up}{place('agreements', digest)}", f"{row.name}, edition {row.edition}")

    def _to_dataset(self, name: str, up: str) -> Cell:
        return link(f"{up}{place('datasets', name)}", name) if self._catalogue.dataset(name) else name

    def _to_member(self, name: str, up: str) -> Cell:
        return link(f"{up}{place('nodes', name)}", name) if name in self._members else name

    # -- first pages

    def _index(self) -> list[str]:
        r = self._r
        rows = [
            (
                link(request_place(q.request), q.request[:12]),
                _day(q.asked),
                f"{q.analyst}, {q.body}",
                q.purpose or "none given",
                joined([self._to_agreement(q.agreement, "")]),
                q.gateway,
                joined([self._to_dataset(name, "") for name in q.datasets]),
                q.state,
                q.price,
                _day(min(filter(None, (q.expires, q.agreement_ends)), default="")),
            )
            for q in r.requests
        ]
        headings = ("Request", "Asked", "Who", "Why", "Agreement", "Legal gateway", "Datasets", "State", "Price")
        return [
            paragraph(NOISE),
            self._notice(),
            section("Requests", table("All requests, newest first", (*headings, "Ends"), rows)),
            section("What one person can have lost", _persons(r.persons), paragraph(NEW_PERIOD)),
            section("Publications", self._publications(lambda _: True, "")),
            section("Pauses", self._pauses(lambda _: True, "")),
            section("Contradictions in the record", self._contradictions("", lambda _: True)),
            section("For machines", self._files()),
        ]

    def _notice(self) -> str:
        count = len(self._r.contradictions)
        if not count:
            return paragraph("Every journal was verified, and nothing in the record contradicts anything else in it.")
        words = f"The record contradicts itself, or has gaps, in {count} places: see the end of this page."
        return f'<div class="notice">{paragraph(words)}</div>'

    def _files(self) -> str:
        names = ["register.json", "register.schema.json"]
        names += [f"{name}.csv" for name in _tables()]
        items = "".join(f"<li>{link(name, name).markup}</li>" for name in names)
        return f"<p>Each CSV has its description (CSV on the Web) beside it.</p><ul>{items}</ul>"

    def _agreements(self) -> list[str]:
        rows = [
            (
                self._to_agreement(a.agreement, ""),
                a.title,
                a.purpose,
                f"{a.gateway}; {a.gateway_detail}".strip("; "),
                ", ".join(a.parties),
                _day(a.starts),
                _day(a.ends),
                a.state,
                a.budget,
            )
            for a in self._r.agreements
        ]
        headings = ("Agreement", "Title", "Purpose", "Legal gateway", "Parties", "From", "Until", "State", "Budget")
        return [table("All agreements", headings, rows)]

    def _datasets(self) -> list[str]:
        rows = [
            (
                self._to_dataset(d.name, ""),
                d.title,
                joined([self._to_member(host, "") for host in d.hosts]),
                sum(row.name == d.name for row in self._ever("dataset") for _ in range(row.charges)),
                d.about,
            )
            for d in self._catalogue.datasets
        ]
        members = [
            (self._to_member(j.member, ""), ", ".join(j.roles), j.state, j.size, j.newest) for j in self._r.journals
        ]
        return [
            table("Datasets", ("Dataset", "Title", "Held by", "Charges", "About"), rows, (3,)),
            table("Members and their journals", ("Member", "Is", "Journal", "Entries", "Newest entry"), members, (3,)),
            section("What one person can have lost", _persons(self._r.persons), paragraph(NEW_PERIOD)),
        ]

    def _ever(self, scope: str) -> list[AccountRow]:
        return [row for row in self._r.accounts if row.scope == scope and not row.period_days]

    # -- one of each

    def _request(self, q: RequestRow) -> list[str]:
        up = "../../"
        said: list[tuple[str, Cell]] = [
            ("Asked by", f"{q.analyst} of {q.body}"),
            ("Purpose, in the analyst's words", q.purpose or "none given"),
            ("Agreement", joined([self._to_agreement(q.agreement, up)])),
            ("Legal gateway", q.gateway),
            ("Datasets", joined([self._to_dataset(name, up) for name in q.datasets])),
            ("Columns it depends on", ", ".join(q.columns)),
            ("State", q.state + (f", for {', '.join(q.waiting_for)}" if q.waiting_for else "")),
            ("Refused because", " ".join(filter(None, (q.code, q.reason)))),
            ("Signed", q.asked),
            ("May be answered until", q.expires),
            ("Agreement ends", q.agreement_ends),
            ("Answers", f"{q.runs}, each with at most {q.most_attempts} attempts"),
            ("Price of one attempt at each node", q.price),
            ("Id", q.request),
            ("Plan", q.plan),
        ]
        decisions = [
            (d.by, d.node, d.decision, d.decided, d.until, d.reason)
            for d in self._r.decisions
            if d.request == q.request
        ]
        entries = [
            (joined([self._to_member(e.member, up)]), e.position, e.at, e.kind, e.code or e.detail)
            for e in self._r.entries
            if e.request == q.request
        ]
        headings = ("Decided by", "For", "Decision", "On", "Until", "Reason")
        return [
            facts(said),
            section("What the nodes compute", preformatted(q.english or NOT_SHOWN)),
            section("The same as SQL, before noise", preformatted(q.sql or NOT_SHOWN)),
            section("Decisions", table("Decisions about this request", headings, decisions)),
            section("Charges", self._charges(lambda row: row.request == q.request, up)),
            section("Publications", self._publications(lambda row: row.request == q.request, up)),
            section("Shared with", self._shares(q.request)),
            section("Contradictions", self._contradictions(up, lambda row: row.request == q.request)),
            section("Journal entries", table("Entries", ("Member", "Entry", "At", "What", "Said"), entries, (1,))),
            paragraph("For machines: ro-crate-metadata.json beside this page (Five Safes RO-Crate)."),
        ]

    def _agreement(self, a: AgreementRow) -> list[str]:
        paper = self._papers.get(a.agreement)
        lines: list[tuple[str, Cell]] = [("State", a.state)]
        if a.revoked:
            lines.append(("Revoked", f"on {a.revoked} by {a.revoked_by}: {a.revoked_reason}"))
        lines += [(h[:1].upper() + h[1:], said) for h, said in (agreement_lines(paper) if paper else ())]
        requests = [
            (self._to_request(q.request, "../"), _day(q.asked), q.analyst, q.purpose, q.state)
            for q in self._r.requests
            if q.agreement == a.agreement
        ]
        own = [row for row in self._r.accounts if (row.scope, row.name) == ("agreement", a.name)]
        return [
            facts([*lines, ("Digest", a.agreement)]),
            section("What it has cost", self._accounts("All editions of this name together", own, "../")),
            section("Requests", table("Requests under it", ("Request", "Asked", "Who", "Why", "State"), requests)),
        ]

    def _dataset(self, d: Dataset) -> list[str]:
        own = [row for row in self._r.accounts if (row.scope, row.name) == ("dataset", d.name)]
        wider = [row for row in self._r.accounts if (row.scope, row.name) == ("identifier", d.person.identifier)]
        caps = [
            [r.cap_rho_billionths for r in rows if not r.period_days and r.cap_rho_billionths] for rows in (own, wider)
        ]
        cap = min(
            caps[0] or caps[1], default=None
        )  # without one of its own it is under that of all its persons' datasets
        return [
            paragraph(d.title),
            paragraph(d.about),
            facts(
                [
                    ("Held by", joined([self._to_member(host, "../") for host in d.hosts])),
                    ("A person is named by", d.person.identifier),
                    ("Columns", ", ".join(column.name for column in d.columns)),
                ]
            ),
            section("Loss over time", *self._drawing(d.name, cap)),
            section("Loss of this dataset", self._accounts("By node", own, "../")),
            section(
                "Loss over all datasets that can hold the same persons",
                self._accounts(f"Datasets whose persons are named by {d.person.identifier}, by node", wider, "../"),
                _persons([p for p in self._r.persons if p.identifier == d.person.identifier]),
                paragraph(NEW_PERIOD),
            ),
            section("Charges", self._charges(lambda row: d.name in row.datasets, "../")),
        ]

    def _drawing(self, name: str, cap: int | None) -> list[str]:
        found: dict[str, list[tuple[int, int]]] = {}
        charged = [row for row in self._r.charges if name in row.datasets]
        for row in charged:
            found.setdefault(row.node, []).append((_order(row.at), row.rho_billionths))
        lines = [Line(node, tuple(sorted(charges))) for node, charges in sorted(found.items())]
        days = (_day(min((row.at for row in charged), default="")), _day(max((row.at for row in charged), default="")))
        drawn = chart("loss", f"Loss of {name} over time, node by node", lines, cap, days)
        return [drawn or paragraph("Nothing has been charged yet.")]

    def _member(self, name: str) -> list[str]:
        (row,) = (row for row in self._r.journals if row.member == name)
        own = [account for account in self._r.accounts if account.node == name]
        said: list[tuple[str, Cell]] = [
            ("Is", ", ".join(row.roles)),
            ("Journal", " ".join(filter(None, (row.state, row.code)))),
            ("Entries", row.size),
            ("Root", row.root),
            ("Newest entry", row.newest),
        ]
        return [
            facts(said),
            section("Pauses", self._pauses(lambda pause: pause.node == name, "../")),
            section("Accounts", self._accounts("What it has charged", own, "../"), paragraph(NEW_PERIOD)),
            section("Contradictions", self._contradictions("../", lambda found: found.member == name)),
            section("Charges", self._charges(lambda charge: charge.node == name, "../")),
        ]

    # -- parts

    def _accounts(self, caption: str, rows: list[AccountRow], up: str) -> str:
        shown = [
            (
                joined([self._to_member(row.node, up)]),
                f"{row.scope} {row.name}",
                f"this period of {row.period_days} days, until {_day(row.period_ends)}" if row.period_days else "ever",
                row.charges,
                row.spent,
                row.rho_billionths,
                row.cap_rho_billionths if row.cap_rho_billionths is not None else "no cap",
                _left(row),
            )
            for row in rows
        ]
        headings = ("Node", "Account", "Span", "Charges", "Spent", "rho in 1e-9", "Cap in 1e-9", "Left")
        return table(caption, headings, shown, (3, 5, 6, 7))

    def _charges(self, wanted: Callable[..., bool], up: str) -> str:
        rows = [
            (
                row.at,
                joined([self._to_member(row.node, up)]),
                joined([self._to_request(row.request, up)]),
                ", ".join(row.datasets),
                loss_words(Loss(row.rho_billionths, row.delta_quintillionths)),
                row.rho_billionths,
                " ".join(filter(None, (row.outcome, row.code))),
            )
            for row in self._r.charges
            if wanted(row)
        ]
        headings = ("At", "Node", "Request", "Datasets", "Loss", "rho in 1e-9", "Outcome")
        return table("Charges in the journals of nodes", headings, rows, (5,))

    def _publications(self, wanted: Callable[..., bool], up: str) -> str:
        rows = [
            (
                row.title,
                _day(row.published),
                row.analyst,
                joined([self._to_request(row.request, up)]),
                link(f"{up}{row.file}", "table") if row.file else "not in this register",
                row.table,
            )
            for row in self._r.publications
            if wanted(row)
        ]
        headings = ("Title", "Published", "By", "Request", "Table", "SHA-256 of the table")
        return table("Releases that were published", headings, rows)

    def _shares(self, request: str) -> str:
        rows = [(row.reader, row.analyst, row.at) for row in self._r.shares if row.request == request]
        return table("Analysts it was shared with", ("Reader", "By", "At"), rows)

    def _pauses(self, wanted: Callable[..., bool], up: str) -> str:
        rows = [
            (
                joined([self._to_member(row.node, up)]),
                "paused" if row.paused else "goes on",
                row.decided,
                row.by,
                row.reason,
                "yes" if row.holds else "no",
            )
            for row in self._r.pauses
            if wanted(row)
        ]
        return table("Nodes stopped, or let go on", ("Node", "Decision", "Since", "By", "Reason", "Holds"), rows)

    def _contradictions(self, up: str, wanted: Callable[..., bool]) -> str:
        rows = [
            (row.kind, joined([self._to_member(row.member, up)]), joined([self._to_request(row.request, up)]),
             row.subject[:12], row.says)
            for row in self._r.contradictions
            if wanted(row)
        ]  # fmt: skip
        return table("What does not fit together", ("Kind", "Member", "Request", "About", "What is said"), rows)


def _persons(rows: tuple[PersonRow, ...] | list[PersonRow]) -> str:
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


def _left(row: AccountRow) -> Cell:
    """In per cent of the cap; below 0 where it was exceeded."""
    if not row.cap_rho_billionths:
        return ""
    return f"{100 * (row.cap_rho_billionths - row.rho_billionths) / row.cap_rho_billionths:.1f} %"


def _tables() -> Iterator[str]:
    from dataclasses import fields

    return (f.name for f in fields(Register) if f.name not in ("federation", "epoch", "made"))


def _day(time: str) -> str:
    return time[:10]


def _order(time: str) -> int:
    """Seconds, for a drawing."""
    from datetime import datetime

    return int(datetime.fromisoformat(time).timestamp()) if time else 0
