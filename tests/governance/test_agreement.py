"""Agreements: what people write, who has to sign, where it is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from engine.catalogue import parse_catalogue
from engine.errors import BadFile, Refused
from engine.governance.agreement import (
    default_agreement,
    install_agreement,
    read_record,
    sign_agreement,
    sign_first_agreement,
)
from engine.governance.agreement_form import load_agreement
from engine.governance.federation import Federation, found
from engine.trusted.clock import SystemClock
from engine.trusted.epsilon import loss_for
from engine.trusted.home import Home
from engine.trusted.random import SystemRandomness
from engine.trusted.records import LegalGateway, Operation
from engine.trusted.sign import open_agreement
from engine.trusted.wire import encode

CATALOGUE = """
federation: realm
datasets:
  people:
    hosts: [north, south]
    person: person_id
    rows_per_person: 1
    columns: {person_id: {type: text}, region: {type: text, domain: [N, S]}, age: {type: integer, bounds: [0, 110]}}
  visits:
    hosts: [north]
    person: person_id
    rows_per_person: 3
    columns: {person_id: {type: text}, cost: {type: integer, bounds: [0, 900]}}
"""
WRITTEN = """
agreement: ages-by-region
edition: 2
title: Ages by region
purpose: To plan schools.
legal_gateway: research
legal_gateway_detail: Section 64
necessity: No published table has it.
parties: [north, south, analyst]
contacts: dpo@north.example
controllers: Separate controllers.
lawful_basis: Public task.
special_category: None.
security: Data stay in place.
rights: Through privacy notices.
decided_by: A. Officer
end_clause: Released answers may be kept.
analysts: [analyst]
scope:
  people: [region, age]
