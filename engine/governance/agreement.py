"""Agreements: written in YAML or by default, signed by people one after another, installed where they are enforced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

from engine.catalogue.entry import Entry, read_yaml
from engine.errors import BadFile, Refused
from engine.governance.federation import Federation
from engine.governance.homes import store_agreement
from engine.trusted.clock import Clock
from engine.trusted.epsilon import allowance, loss_for
from engine.trusted.home import Home
from engine.trusted.records import (
    RECORD_VERSION,
    Agreement,
    DatasetScope,
    FederationManifest,
    LegalGateway,
    Loss,
    Operation,
    RecordKind,
    Role,
    SignedRecord,
)
from engine.trusted.sign import open_agreement, signed
from engine.trusted.wire import decode, encode

DAY_MS = 86_400_000
BUDGET = (Fraction(8), Fraction(1, 10**6))
CAUTIOUS = (Operation.AGGREGATE, Operation.QUANTILE)
PER_PLAN = (Fraction(2), Fraction(1, 10**9))
_REQUIRED = ("agreement", "title", "purpose", "necessity", "scope", "budget", "per_plan", "from", "until")
_OPTIONAL = (
    *("edition", "legal_gateway", "legal_gateway_detail", "parties", "analysts", "operations", "dpia"),
    *("consent_basis", "decided_by", "end_clause", "retention_days"),
)
_GATEWAYS = {gateway.name.lower().removesuffix("_gateway"): gateway for gateway in LegalGateway}
_OPERATIONS = {operation.name.lower(): operation for operation in Operation}


def default_agreement(
    manifest: FederationManifest,
    clock: Clock,
    budget: Loss | None = None,
    per_plan: Loss | None = None,
    operations: tuple[Operation, ...] = CAUTIOUS,
) -> Agreement:
    """Every dataset and column, every analyst, for a year: to begin with, or to try things out.

    Aggregates and quantiles, unless ``operations`` say otherwise: keys without a published list are refused.
    """
    return Agreement(
        version=RECORD_VERSION,
        name="first-agreement",
        edition=1,
        title=f"Statistics from the datasets of {manifest.federation}",
        purpose="Aggregate statistics over the datasets of the federation.",
        legal_gateway=LegalGateway.OTHER_GATEWAY,
        legal_gateway_detail="Written when the federation was founded; replace it by one that names a gateway.",
        necessity="Written when the federation was founded; covers every dataset and column.",
        parties=_bodies(manifest),
        analysts=_analysts(manifest),
        scope=tuple(DatasetScope(d.name, tuple(c.name for c in d.columns)) for d in manifest.catalogue.datasets),
        operations=operations,
        dpia_reference="",
        dpia_outcome="",
        consent_basis="",
        budget=budget or loss_for(*BUDGET),
        per_plan=per_plan or loss_for(*PER_PLAN),
        from_ms=clock.now_ms() - clock.now_ms() % DAY_MS,
        until_ms=clock.now_ms() + 365 * DAY_MS,
        decided_by="policy",
        end_clause="Released answers may be kept; nothing is answered after the end.",
        retention_days=365,
        federation=manifest.federation,
    )


def load_agreement(path: Path, manifest: FederationManifest) -> Agreement:
    """The agreement written in a YAML file; raises BadFile FILE_MISSING or FILE_AGREEMENT with the place."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise BadFile("FILE_MISSING", path=str(path)) from None
    try:
        return _agreement(read_yaml(text, path.name), manifest)
    except BadFile as error:
        problem = error.message.replace("The catalogue", "The agreement").replace("in a catalogue", "in an agreement")
        raise BadFile("FILE_AGREEMENT", at=error.at, problem=problem, instead=error.hint) from None


def sign_agreement(agreement: Agreement | SignedRecord, *homes: Home) -> SignedRecord:
    """The agreement with a signature of each home's member, added to those it has."""
    if isinstance(agreement, Agreement):
        return signed(RecordKind.AGREEMENT, encode(agreement), *(home.signing_key() for home in homes))
    held = {signature.signer for signature in agreement.signatures}
    added = signed(agreement.kind, agreement.payload, *(h.signing_key() for h in homes if h.name not in held))
    return SignedRecord(agreement.kind, agreement.payload, agreement.signatures + added.signatures)


def read_record(path: Path) -> SignedRecord:
    """A signed agreement from its file; raises BadFile FILE_MISSING or FILE_AGREEMENT."""
    try:
        record: SignedRecord = decode(SignedRecord, path.read_bytes())
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    except Refused:
        raise BadFile(
            "FILE_AGREEMENT",
            problem=f"{path.name} is not a signed agreement.",
            instead="Make one from YAML with `splittally agreement sign`.",
        ) from None
    return record


def install_agreement(record: SignedRecord, homes: Iterable[Home]) -> Agreement:
    """Verify an agreement against each home's own manifest and keep it there; the homes then enforce it.

    Raises Refused POLICY_AGREEMENT_INVALID or POLICY_AGREEMENT_UNSIGNED.
    """
    installed: Agreement | None = None
    for home in homes:
        installed = open_agreement(record, home.roster())
        store_agreement(home, record)
    if installed is None:
        raise ValueError("no home to install the agreement in")
    return installed


