"""One request as a Five Safes RO-Crate: RO-Crate 1.1 metadata in the terms of the Five Safes profile.

    safe project    the agreement (Project), with its policy as the instrument of every sign-off
    safe people     the analyst (Person) and the organisation
    safe data       the datasets, by their catalogue
    safe settings   each node's own check of the plan, and its charge
    safe outputs    the disclosure check: noise, for a stated epsilon and delta; files only if they were published

The phases of the profile are Actions: check (signatures and journals), validation (the plan against catalogue and
rules), sign-off (by guardians, and by nodes inside the agreement), the query itself, disclosure check, publication.
The profile also wants the workflow as a crate of its own; there is none, so conformance to it is not claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.governance.register.related import Related
from engine.governance.register.rows import AgreementRow, ChargeRow, PublicationRow, Register, RequestRow

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILE = "https://w3id.org/5s-crate/0.4"
PHASES = "https://w3id.org/shp#"
STATUS = "http://schema.org/"
NAME = "ro-crate-metadata.json"
Entity = dict[str, Any]
_ACTION_STATES = {
    "released": "CompletedActionStatus",
    "running": "ActiveActionStatus",
    "refused": "FailedActionStatus",
    "expired": "FailedActionStatus",
    "revoked": "FailedActionStatus",
}


def crate(register: Register, request: RequestRow, of: Related | None = None) -> dict[str, Any]:
    """The metadata file of one request's folder. ``of``: the register's rows by request, if they are at hand."""
    return {"@context": CONTEXT, "@graph": list(_Crate(register, request, of or Related(register)).graph())}


class _Crate:
    def __init__(self, register: Register, request: RequestRow, of: Related) -> None:
        self._r, self._q = register, request
        self._agreement = next((a for a in register.agreements if a.agreement == request.agreement), None)
        self._charges, self._published = of.charges[request.request], of.publications[request.request]
        self._decisions, self._faults = of.decisions[request.request], of.contradictions[request.request]
        self._analyst = f"#person-{request.analyst}"
        self._project = f"#project-{request.agreement[:16]}"
        self._policy = f"#agreement-{request.agreement[:16]}"
        self._federation = f"#federation-{register.federation}"

    def graph(self) -> Iterator[Entity]:
        files = [self._file(row) for row in self._published if row.file]
        phases = [*self._checks(), *self._sign_offs(), *self._disclosures(), *map(self._publication, self._published)]
        yield self._descriptor()
        yield self._root(phases, files)
        yield self._query(files)
        yield from phases
        yield from files
        yield self._plan()
        yield from self._people()
        yield from self._context()

    def _descriptor(self) -> Entity:
        return {
            "@id": NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        }

    def _root(self, phases: list[Entity], files: list[Entity]) -> Entity:
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": f"Request {self._q.request[:12]} of the federation {self._r.federation}",
            "description": self._q.purpose or "No purpose was given.",
            "identifier": self._q.request,
            "datePublished": self._r.made,
            "license": "As the publisher of this register states.",
            "publisher": {"@id": self._federation},
            "sourceOrganization": {"@id": self._project},
            "mainEntity": {"@id": "#plan"},
            "hasPart": [{"@id": "index.html"}, *({"@id": file["@id"]} for file in files)],
            "mentions": [{"@id": "#query"}, *({"@id": phase["@id"]} for phase in phases)],
        }

    def _query(self, files: list[Entity]) -> Entity:
        times = sorted(row.at for row in self._charges)
        found: Entity = {
            "@id": "#query",
            "@type": "CreateAction",
            "name": f"Query under the agreement {self._q.agreement_name}: {self._q.state}",
            "agent": {"@id": self._analyst},
            "instrument": {"@id": "#plan"},
            "object": [{"@id": f"#dataset-{name}"} for name in self._q.datasets],
            "actionStatus": STATUS + _ACTION_STATES.get(self._q.state, "PotentialActionStatus"),
        }
        found |= {"startTime": times[0]} if times else {}
        if self._q.state in _ACTION_STATES and self._q.state != "running":
            found["endTime"] = self._q.changed
        found |= {"error": " ".join(filter(None, (self._q.code, self._q.reason)))} if self._q.code else {}
        return found | ({"result": [{"@id": file["@id"]} for file in files]} if files else {})

    def _checks(self) -> Iterator[Entity]:
        said = "failed" if self._faults else "passed"
        yield self._assess(
            "#check",
            "CheckValue",
            f"Signatures, digests and journals of this request: {said}",
            self._r.made,
            "#register",
            not self._faults,
        )
        yield self._assess(
            "#validation",
            "ValidationCheck",
            "Plan against the signed catalogue and rules: " + ("allowed" if self._q.english else "not allowed now"),
            self._r.made,
            "#register",
            bool(self._q.english),
        )

    def _sign_offs(self) -> Iterator[Entity]:
        for place, row in enumerate(self._decisions, 1):
            whose = f" for {row.node}" if row.node else ""
            reason = f": {row.reason}" if row.reason else ""
            name = f"Sign-off by {row.by}{whose}: {row.decision}{reason}"
            agent = f"#person-{row.by}"
            yield self._assess(f"#signoff-{place}", "SignOff", name, row.decided, agent, row.decision == "approved")
        for node in sorted({row.node for row in self._charges}):
            first = min(row.at for row in self._charges if row.node == node)
            name = f"Sign-off by the node {node}, which checked plan, agreement and budget itself: approved"
            yield self._assess(f"#signoff-node-{node}", "SignOff", name, first, f"#node-{node}", True)

    def _disclosures(self) -> Iterator[Entity]:
        for place, row in enumerate(self._charges, 1):
            name = f"Disclosure check at {row.node}: noise for differential privacy, {self._cost(row)}: {row.outcome}"
            done = {"replied": True, "refused": False}.get(row.outcome)
            found = self._assess(f"#disclosure-{place}", "DisclosureCheck", name, row.at, f"#node-{row.node}", done)
            yield found | {"identifier": row.round}

    def _cost(self, row: ChargeRow) -> str:
        return f"rho {row.rho_billionths}e-9, delta {row.delta_quintillionths}e-18 (an attempt of {self._q.price})"

    def _assess(self, place: str, phase: str, name: str, at: str, agent: str, done: bool | None) -> Entity:
        status = {True: "CompletedActionStatus", False: "FailedActionStatus", None: "PotentialActionStatus"}[done]
        found: Entity = {
            "@id": place,
            "@type": "AssessAction",
            "additionalType": {"@id": PHASES + phase},
            "name": name,
            "object": [{"@id": "./"}, {"@id": "#plan"}, {"@id": self._project}],
            "instrument": {"@id": self._policy},
            "agent": {"@id": agent},
            "actionStatus": STATUS + status,
        }
        return found | ({"endTime": at} if at and done is not None else {})

    def _publication(self, row: PublicationRow) -> Entity:
        found = {
            "@id": f"#publication-{row.record[:16]}",
            "@type": "UpdateAction",
            "name": f"Published: {row.title}",
            "agent": {"@id": self._analyst},
            "object": {"@id": "./"},
            "endTime": row.published,
            "actionStatus": STATUS + "CompletedActionStatus",
        }
        return found | ({"result": {"@id": _beside(row)}} if row.file else {})

    def _file(self, row: PublicationRow) -> Entity:
        return {
            "@id": _beside(row),
            "@type": "File",
            "name": row.title,
            "encodingFormat": "text/csv",
            "sha256": row.table,
            "datePublished": row.published,
        }

    def _plan(self) -> Entity:
        return {
            "@id": "#plan",
            "@type": "SoftwareSourceCode",
            "name": "The plan that the nodes ran",
            "description": self._q.english,
            "text": self._q.sql,
            "programmingLanguage": "SQL",
            "identifier": self._q.plan,
        }

    def _people(self) -> Iterator[Entity]:
        body = f"#body-{self._q.body}"
        yield {
            "@id": self._analyst,
            "@type": "Person",
            "name": self._q.analyst,
            "affiliation": {"@id": body},
            "memberOf": {"@id": self._project},
        }
        yield {"@id": body, "@type": "Organization", "name": self._q.body}
        for name in sorted({row.by for row in self._decisions} - {self._q.analyst}):
            yield {"@id": f"#person-{name}", "@type": "Person", "name": name}
        for node in sorted({row.node for row in self._charges}):
            yield {
                "@id": f"#node-{node}",
                "@type": "SoftwareApplication",
                "name": f"Node {node}",
                "provider": {"@id": self._federation},
            }
        yield {
            "@id": "#register",
            "@type": "SoftwareApplication",
            "name": "Register of the federation",
            "provider": {"@id": self._federation},
        }

    def _context(self) -> Iterator[Entity]:
        agreement = self._agreement
        yield {"@id": self._federation, "@type": "Organization", "name": self._r.federation}
        yield {
            "@id": self._project,
            "@type": "Project",
            "name": agreement.title if agreement else self._q.agreement[:12],
            "identifier": self._q.agreement_name,
            "description": agreement.purpose if agreement else "",
        }
        yield self._policy_of(agreement)
        for name in self._q.datasets:
            yield {"@id": f"#dataset-{name}", "@type": "Dataset", "name": name}
        yield {"@id": "index.html", "@type": "File", "name": "This request, for people", "encodingFormat": "text/html"}

    def _policy_of(self, agreement: AgreementRow | None) -> Entity:
        said = f"edition {agreement.edition}, {agreement.state}, until {agreement.ends}" if agreement else "not at hand"
        return {
            "@id": self._policy,
            "@type": "CreativeWork",
            "name": f"Agreement {self._q.agreement_name}, {said}",
            "description": f"{self._q.gateway}. {agreement.gateway_detail}" if agreement else "",
            "identifier": self._q.agreement,
            "isBasedOn": PROFILE,
        }


def _beside(row: PublicationRow) -> str:
    """The published table, in the request's own folder."""
    return row.file.rpartition("/")[2]
