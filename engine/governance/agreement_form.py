"""The agreement as people write it: one table of fields that reads the YAML and gives its JSON Schema and template.

The fields are those that the ICO's data sharing code wants in an agreement and those of the Digital Economy Act
register. What an agreement would be incomplete without is required.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from engine.catalogue import written
from engine.catalogue.entry import Entry, read_yaml
from engine.catalogue.written import Field
from engine.errors import BadFile
from engine.governance.rules import EXAMPLE_LOSS, LOSS, midnight_ms
from engine.trusted.account import within
from engine.trusted.epsilon import allowance, loss_for
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    DatasetScope,
    FederationManifest,
    LegalGateway,
    Loss,
    Operation,
    Role,
)

GATEWAYS = {gateway.name.lower().removesuffix("_gateway"): gateway for gateway in LegalGateway}
OPERATIONS = {operation.name.lower(): operation for operation in Operation}
ABOUT = "A data sharing agreement of a federation: who may ask what of whose data, why, under which law, at what cost."
_COLUMNS = written.several(written.name("a column"), "Write `dataset: [COLUMN, ...]`.")
_DPIA = (
    Field("reference", written.words("a reference"), "Where the assessment is kept.", "DPIA-7"),
    Field("outcome", written.words("the outcome"), "What it came to.", "low residual risk"),
)


def _text(key: str, about: str, example: str, required: bool = True) -> Field:
    return Field(key, written.words(f"the {key.replace('_', ' ')}"), about, example, required)


FIELDS = (
    Field("agreement", written.member("the agreement's name"), "Its name; editions share it.", "ages-by-region"),
    Field("edition", written.whole(1, "the number of the edition"), "From 1; each amendment adds one.", "1", False),
    _text("title", "What it is about, in a few words.", "Ages by region"),
    Field(
        "parties",
        written.several(written.words("a body"), "Write `parties: [BODY, ...]`."),
        "Bodies that share or receive, as the federation names them.",
        "[north council, south council, university]",
    ),
    _text(
        "contacts", "A contact of each party, and its data protection officer.", "dpo@north.example; dpo@south.example"
    ),
    _text("controllers", "Joint or separate controllers, and who answers for what.", "Separate controllers."),
    Field(
        "analysts",
        written.several(written.member("an analyst"), "Write `analysts: [NAME, ...]`."),
        "Members who may ask.",
        "[ann]",
    ),
    _text("purpose", "What the figures are for.", "To plan school places."),
    _text("necessity", "Why this is needed, and why nothing less would do.", "No published table has ages by region."),
    _text("benefits", "Whom it helps, and how.", "Places where children live.", False),
    _text("lawful_basis", "Of each party, under UK GDPR Article 6.", "Public task, Article 6(1)(e)."),
    _text("special_category", "Condition for special category or criminal data, or that there is none.", "None."),
    Field("legal_gateway", written.one_of(tuple(GATEWAYS)), "The power to share.", "research"),
    _text("legal_gateway_detail", "Act and section.", "Digital Economy Act 2017, section 64"),
    Field(
        "scope",
        written.keyed(_COLUMNS, written.NAME, "Write `scope:` and below it one `dataset: [column, ...]` a line."),
        "Datasets and the columns that may be used: the least that does.",
        "\n  people: [region, age]",
    ),
    Field(
        "operations",
        written.several(written.one_of(tuple(OPERATIONS)), "Write `operations: [aggregate, ...]`."),
        f"What may be done with them: {', '.join(OPERATIONS)}.",
        "[aggregate, quantile]",
    ),
    Field(
        "dpia",
        written.group(_DPIA, "Write its fields."),
        "Data protection impact assessment.",
        "{reference: DPIA-7, outcome: low residual risk}",
    ),
    _text("dpo_view", "What the data protection officers said.", "Content, with the end date below.", False),
    _text(
        "consent_basis",
        "What persons were told or asked; the opt-out that nodes apply.",
        "National opt-out applies.",
        False,
    ),
    _text("security", "How data and answers are protected.", "Data stay in place; answers are differentially private."),
    _text("rights", "How persons use their rights, and whom they ask.", "Through each party's privacy notice."),
    Field("budget", LOSS, "Most privacy loss of all questions together, at each node.", EXAMPLE_LOSS),
    Field("per_plan", LOSS, "Most that one attempt may cost.", "{epsilon: 1, delta: 1e-9}"),
    Field("from", written.day("a date such as 2026-12-31"), "First day.", "2026-01-01"),
    Field("until", written.day("a date such as 2026-12-31"), "The day it ends.", "2027-01-01"),
    _text("decided_by", "Who decided to share: name and position.", "A. Officer, director of data"),
    _text(
        "end_clause", "What becomes of answers when it ends.", "Released answers may be kept; nothing more is answered."
    ),
    Field(
        "retention_days",
        written.whole(0, "a number of days"),
        "Days after a request that its text, replies and answer are kept.",
        "365",
    ),
)


def schema() -> dict[str, Any]:
    return written.schema("Agreement", ABOUT, FIELDS)


def draft(manifest: FederationManifest | None) -> str:
    """A file to be filled in; with a manifest, its bodies, analysts, datasets and columns stand there already."""
    fields = FIELDS if manifest is None else tuple(_known(field, manifest) for field in FIELDS)
    head = f"{ABOUT}\nThen: splittally agreement sign FILE --home DIR, by a policy officer and each hosting guardian."
    return written.template(head, fields)


def _known(field: Field, manifest: FederationManifest) -> Field:
    examples = {
        "parties": f"[{', '.join(bodies(manifest))}]",
        "analysts": f"[{', '.join(analysts(manifest))}]",
        "scope": "".join(
            f"\n  {d.name}: [{', '.join(c.name for c in d.columns)}]" for d in manifest.catalogue.datasets
        ),
    }
    example = examples.get(field.key, field.example)
    return Field(field.key, field.kind, field.about, example, field.required)


def load_agreement(path: Path, manifest: FederationManifest) -> Agreement:
    """The agreement written in a YAML file; raises BadFile FILE_MISSING or FILE_AGREEMENT with the place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadFile("FILE_MISSING", path=str(path)) from None
    return parse_agreement(text, path.name, manifest)


