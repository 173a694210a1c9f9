"""An agreement in English: one heading and one sentence a line, every field of it, for reading, signing, comparing."""

from __future__ import annotations

import textwrap

from engine.governance.letters import plain
from engine.governance.text import PLAN_DELTA, Line, day, loss_words
from engine.trusted.records import Agreement, SignedRecord
from engine.trusted.wire import decode, digest, encode

WIDTH = 100
GATEWAYS = {
    "PUBLIC_SERVICE_DELIVERY": "public service delivery (Digital Economy Act 2017, section 35)",
    "CIVIL_REGISTRATION": "civil registration (Digital Economy Act 2017, section 46)",
    "DEBT": "debt owed to the public sector (Digital Economy Act 2017, section 48)",
    "FRAUD": "fraud against the public sector (Digital Economy Act 2017, section 56)",
    "RESEARCH": "research (Digital Economy Act 2017, section 64)",
    "STATISTICS": "statistics (Statistics and Registration Service Act 2007, section 45A)",
    "OTHER_GATEWAY": "another power",
}
OPERATIONS = {
    "AGGREGATE": "counts, sums and averages",
    "QUANTILE": "medians and other quantiles",
    "KEY_SELECTION": "groups whose keys nobody has published",
    "PRIVATE_JOIN": "private joins of two departments, each approved by itself",
}


def agreement_lines(agreement: Agreement) -> tuple[Line, ...]:
    """Every field but name, edition and federation; a field left empty reads as not stated."""
    lines = (
        ("title", agreement.title),
        ("parties", ", ".join(agreement.parties)),
        ("contacts", agreement.contacts),
        ("controllers", agreement.controllers),
        ("who may ask", ", ".join(agreement.analysts)),
        ("purpose", agreement.purpose),
        ("why it is necessary", agreement.necessity),
        ("benefits", agreement.benefits),
        ("lawful basis", agreement.lawful_basis),
        ("special category or criminal data", agreement.special_category),
        ("legal gateway", GATEWAYS[agreement.legal_gateway.name]),
        ("act and section", agreement.legal_gateway_detail),
        *((f"columns of {scope.dataset}", ", ".join(scope.columns)) for scope in agreement.scope),
        ("operations", "; ".join(OPERATIONS[operation.name] for operation in agreement.operations)),
        ("impact assessment", f"{agreement.dpia_reference}: {agreement.dpia_outcome}".strip(": ")),
        ("view of data protection officers", agreement.dpo_view),
        ("what persons were told or asked", agreement.consent_basis),
        ("security", agreement.security),
        ("rights of persons", agreement.rights),
        ("budget at each node", loss_words(agreement.budget)),
        ("most that one attempt costs", loss_words(agreement.per_plan, PLAN_DELTA)),
        ("in force", f"from {day(agreement.from_ms)}, until {day(agreement.until_ms)}"),
        ("decided by", agreement.decided_by),
        ("at the end", agreement.end_clause),
        ("kept for", f"{agreement.retention_days} days after a request"),
    )
    return tuple((heading, sentence or "not stated") for heading, sentence in lines)


def plain_text(agreement: Agreement) -> str:
    """The whole agreement as plain text, with the digest that signatures are over; lines of at most 100 characters.

    No field can write a heading or a line of its own, nor anything that a terminal or page would act upon.
    """
    name, federation = plain(agreement.name), plain(agreement.federation)
    head = f"Agreement {name}, edition {agreement.edition}, of the federation {federation}"
    lines = [head, "=" * len(head)]
    for heading, sentence in agreement_lines(agreement):
        lines += [
            "",
            plain(f"{heading[0].upper()}{heading[1:]}"),
            *textwrap.wrap(plain(sentence), WIDTH, initial_indent="  ", subsequent_indent="  "),
        ]
    return "\n".join([*lines, "", f"Digest: {digest(encode(agreement)).hex()}"]) + "\n"


def agreement_of(record: SignedRecord) -> Agreement:
    """What a record says, whether or not it is signed by all."""
    agreement: Agreement = decode(Agreement, record.payload)
    return agreement
