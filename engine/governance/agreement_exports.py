"""An agreement in the forms that offices ask for, filled in as far as the signed record says; people write the rest.

``ico``: headings of the ICO's data sharing code. ``dpia``: a screening along the ICO's seven steps. ``der``: an entry
of the Digital Economy Act register.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.governance.agreement_text import agreement_lines
from engine.governance.document import TO_FILL, Document, Section
from engine.trusted.records import Agreement, FederationManifest
from engine.trusted.wire import digest, encode

_HOW = (
    "No record leaves the department that holds it. A question is computed inside each department; what leaves it are"
    " masked sums with noise, which nobody can read alone. The analyst sees statistics that are differentially private."
)
_NOISE = "The loss of privacy of one person over all questions is bounded at each node, by the node itself."


def ico(agreement: Agreement, manifest: FederationManifest) -> Document:
    """The agreement under the headings of the data sharing code, with the decision form at its end."""
    said = dict(agreement_lines(agreement))
    datasets = _datasets(agreement, manifest)
    columns = tuple((h, said[h]) for h in said if h.startswith("columns of "))
    return Document(
        f"Data sharing agreement: {agreement.title}",
        _identity(agreement),
        (
            Section("Parties to the agreement", (), _rows(said, "parties", "contacts", "controllers", "who may ask")),
            Section("Purpose of the data sharing", (), _rows(said, "purpose", "why it is necessary", "benefits")),
            Section("Data items to be shared", (_HOW,), (*datasets, *columns, *_rows(said, "operations"))),
            Section(
                "Lawful basis and legal power", (), _rows(said, "lawful basis", "legal gateway", "act and section")
            ),
            Section("Special category and criminal offence data", (said["special category or criminal data"],)),
            Section(
                "Access and individual rights", (), _rows(said, "rights of persons", "what persons were told or asked")
            ),
            Section(
                "Information governance",
                (_NOISE,),
                _rows(said, "security", "budget at each node", "most that one attempt costs", "kept for", "at the end"),
            ),
            Section(
                "Data protection impact assessment",
                (),
                _rows(said, "impact assessment", "view of data protection officers"),
            ),
            Section("Period and review", (), (*_rows(said, "in force"), ("review", TO_FILL))),
            Section("Decision", (), (*_rows(said, "decided by"), ("reasons", said["why it is necessary"]))),
        ),
    )


def dpia(agreement: Agreement, manifest: FederationManifest) -> Document:
    """A screening along the seven steps of an impact assessment: 2, 4, 5 and 6 from the record, the rest for people."""
    said = dict(agreement_lines(agreement))
    hosts = {h for s in agreement.scope if (d := manifest.catalogue.dataset(s.dataset)) for h in d.hosts}
    shown = (*_datasets(agreement, manifest), *((h, said[h]) for h in said if h.startswith("columns of ")))
    return Document(
        f"Impact assessment, screening: {agreement.title}",
        _identity(agreement),
        (
            Section("Step 1: identify the need", (said["purpose"], TO_FILL)),
            Section(
                "Step 2: describe the processing",
                (_HOW,),
                (*shown, ("nodes", ", ".join(sorted(hosts))), *_rows(said, "operations", "in force", "kept for")),
            ),
            Section("Step 3: consultation", (said["view of data protection officers"], TO_FILL)),
            Section(
                "Step 4: necessity and proportionality",
                (),
                _rows(said, "why it is necessary", "lawful basis", "legal gateway", "rights of persons"),
            ),
            Section("Step 5: risks", (), _RISKS),
            Section("Step 6: measures", (_NOISE,), (*_rows(said, "budget at each node", "security"), *_MEASURES)),
            Section(
                "Step 7: sign off",
                (),
                (*_rows(said, "impact assessment", "decided by"), ("residual risk accepted by", TO_FILL)),
            ),
        ),
    )


_RISKS = (
    ("An answer tells something about one person", "Bounded by the budget above, whatever else is known."),
    ("Answers are combined over time", "Loss adds up in every account; a new period does not undo old loss."),
    ("The coordinator or a helper is curious", "It sees masked integers; one honest helper is enough."),
    ("A question is asked for another purpose", "Each request names its purpose and agreement, and is journalled."),
    ("A department's own staff", "Outside this system: " + TO_FILL),
)
_MEASURES = (
    ("minimum necessary", "Nodes refuse columns and operations that the agreement does not name."),
    ("stop switch", "A guardian can pause its node and revoke the agreement at once."),
    ("record", "Every decision of a node stands in an append-only journal that others witness."),
)


def der(agreement: Agreement, manifest: FederationManifest) -> Document:
    """An entry of the register of information sharing agreements under the Digital Economy Act 2017."""
    said = dict(agreement_lines(agreement))
    rows = (
        ("Name of the agreement", agreement.title),
        *_rows(said, "parties", "legal gateway", "act and section"),
        ("Why the information is shared", f"{agreement.purpose} {agreement.necessity}"),
        *_rows(said, "benefits"),
        ("What information is shared", "; ".join(f"{h}: {t}" for h, t in _datasets(agreement, manifest))),
        ("How it is shared", _HOW),
        *_rows(said, "in force", "kept for", "security"),
        ("Contact", said["contacts"]),
        ("Agreement reference", f"{agreement.name}, edition {agreement.edition}"),
    )
    return Document(f"Register entry: {agreement.title}", _identity(agreement), (Section("Entry", (), rows),))


FORMS: dict[str, Callable[[Agreement, FederationManifest], Document]] = {"ico": ico, "dpia": dpia, "der": der}


def _identity(agreement: Agreement) -> str:
    mark = digest(encode(agreement)).hex()
    name = f"{agreement.name}, edition {agreement.edition}, of the federation {agreement.federation}"
    return f"Agreement {name}. What is signed is the record with the digest {mark}; this page is made from it."


def _datasets(agreement: Agreement, manifest: FederationManifest) -> tuple[tuple[str, str], ...]:
    found = [d for s in agreement.scope if (d := manifest.catalogue.dataset(s.dataset))]
    return tuple((d.title, f"{d.about or TO_FILL} Held by {', '.join(d.hosts)}.") for d in found)


def _rows(said: dict[str, str], *headings: str) -> tuple[tuple[str, str], ...]:
    return tuple((heading, said[heading].replace("not stated", TO_FILL)) for heading in headings)