def sign_first_agreement(
    federation: Federation,
    clock: Clock,
    budget: Loss | None = None,
    per_plan: Loss | None = None,
    operations: tuple[Operation, ...] = CAUTIOUS,
) -> Agreement:
    """Write the default agreement, sign it with the homes of the policy officer and all guardians, and install it.

    Possible while all homes of a new federation still lie below one directory.
    """
    manifest = federation.manifest
    draft = default_agreement(manifest, clock, budget, per_plan, operations)
    record = sign_agreement(draft, *(Home.load(federation.home(name)) for name in signing_members(manifest)))
    return install_agreement(record, (Home.load(federation.home(name)) for name in enforcing_members(manifest)))


def signing_members(manifest: FederationManifest) -> tuple[str, ...]:
    """Whose signatures make any agreement of this federation valid: a policy officer and every guardian."""
    officers = [m.name for m in manifest.members if Role.POLICY_OFFICER in m.roles]
    return (*officers[:1], *(m.name for m in manifest.members if Role.GUARDIAN in m.roles))


def enforcing_members(manifest: FederationManifest) -> tuple[str, ...]:
    """Who has to hold an agreement: the coordinator, nodes and helpers."""
    roles = {Role.COORDINATOR, Role.NODE, Role.HELPER}
    return tuple(m.name for m in manifest.members if roles & set(m.roles))


def _agreement(root: Entry, manifest: FederationManifest) -> Agreement:
    given = root.fields((*_REQUIRED, *_OPTIONAL), _REQUIRED, "Write one `key: value` a line.")

    def words(key: str, default: str = "") -> str:
        return given[key].text(f"the {key.replace('_', ' ')}") if key in given else default

    def texts(key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        if key not in given:
            return default
        return tuple(entry.text("a name") for entry in given[key].items(f"Write `{key}: [NAME, ...]`."))

    dpia = given["dpia"].fields(("reference", "outcome"), (), "Write its fields.") if "dpia" in given else {}
    listed = given["operations"].items("Write a list.") if "operations" in given else ()
    operations = tuple(_OPERATIONS[entry.one_of(_OPERATIONS)] for entry in listed) or CAUTIOUS
    priced = allowance if Operation.KEY_SELECTION in operations else loss_for
    return Agreement(
        version=RECORD_VERSION,
        name=given["agreement"].member("the agreement's name"),
        edition=given["edition"].integer(1, "the number of the edition") if "edition" in given else 1,
        title=words("title"),
        purpose=words("purpose"),
        legal_gateway=_GATEWAYS[given["legal_gateway"].one_of(_GATEWAYS) if "legal_gateway" in given else "other"],
        legal_gateway_detail=words("legal_gateway_detail"),
        necessity=words("necessity"),
        parties=texts("parties", _bodies(manifest)),
        analysts=texts("analysts", _analysts(manifest)),
        scope=_scope(given["scope"], manifest),
        operations=operations,
        dpia_reference=dpia["reference"].text("a reference") if "reference" in dpia else "",
        dpia_outcome=dpia["outcome"].text("the outcome") if "outcome" in dpia else "",
        consent_basis=words("consent_basis"),
        budget=_loss(given["budget"], priced),
        per_plan=_loss(given["per_plan"], priced),
        from_ms=_day_ms(given["from"]),
        until_ms=_day_ms(given["until"]),
        decided_by=words("decided_by"),
        end_clause=words("end_clause"),
        retention_days=given["retention_days"].integer(0, "a number of days") if "retention_days" in given else 365,
        federation=manifest.federation,
    )


def _scope(entry: Entry, manifest: FederationManifest) -> tuple[DatasetScope, ...]:
    """`scope: {dataset: [column, ...]}`; every name has to stand in the federation's catalogue."""
    scopes = []
    for name, listed in entry.pairs("Write `scope:` and below it one `dataset: [column, ...]` a line."):
        dataset = manifest.catalogue.dataset(name)
        if dataset is None:
            known = ", ".join(d.name for d in manifest.catalogue.datasets)
            raise listed.wrong("names no dataset of the federation", f"Write one of {known}.")
        columns = tuple(column.one_of([c.name for c in dataset.columns]) for column in listed.items("List columns."))
        scopes.append(DatasetScope(name, columns))
    if not scopes:
        raise entry.wrong("is empty", "Name at least one dataset with its columns.")
    return tuple(scopes)


def _loss(entry: Entry, priced: Callable[[Fraction, Fraction], Loss]) -> Loss:
    """A loss of zero delta; where keys may be named, one whose delta pays for that too."""
    fields = entry.fields(("epsilon", "delta"), ("epsilon", "delta"), "Write `{epsilon: 8, delta: 1e-6}`.")
    epsilon, delta = fields["epsilon"].number("a number above 0"), fields["delta"].number("a number such as 1e-6")
    if epsilon <= 0:
        raise fields["epsilon"].wrong("is not above 0", "Write a number above 0.")
    if not 0 < delta < 1:
        raise fields["delta"].wrong("is not between 0 and 1", "Write a number such as 1e-6.")
    return priced(epsilon, delta)


def _day_ms(entry: Entry) -> int:
    day = entry.date("a date such as 2026-12-31")
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


def _bodies(manifest: FederationManifest) -> tuple[str, ...]:
    return tuple(dict.fromkeys(m.body for m in manifest.members if {Role.NODE, Role.ANALYST} & set(m.roles)))


def _analysts(manifest: FederationManifest) -> tuple[str, ...]:
    return tuple(m.name for m in manifest.members if Role.ANALYST in m.roles)
