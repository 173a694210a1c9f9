"""The form of an agreement, made from the table of its fields (engine/governance/agreement_form.py): what each field
is asked with, and the YAML that a filled form stands for. Reading and checking it is that table's, never done here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from engine.catalogue.written import Field
from engine.desk.form import Form
from engine.errors import BadFile, Refused
from engine.governance.agreement_form import FIELDS, GATEWAYS, OPERATIONS, analysts, bodies
from engine.governance.text import DELTA, PLAN_DELTA, delta_for
from engine.trusted.epsilon import allowance, epsilon_of, loss_for
from engine.trusted.records import Agreement, FederationManifest, Loss

FILE = "agreement"  # what the YAML is called in errors
EDITION = "edition"  # counted, not asked
SECTIONS = (
    ("The agreement", ("agreement", "title", "parties", "contacts", "controllers", "analysts")),
    ("Why", ("purpose", "necessity", "benefits")),
    ("Under which law", ("lawful_basis", "special_category", "legal_gateway", "legal_gateway_detail")),
    ("What may be used, and how", ("scope", "operations")),
    ("Protection of the persons concerned", ("dpia", "dpo_view", "consent_basis", "security", "rights")),
    ("Cost and time", ("budget", "per_plan", "from", "until", "decided_by", "end_clause", "retention_days")),
)
BY_KEY = {field.key: field for field in FIELDS}
LINE = 48  # letters of an example that fit into one line
_KEY = re.compile(r"`([a-z_]+)(?:\.[A-Za-z_0-9]+)*`")


@dataclass(frozen=True, slots=True)
class Widget:
    """How a field is asked. ``kind``: line, lines, number, date, one, several, group or scope. ``choices``: of what may
    be chosen; of a scope, dataset -> columns. ``parts``: of a group, (key, about, kind)."""

    key: str
    label: str
    about: str
    required: bool
    kind: str
    example: str = ""
    choices: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[str, ...]], ...] = ()
    parts: tuple[tuple[str, str, str], ...] = ()


def sections(manifest: FederationManifest) -> tuple[tuple[str, tuple[Widget, ...]], ...]:
    """Every field of the table but the edition, once, under its heading."""
    return tuple((title, tuple(_widget(BY_KEY[key], manifest) for key in keys)) for title, keys in SECTIONS)


def _widget(field: Field, manifest: FederationManifest) -> Widget:
    """By the schema of the field's kind."""
    schema, known = field.kind.schema, {"parties": bodies(manifest), "analysts": analysts(manifest)}
    label = words(field.key)
    if field.key == "scope":
        held = tuple((d.name, tuple(c.name for c in d.columns)) for d in manifest.catalogue.datasets)
        return Widget(field.key, label, field.about, field.required, "scope", columns=held)
    if schema.get("type") == "array":
        choices = known.get(field.key) or tuple(schema["items"]["enum"])
        return Widget(field.key, label, field.about, field.required, "several", choices=tuple(choices))
    if "enum" in schema:
        return Widget(field.key, label, field.about, field.required, "one", choices=tuple(schema["enum"]))
    if schema.get("type") == "object":
        parts = tuple((key, of["description"], _simple(of, "")) for key, of in schema["properties"].items())
        return Widget(field.key, label, field.about, field.required, "group", field.example, parts=parts)
    return Widget(field.key, label, field.about, field.required, _simple(schema, field.example), field.example)


def _simple(schema: Mapping[str, object], example: str) -> str:
    if schema.get("format") == "date":
        return "date"
    if "number" in schema.get("type", ()) or "integer" in schema.get("type", ()):  # type: ignore[operator]
        return "number"
    return "lines" if len(example) > LINE else "line"


def words(key: str) -> str:
    """The label of a field."""
    known = {"dpia": "Data protection impact assessment", "dpo_view": "View of the data protection officers"}
    plain = key.replace("_", " ")
    return known.get(key, plain[:1].upper() + plain[1:])