operations: [aggregate]
dpia: {reference: DPIA-7, outcome: low residual risk}
budget: {epsilon: 4, delta: 1e-6}
per_plan: {epsilon: 1, delta: 1e-9}
from: 2026-01-01
until: 2027-01-01
retention_days: 30
"""


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    catalogue = parse_catalogue(CATALOGUE, "catalogue.yaml")
    return found(tmp_path / "homes", catalogue, clock=SystemClock(), randomness=SystemRandomness())


def homes(federation: Federation, *names: str) -> list[Home]:
    return [Home.load(federation.home(name)) for name in names]


def written(tmp_path: Path, text: str = WRITTEN) -> Path:
    path = tmp_path / "ages.yaml"
    path.write_text(text)
    return path


def test_a_written_agreement_says_what_the_file_says(federation: Federation, tmp_path: Path) -> None:
    agreement = load_agreement(written(tmp_path), federation.manifest)
    assert (agreement.name, agreement.edition, agreement.federation) == ("ages-by-region", 2, "realm")
    assert [(scope.dataset, scope.columns) for scope in agreement.scope] == [("people", ("region", "age"))]
    assert agreement.legal_gateway is LegalGateway.RESEARCH
    assert agreement.operations == (Operation.AGGREGATE,)
    assert agreement.budget == loss_for(Fraction(4), Fraction(1, 10**6))
    assert agreement.per_plan == loss_for(Fraction(1), Fraction(1, 10**9))
    assert agreement.until_ms == int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * 1000
    assert (agreement.dpia_reference, agreement.retention_days) == ("DPIA-7", 30)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("people: [region, age]", "persons: [region]", "names no dataset"),
        ("people: [region, age]", "people: [region, wage]", "`wage` is not known"),
        ("purpose: To plan schools.\n", "", "has no `purpose`"),
        ("title:", "titel:", "no key `titel` in an agreement"),
        ("epsilon: 4", "epsilon: 0", "is not above 0"),
        ("delta: 1e-6", "delta: 2", "is not between 0 and 1"),
        ("2027-01-01", "next year", "is not a date"),
        ("operations: [aggregate]", "operations: [everything]", "is not known"),
        ("legal_gateway: research", "legal_gateway: curiosity", "is not known"),
        ("scope:\n  people", "scope: [\n  people", "cannot be read as YAML"),
        ("rights: Through privacy notices.\n", "", "has no `rights`"),
        ("parties: [north", "parties: [nowhere", "is not of this federation"),
        ("analysts: [analyst]", "analysts: [north]", "is not of this federation"),
        ("until: 2027-01-01", "until: 2026-01-01", "is not after `from`"),
        ("per_plan: {epsilon: 1", "per_plan: {epsilon: 40", "more than the whole budget"),
        ("people: [region, age]", "people: []", "is empty"),
    ],
)
def test_a_mistake_is_shown_with_its_place(
    federation: Federation, tmp_path: Path, before: str, after: str, words: str
) -> None:
    assert before in WRITTEN
    with pytest.raises(BadFile) as refused:
        load_agreement(written(tmp_path, WRITTEN.replace(before, after)), federation.manifest)
    assert refused.value.code == "FILE_AGREEMENT"
    assert words in refused.value.message
    assert refused.value.at is not None


def test_signatures_are_collected_one_after_another(federation: Federation, tmp_path: Path) -> None:
    agreement = load_agreement(written(tmp_path), federation.manifest)
    roster = homes(federation, "north")[0].roster()
    record = sign_agreement(agreement, *homes(federation, "policy"))
    for guardian, lacking in (("guardian-north", "guardian of north"), ("guardian-south", "guardian of south")):
        with pytest.raises(Refused) as refused:
            open_agreement(record, roster)
        assert refused.value.code == "POLICY_AGREEMENT_UNSIGNED"
        assert lacking in refused.value.facts["name"]
        record = sign_agreement(record, *homes(federation, guardian))
    assert open_agreement(record, roster) == agreement
    assert sign_agreement(record, *homes(federation, "policy")) == record


def test_an_agreement_is_installed_where_it_verifies_and_nowhere_else(federation: Federation, tmp_path: Path) -> None:
    agreement = load_agreement(written(tmp_path), federation.manifest)
    unsigned = sign_agreement(agreement, *homes(federation, "policy", "guardian-north"))
    with pytest.raises(Refused):
        install_agreement(unsigned, homes(federation, "north"))
    assert homes(federation, "north")[0].agreements() == ()
    record = sign_agreement(unsigned, *homes(federation, "guardian-south"))
    (tmp_path / "a.agreement").write_bytes(encode(record))
    install_agreement(read_record(tmp_path / "a.agreement"), homes(federation, "north", "south", "coordinator"))
    assert homes(federation, "coordinator")[0].agreements() == (record,)


def test_a_file_that_is_no_agreement_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.agreement").write_bytes(b"no record")
    with pytest.raises(BadFile) as refused:
        read_record(tmp_path / "a.agreement")
    assert refused.value.code == "FILE_AGREEMENT"
    with pytest.raises(BadFile) as missing:
        read_record(tmp_path / "b.agreement")
    assert missing.value.code == "FILE_MISSING"


def test_the_first_agreement_covers_everything_and_binds_everybody(federation: Federation) -> None:
    clock = SystemClock()
    agreement = sign_first_agreement(federation, clock, per_plan=loss_for(Fraction(3), Fraction(1, 10**9)))
    assert {s.dataset: s.columns for s in agreement.scope} == {
        "people": ("person_id", "region", "age"),
        "visits": ("person_id", "cost"),
    }
    assert agreement.from_ms <= clock.now_ms() < agreement.until_ms
    for home in homes(federation, "coordinator", "north", "south"):
        (record,) = home.agreements()
        assert open_agreement(record, home.roster()) == agreement
    other = replace(default_agreement(federation.manifest, clock), federation="elsewhere")
    signed = sign_agreement(other, *homes(federation, "policy", "guardian-north", "guardian-south"))
    with pytest.raises(Refused) as refused:
        install_agreement(signed, homes(federation, "north"))
    assert refused.value.code == "POLICY_AGREEMENT_INVALID"
