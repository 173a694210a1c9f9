"""Agreements: signed by people one after another, amended, installed where they are enforced."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from engine.errors import BadFile, Refused
from engine.governance.agreement_form import analysts, bodies
from engine.governance.agreement_text import agreement_of
from engine.governance.federation import Federation
from engine.governance.homes import store_agreement
from engine.trusted.clock import Clock
from engine.trusted.epsilon import loss_for
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
        parties=bodies(manifest),
        analysts=analysts(manifest),
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


def sign_agreement(agreement: Agreement | SignedRecord, *homes: Home) -> SignedRecord:
    """The agreement with a signature of each home's member, added to those it has.

    A member that has drawn new keys since signs again: bytes and digest stay, its old signature is replaced.
    """
    if isinstance(agreement, Agreement):
        return signed(RecordKind.AGREEMENT, encode(agreement), *(home.signing_key() for home in homes))
    record = agreement
    for home in homes:
        own = home.signing_key().sign(record.kind, record.payload)
        held = tuple(own if s.signer == home.name else s for s in record.signatures)
        record = SignedRecord(record.kind, record.payload, held if own in held else (*held, own))
    return record


def amend_agreement(text: Agreement, before: Agreement) -> Agreement:
    """The next edition of an agreement. BadFile FILE_AGREEMENT_OTHER for another name, edition or no change at all."""
    after = replace(text, edition=before.edition + 1)
    if text.name != before.name or text.federation != before.federation:
        raise BadFile("FILE_AGREEMENT_OTHER", problem=f"it is called {text.name}, and the one before {before.name}")
    if text.edition not in (1, before.edition, after.edition):
        raise BadFile("FILE_AGREEMENT_OTHER", problem=f"it is edition {text.edition}, after edition {before.edition}")
    if replace(after, edition=before.edition) == before:
        raise BadFile("FILE_AGREEMENT_OTHER", problem="nothing in it has changed")
    return after


def newest(homes: Iterable[Home], name: str) -> SignedRecord | None:
    """The newest edition of an agreement that these homes hold; not verified, for it is only compared with."""
    held = [record for home in homes for record in home.agreements() if agreement_of(record).name == name]
    return max(held, key=lambda record: agreement_of(record).edition, default=None)


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