def yaml_of(form: Form, edition: int) -> str:
    """The YAML that a filled form stands for, one field a line; a field left empty is left out."""
    found = ((field.key, edition if field.key == EDITION else _value(field, form)) for field in FIELDS)
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in found if value)


def _value(field: Field, form: Form) -> object:
    schema, key = field.kind.schema, field.key
    if key == "scope":
        prefix = "scope-"
        return {name.removeprefix(prefix): list(form.every(name)) for name in form.fields if name.startswith(prefix)}
    if schema.get("type") == "array":
        return [_line(value) for value in form.every(key)]
    if schema.get("type") == "object":
        parts = {part: _line(form.one(f"{key}-{part}")) for part in schema["properties"]}
        return {part: value for part, value in parts.items() if value}
    return _line(form.one(key))


def _line(text: str) -> str:
    return " ".join(text.split())


def field_of(error: BadFile, yaml: str) -> str:
    """The field that an error in the YAML of a form is about: that of its line, or the one it names as missing."""
    lines = [line.partition(":")[0] for line in yaml.splitlines()]
    named: list[str] = [key for key in _KEY.findall(error.message) if key in BY_KEY]
    if named and named[-1] not in lines:
        return named[-1]
    if error.at is not None and 1 <= error.at.line <= len(lines):
        return str(lines[error.at.line - 1])
    return named[-1] if named else ""


def in_form(error: BadFile) -> BadFile:
    """The error as the reader of a form needs it, who never saw the YAML: without its place in there."""
    problem = error.message.removeprefix(f"{FILE}: ").replace("the file has no ", "nothing is filled in for ")
    instead = "Fill it in." if problem != error.message.removeprefix(f"{FILE}: ") else error.hint
    named = _KEY.sub(lambda key: words(key[1]) if key[0] == f"`{key[1]}`" and key[1] in BY_KEY else key[0], problem)
    return BadFile("FILE_AGREEMENT", problem=named[:1].upper() + named[1:], instead=instead)


def filled(agreement: Agreement) -> Form:
    """The form of an agreement as it is: what a change of it begins with."""
    operations = tuple(name for name, operation in OPERATIONS.items() if operation in agreement.operations)
    gateway = next(name for name, value in GATEWAYS.items() if value is agreement.legal_gateway)
    texts = {
        "agreement": agreement.name,
        "legal_gateway": gateway,
        "dpia-reference": agreement.dpia_reference,
        "dpia-outcome": agreement.dpia_outcome,
        "from": _day(agreement.from_ms),
        "until": _day(agreement.until_ms),
        "retention_days": str(agreement.retention_days),
        **_loss("budget", agreement.budget, DELTA),
        **_loss("per_plan", agreement.per_plan, PLAN_DELTA),
    }
    same = [field.key for field in FIELDS if isinstance(getattr(agreement, field.key, None), str)]
    texts |= {key: str(getattr(agreement, key)) for key in same}
    fields: dict[str, tuple[str, ...]] = {key: (text,) for key, text in texts.items()}
    fields |= {"parties": agreement.parties, "analysts": agreement.analysts, "operations": operations}
    return Form(fields | {f"scope-{scope.dataset}": scope.columns for scope in agreement.scope})


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()


def _loss(key: str, loss: Loss, least: Fraction) -> dict[str, str]:
    """A budget as people write it: with the fewest digits that stand for exactly this loss."""
    delta, priced = delta_for(loss, least), allowance if loss.delta_quintillionths else loss_for
    epsilon = float(epsilon_of(loss, delta))
    texts = (f"{epsilon:.{digits}g}" for digits in range(1, 17))
    exact = next((text for text in texts if _allows(priced, text, delta) == loss), f"{epsilon:g}")
    return {f"{key}-epsilon": exact, f"{key}-delta": f"{float(delta):g}"}


def _allows(priced: Callable[[Fraction, Fraction], Loss], text: str, delta: Fraction) -> Loss | None:
    try:
        return priced(Fraction(text), delta)
    except Refused:
        return None