def parse_agreement(text: str, file: str, manifest: FederationManifest) -> Agreement:
    """The agreement that YAML says; raises BadFile FILE_AGREEMENT with the place. ``file``: what it is called there."""
    try:
        return _agreement(read_yaml(text, file), manifest)
    except BadFile as error:
        problem = error.message.replace("The catalogue", "The agreement").replace("in a catalogue", "in an agreement")
        raise BadFile("FILE_AGREEMENT", at=error.at, problem=problem, instead=error.hint) from None


def _agreement(root: Entry, manifest: FederationManifest) -> Agreement:
    given = written.read(root, FIELDS, "Write one `key: value` a line.")
    _check(dict(root.pairs("")), given, manifest)
    operations = tuple(OPERATIONS[name] for name in given["operations"])
    priced = allowance if Operation.KEY_SELECTION in operations else loss_for
    return Agreement(
        version=RECORD_VERSION,
        name=given["agreement"],
        edition=given.get("edition", 1),
        title=given["title"],
        purpose=given["purpose"],
        legal_gateway=GATEWAYS[given["legal_gateway"]],
        legal_gateway_detail=given["legal_gateway_detail"],
        necessity=given["necessity"],
        parties=given["parties"],
        analysts=given["analysts"],
        scope=_scope(given["scope"], manifest),
        operations=operations,
        dpia_reference=given["dpia"]["reference"],
        dpia_outcome=given["dpia"]["outcome"],
        consent_basis=given.get("consent_basis", ""),
        budget=_loss(given["budget"], priced),
        per_plan=_loss(given["per_plan"], priced),
        from_ms=midnight_ms(given["from"]),
        until_ms=midnight_ms(given["until"]),
        decided_by=given["decided_by"],
        end_clause=given["end_clause"],
        retention_days=given["retention_days"],
        federation=manifest.federation,
        lawful_basis=given["lawful_basis"],
        special_category=given["special_category"],
        controllers=given["controllers"],
        contacts=given["contacts"],
        dpo_view=given.get("dpo_view", ""),
        security=given["security"],
        rights=given["rights"],
        benefits=given.get("benefits", ""),
    )


def _check(entries: dict[str, Entry], given: dict[str, Any], manifest: FederationManifest) -> None:
    """What holds between fields, and between the agreement and the federation."""
    for key, known in (("parties", bodies(manifest)), ("analysts", analysts(manifest))):
        for entry in entries[key].items(""):
            if entry.text("") not in known:
                raise entry.wrong("is not of this federation", f"Write one of {', '.join(known)}.")
    if given["until"] <= given["from"]:
        raise entries["until"].wrong("is not after `from`", "Write a later day.")
    if not within(_loss(given["per_plan"], loss_for), _loss(given["budget"], loss_for)):
        raise entries["per_plan"].wrong("is more than the whole budget", "Write less, or a larger budget.")


def _scope(pairs: Sequence[tuple[str, Entry]], manifest: FederationManifest) -> tuple[DatasetScope, ...]:
    """`scope: {dataset: [column, ...]}`; every name has to stand in the federation's catalogue."""
    scopes = []
    for name, listed in pairs:
        dataset = manifest.catalogue.dataset(name)
        if dataset is None:
            known = ", ".join(d.name for d in manifest.catalogue.datasets)
            raise listed.wrong("names no dataset of the federation", f"Write one of {known}.")
        held = [column.name for column in dataset.columns]
        columns = written.several(written.one_of(held), "List columns.").read(listed)
        scopes.append(DatasetScope(name, columns))
    return tuple(scopes)


def _loss(loss: dict[str, Fraction], priced: Callable[[Fraction, Fraction], Loss]) -> Loss:
    """A loss of zero delta; where keys may be named, one whose delta pays for that too."""
    return priced(loss["epsilon"], loss["delta"])


def bodies(manifest: FederationManifest) -> tuple[str, ...]:
    """Bodies that run a node or employ an analyst."""
    return tuple(dict.fromkeys(m.body for m in manifest.members if {Role.NODE, Role.ANALYST} & set(m.roles)))


def analysts(manifest: FederationManifest) -> tuple[str, ...]:
    return tuple(m.name for m in manifest.members if Role.ANALYST in m.roles)
