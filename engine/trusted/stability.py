"""Stability: how much one person can change the rows that reach an aggregate.

Claim: adding or removing one person changes, at one host, at most ``rows`` rows, in at most ``groups`` groups, and at
       at most ``overlap`` hosts.
Because: the snapshot cut keeps at most ``rows_per_person`` rows of a person, Filter and Project never add rows, and
       the node caps groups where fewer are declared than rows.
Checked by: tests/trusted_numerics/test_calibrate.py::test_no_person_moves_a_block_beyond_its_declared_norm
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import Refused
from engine.trusted.catalogue import Catalogue
from engine.trusted.plan import Filter, Project, Relation, Scan


@dataclass(frozen=True, slots=True)
class Stability:
    rows: int
    groups: int
    overlap: int
    identifier: str
    datasets: tuple[str, ...]
    hosts: tuple[str, ...]
    at_most_rows: int  # in one host's share; the owner's statement, for headroom only


def stability_of(relation: Relation, catalogue: Catalogue) -> Stability:
    """Of one aggregate's input. Raises Refused POLICY_PLAN_INVALID, POLICY_NOT_SUPPORTED."""
    while isinstance(relation, Filter | Project):
        relation = relation.input
    if not isinstance(relation, Scan):
        raise Refused("POLICY_NOT_SUPPORTED", operator=type(relation).__name__)
    dataset = catalogue.dataset(relation.dataset)
    if dataset is None:
        raise Refused("POLICY_PLAN_INVALID", internal=f"dataset {relation.dataset}")
    return Stability(
        rows=dataset.rows_per_person,
        groups=min(dataset.groups_per_person, dataset.rows_per_person),
        overlap=min(dataset.overlap, len(dataset.hosts)),
        identifier=dataset.person.identifier,
        datasets=(dataset.name,),
        hosts=dataset.hosts,
        at_most_rows=min(dataset.at_most_rows, dataset.at_most_persons * dataset.rows_per_person),
    )
