"""A draft for the Algorithmic Transparency Recording Standard: what the manifest says; people write the rest."""

from __future__ import annotations

from engine.governance.budget import NEW_PERIOD, guarantee
from engine.governance.document import TO_FILL, Document, Section
from engine.governance.text import day, loss_words, nodes_words, rule_lines
from engine.trusted.records import FederationManifest, Role


def atrs(manifest: FederationManifest) -> Document:
    """Tier 1 and tier 2 of the record, under the standard's own headings."""
    bodies = ", ".join(dict.fromkeys(m.body for m in manifest.members))
    datasets = tuple(
        (d.title, f"{d.about or TO_FILL} Held by {', '.join(d.hosts)}.") for d in manifest.catalogue.datasets
    )
    return Document(
        f"Algorithmic transparency record (draft): {manifest.federation}",
        f"Made from the federation manifest of epoch {manifest.epoch}, issued {day(manifest.issued_ms)}.",
        (
            Section(
                "Tier 1: summary",
                (),
                (
                    ("Name", f"Splittally, federation {manifest.federation}"),
                    ("Description", _WHAT),
                    ("Website", TO_FILL),
                    ("Contact email", TO_FILL),
                ),
            ),
            Section(
                "Tier 2: owner and responsibility",
                (),
                (
                    ("Organisations", bodies),
                    ("Nodes", _names(manifest, Role.NODE)),
                    ("Coordinator", _names(manifest, Role.COORDINATOR)),
                    ("Senior responsible owner", TO_FILL),
                    ("External suppliers", TO_FILL),
                ),
            ),
            Section(
                "Tier 2: description and rationale",
                (_WHAT, _HOW),
                (
                    (
                        "Scope",
                        "Statistics over groups of people; it says nothing about one person and takes no decision.",
                    ),
                    ("Benefit", TO_FILL),
                    ("Previous process", TO_FILL),
                    ("Alternatives considered", TO_FILL),
                ),
            ),
            Section("Tier 2: deployment context", (), _DEPLOYMENT),
            Section("Tier 2: tool specification", (_HOW,), (("Phase", TO_FILL), *rule_lines(manifest.rules))),
            Section("Tier 2: data specification", (), datasets),
            Section(
                "Tier 2: risks, mitigations and impact assessments", (NEW_PERIOD,), (*_promises(manifest), *_RISKS)
            ),
        ),
    )


_WHAT = (
    "Analysts ask questions in SQL about data of several departments. Data stay where they are; answers are statistics"
    " with noise, so that they say almost nothing about any one person."
)
_HOW = (
    "Each department checks the question against its own rules, charges its own privacy budget, computes its part, adds"
    " noise and sends masked numbers. Nobody sees a department's part. No model is trained."
)
_DEPLOYMENT = (
    ("Part in decisions", "None by itself: people read statistics with error bars. " + TO_FILL),
    ("Human review", "Agreements are signed by people of each department; departments may approve each question."),
    ("Frequency and scale", TO_FILL),
    ("Training of staff", TO_FILL),
    ("Appeals and review", TO_FILL),
)
_RISKS = (
    ("Answers misread as exact", "Each figure has a 95 % interval; what was left out is said."),
    ("Impact assessment", TO_FILL),
)


def _promises(manifest: FederationManifest) -> tuple[tuple[str, str], ...]:
    return tuple(
        (
            f"Privacy loss of a person ({g.identifier})",
            f"At most {loss_words(g.lifetime)} for ever, over {nodes_words(g.nodes)}.",
        )
        for g in guarantee(manifest)
        if g.lifetime
    )


def _names(manifest: FederationManifest, role: Role) -> str:
    return ", ".join(f"{m.name} ({m.body})" for m in manifest.members if role in m.roles)
