"""The register for people: one page of requests, of agreements and of datasets; one page a request, an agreement, a
dataset and a node. Each is made from the rows of one register, so pages and tables cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime

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
from engine.governance.register.parts import Parts, day, persons_table, place, request_place
from engine.governance.register.rows import (
    AccountRow,
    AgreementRow,
    Register,
    RequestRow,
)
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.records import Agreement

NOISE = (
    "Answers carry random noise, so that nobody can tell from them whether any one person is counted. Each answer"
    " costs some of a fixed privacy budget; what it cost is written down by every node itself."
)
NOT_SHOWN = "This version cannot describe the plan; its digest is above."


class Pages(Parts):
    """The pages of one register. ``papers``: its agreements in full, by digest in hex."""

    def __init__(self, register: Register, catalogue: Catalogue, papers: dict[str, Agreement]) -> None:
        super().__init__(register, catalogue)
        self._papers = papers

    def all(self) -> Iterator[tuple[str, bytes]]:
        """(place, bytes) of each page."""
        for place_, title, body, up in self.bodies():
            yield place_, page(title, self.register.federation, self.register.made, body, up)

    def bodies(self) -> Iterator[tuple[str, str, list[str], str]]:
        """(place, title, body, way to the first page) of each page; a body is markup in which every text is escaped."""
        r = self.register
        yield "index.html", "Requests", self._index(), ""
        yield "agreements.html", "Agreements", self._agreements(), ""
        yield "datasets.html", "Datasets and nodes", self._datasets(), ""
        for request in r.requests:
            yield request_place(request.request), f"Request {request.request[:12]}", self._request(request), "../../"
        for agreement in r.agreements:
            title = f"Agreement {agreement.name}, edition {agreement.edition}"
            yield place("agreements", agreement.agreement), title, self._agreement(agreement), "../"
        for dataset in self.catalogue.datasets:
            yield place("datasets", dataset.name), f"Dataset {dataset.name}", self._dataset(dataset), "../"
        for row in r.journals:
            yield place("nodes", row.member), f"Member {row.member}", self._member(row.member), "../"

    # -- first pages

    def _index(self) -> list[str]:
        r = self.register
        rows = [
            (
                link(request_place(q.request), q.request[:12]),
                day(q.asked),
                f"{q.analyst}, {q.body}",
                q.purpose or "none given",
                joined([self.to_agreement(q.agreement, "")]),
                q.gateway,
                joined([self.to_dataset(name, "") for name in q.datasets]),
                q.state,
                q.price,
                day(min(filter(None, (q.expires, q.agreement_ends)), default="")),
            )
            for q in r.requests
        ]
        headings = ("Request", "Asked", "Who", "Why", "Agreement", "Legal gateway", "Datasets", "State", "Price")
        return [
            paragraph(NOISE),
            self._notice(),
            section("Requests", table("All requests, newest first", (*headings, "Ends"), rows)),
            section("What one person can have lost", persons_table(r.persons), paragraph(NEW_PERIOD)),
            section("Publications", self.publications(r.publications, "")),
            section("Pauses", self.pauses(r.pauses, "")),
            section("Contradictions in the record", self.contradictions(r.contradictions, "")),
            section("For machines", self._files()),
        ]

    def _notice(self) -> str:
        count = len(self.register.contradictions)
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
                self.to_agreement(a.agreement, ""),
                a.title,
                a.purpose,
                f"{a.gateway}; {a.gateway_detail}".strip("; "),
                ", ".join(a.parties),
                day(a.starts),
                day(a.ends),
                a.state,
                a.budget,
            )
            for a in self.register.agreements
        ]
        headings = ("Agreement", "Title", "Purpose", "Legal gateway", "Parties", "From", "Until", "State", "Budget")
        return [table("All agreements", headings, rows)]

    def _datasets(self) -> list[str]:
        rows = [
            (
                self.to_dataset(d.name, ""),
                d.title,
                joined([self.to_member(host, "") for host in d.hosts]),
                sum(row.name == d.name for row in self._ever("dataset") for _ in range(row.charges)),
                d.about,
            )
            for d in self.catalogue.datasets
        ]
        members = [
            (self.to_member(j.member, ""), ", ".join(j.roles), j.state, j.size, j.newest)
            for j in self.register.journals
        ]
        return [
            table("Datasets", ("Dataset", "Title", "Held by", "Charges", "About"), rows, (3,)),
            table("Members and their journals", ("Member", "Is", "Journal", "Entries", "Newest entry"), members, (3,)),
            section("What one person can have lost", persons_table(self.register.persons), paragraph(NEW_PERIOD)),
        ]

    def _ever(self, scope: str) -> list[AccountRow]:
        return [row for row in self.register.accounts if row.scope == scope and not row.period_days]

    # -- one of each

    def _request(self, q: RequestRow) -> list[str]:
        up = "../../"
        said: list[tuple[str, Cell]] = [
            ("Asked by", f"{q.analyst} of {q.body}"),
            ("Purpose, in the analyst's words", q.purpose or "none given"),
            ("Agreement", joined([self.to_agreement(q.agreement, up)])),
            ("Legal gateway", q.gateway),
            ("Datasets", joined([self.to_dataset(name, up) for name in q.datasets])),
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
            for d in self.register.decisions
            if d.request == q.request
        ]
        entries = [
            (joined([self.to_member(e.member, up)]), e.position, e.at, e.kind, e.code or e.detail)
            for e in self.of.entries[q.request]
        ]
        headings = ("Decided by", "For", "Decision", "On", "Until", "Reason")
        return [
            facts(said),
            section("What the nodes compute", preformatted(q.english or NOT_SHOWN)),
            section("The same as SQL, before noise", preformatted(q.sql or NOT_SHOWN)),
            section("Decisions", table("Decisions about this request", headings, decisions)),
            section("Charges", self.charges(self.of.charges[q.request], up)),
            section("Publications", self.publications(self.of.publications[q.request], up)),
            section("Shared with", self.shares(q.request)),
            section("Contradictions", self.contradictions(self.of.contradictions[q.request], up)),
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
            (self.to_request(q.request, "../"), day(q.asked), q.analyst, q.purpose, q.state)
            for q in self.register.requests
            if q.agreement == a.agreement
        ]
        own = [row for row in self.register.accounts if (row.scope, row.name) == ("agreement", a.name)]
        return [
            facts([*lines, ("Digest", a.agreement)]),
            section("What it has cost", self.accounts("All editions of this name together", own, "../")),
            section("Requests", table("Requests under it", ("Request", "Asked", "Who", "Why", "State"), requests)),
        ]

    def _dataset(self, d: Dataset) -> list[str]:
        own = [row for row in self.register.accounts if (row.scope, row.name) == ("dataset", d.name)]
        wider = [row for row in self.register.accounts if (row.scope, row.name) == ("identifier", d.person.identifier)]
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
                    ("Held by", joined([self.to_member(host, "../") for host in d.hosts])),
                    ("A person is named by", d.person.identifier),
                    ("Columns", ", ".join(column.name for column in d.columns)),
                ]
            ),
            section("Quality card", *self.card(d.name, "../")),
            section("Loss over time", *self._drawing(d.name, cap)),
            section("Loss of this dataset", self.accounts("By node", own, "../")),
            section(
                "Loss over all datasets that can hold the same persons",
                self.accounts(f"Datasets whose persons are named by {d.person.identifier}, by node", wider, "../"),
                persons_table([p for p in self.register.persons if p.identifier == d.person.identifier]),
                paragraph(NEW_PERIOD),
            ),
            section("Charges", self.charges([row for row in self.register.charges if d.name in row.datasets], "../")),
        ]

    def _drawing(self, name: str, cap: int | None) -> list[str]:
        found: dict[str, list[tuple[int, int]]] = {}
        charged = [row for row in self.register.charges if name in row.datasets]
        for row in charged:
            found.setdefault(row.node, []).append((_order(row.at), row.rho_billionths))
        lines = [Line(node, tuple(sorted(charges))) for node, charges in sorted(found.items())]
        days = (day(min((row.at for row in charged), default="")), day(max((row.at for row in charged), default="")))
        drawn = chart("loss", f"Loss of {name} over time, node by node", lines, cap, days)
        return [drawn or paragraph("Nothing has been charged yet.")]

    def _member(self, name: str) -> list[str]:
        (row,) = (row for row in self.register.journals if row.member == name)
        own = [account for account in self.register.accounts if account.node == name]
        said: list[tuple[str, Cell]] = [
            ("Is", ", ".join(row.roles)),
            ("Journal", " ".join(filter(None, (row.state, row.code)))),
            ("Entries", row.size),
            ("Root", row.root),
            ("Newest entry", row.newest),
        ]
        return [
            facts(said),
            section("Pauses", self.pauses([row for row in self.register.pauses if row.node == name], "../")),
            section("Accounts", self.accounts("What it has charged", own, "../"), paragraph(NEW_PERIOD)),
            section(
                "Contradictions",
                self.contradictions([row for row in self.register.contradictions if row.member == name], "../"),
            ),
            section("Charges", self.charges([row for row in self.register.charges if row.node == name], "../")),
        ]


def _tables() -> Iterator[str]:
    return (f.name for f in fields(Register) if f.name not in ("federation", "epoch", "made"))


def _order(time: str) -> int:
    """Seconds, for a drawing."""
    return int(datetime.fromisoformat(time).timestamp()) if time else 0
