"""A small federation with deterministic keys, for tests of keys and records."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest

from engine.trusted import wire
from engine.trusted.catalogue import Catalogue, Dataset, IdentifierForm, PersonUnit
from engine.trusted.records import (
    AccountCap,
    AccountScope,
    Agreement,
    DatasetScope,
    FederationManifest,
    LegalGateway,
    Loss,
    Member,
    Operation,
    RecordKind,
    Request,
    Role,
    RootKey,
    Rules,
    SignedRecord,
)
from engine.trusted.seal import SealingKey
from engine.trusted.sign import Roster, SigningKey, signed

DAY_MS = 86_400_000


class CountedRandomness:
    """The same bytes in every run."""

    def __init__(self, name: str = "") -> None:
        self.name, self.calls = name, 0

    def bytes(self, count: int) -> bytes:
        self.calls += 1
        return sha256(f"{self.name}/{self.calls}".encode()).digest()[:count].ljust(count, b"\0")


def _member(key: SigningKey, role: Role, department: str = "") -> Member:
    sealing = SealingKey.from_raw(CountedRandomness("seal/" + key.name).bytes(32)).public
    return Member(key.name, key.name + " office", (role,), key.public, sealing, department)


def _dataset(name: str, hosts: tuple[str, ...]) -> Dataset:
    person = PersonUnit("person_id", "nino", IdentifierForm.AS_IS)
    return Dataset(name, name, "", hosts, person, 1, 1, 1, name, 1000, 1000, ())


@dataclass
class Federation:
    keys: dict[str, SigningKey]
    roots: tuple[SigningKey, ...]
    manifest: FederationManifest
    agreement: Agreement
    request: Request

    @property
    def pinned(self) -> tuple[RootKey, ...]:
        return tuple(RootKey(root.name, root.public) for root in self.roots)

    @property
    def roster(self) -> Roster:
        return Roster(self.manifest)

    def sign(self, kind: RecordKind, record: Any, *names: str) -> SignedRecord:
        return signed(kind, wire.encode(record), *(self.keys[name] for name in names))

    def signed_manifest(self, *roots: SigningKey) -> SignedRecord:
        return signed(RecordKind.FEDERATION_MANIFEST, wire.encode(self.manifest), *(roots or self.roots))


@pytest.fixture
def randomness() -> CountedRandomness:
    return CountedRandomness()


@pytest.fixture
def federation() -> Federation:
    roles = {
        "north": Role.NODE,
        "south": Role.NODE,
        "harbour": Role.HELPER,
        "hub": Role.COORDINATOR,
        "ana": Role.ANALYST,
        "ben": Role.ANALYST,
        "north-guardian": Role.GUARDIAN,
        "south-guardian": Role.GUARDIAN,
        "officer": Role.POLICY_OFFICER,
    }
    keys = {name: SigningKey.from_raw(name, CountedRandomness(name).bytes(32)) for name in roles}
    members = tuple(
        _member(keys[name], role, name.removesuffix("-guardian") if role is Role.GUARDIAN else "")
        for name, role in roles.items()
    )
    roots = tuple(SigningKey.from_raw(f"root-{i}", CountedRandomness(f"root-{i}").bytes(32)) for i in range(3))
    people, visits = _dataset("people", ("north", "south")), _dataset("visits", ("south",))
    cap = AccountCap(AccountScope.IDENTIFIER, "", 365, Loss(10**9, 10**9), Loss(10**10, 10**10))
    manifest = FederationManifest(
        version=1,
        federation="demo",
        epoch=1,
        issued_ms=0,
        until_ms=100 * DAY_MS,
        grace_seconds=3600,
        root_keys=tuple(RootKey(root.name, root.public) for root in roots),
        root_threshold=2,
        members=members,
        rules=Rules(0, 0, 1000, 1000, (cap,), 3),
        catalogue=Catalogue(1, "demo", (people, visits)),
    )
    agreement = Agreement(
        version=1,
        name="study",
        edition=1,
        title="A study",
        purpose="to learn",
        legal_gateway=LegalGateway.RESEARCH,
        legal_gateway_detail="",
        necessity="",
        parties=("north office", "south office"),
        analysts=("ana",),
        scope=(DatasetScope("people", ()),),
        operations=(Operation.AGGREGATE,),
        dpia_reference="",
        dpia_outcome="",
        consent_basis="",
        budget=Loss(10**9, 0),
        per_plan=Loss(10**8, 0),
        from_ms=DAY_MS,
        until_ms=10 * DAY_MS,
        decided_by="",
        end_clause="",
        retention_days=30,
        federation="demo",
    )
    request = Request(
        version=1,
        nonce=bytes(16),
        federation="demo",
        analyst="ana",
        plan_digest=bytes(32),
        agreement_digest=wire.digest(wire.encode(agreement)),
        loss=Loss(10, 0),
        n_min=2,
        f=0,
        committee=3,
        sealing_key=bytes(32),
        created_ms=DAY_MS,
        expires_ms=2 * DAY_MS,
        max_attempts=2,
        runs=1,
        purpose="why",
    )
    return Federation(keys, roots, manifest, agreement, request)
