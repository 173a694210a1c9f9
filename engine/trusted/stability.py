"""Stability: how much one person can change the rows that reach an aggregate.

Claim: adding or removing one person changes, at one host, at most ``rows`` rows, in at most ``groups`` groups, and at
       at most ``overlap`` hosts; the rows of other persons stay as they are.
Because: the snapshot cut keeps at most ``rows_per_person`` rows of a person, Filter and Project never add rows, a
         PersonAggregate makes one row of them, a PersonJoin meets each of a person's rows with each on the other side
         and with nobody else's, a UnionAll adds the rows of both sides, and the node caps groups where fewer are
         declared than rows. Where rows of a person are put together, all of them are at one node: one placement,
         overlap 1, or one host. A PrivateJoin meets rows as a PersonJoin does, those of two nodes; it is the outermost
         relation of a plan, so nothing is computed from its rows.
Checked by: tests/trusted_numerics/test_calibrate.py::test_no_person_moves_a_block_beyond_its_declared_norm
            tests/sources/test_persons.py::test_no_person_moves_an_answer_beyond_its_declared_norm
            tests/trusted_numerics/test_join.py::test_no_person_moves_a_private_join_beyond_d2
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.errors import Refused
from engine.trusted import plan
from engine.trusted.catalogue import Catalogue, Dataset, IdentifierForm

MOST_JOINED_ROWS = 100_000  # of one person


@dataclass(frozen=True, slots=True)
class Stability:
    rows: int
    groups: int
    overlap: int
    identifier: tuple[str, IdentifierForm]  # what names a person, and how it is spelt
    datasets: tuple[str, ...]
    hosts: tuple[str, ...]
    placement: str
    at_most_rows: int  # in one host's share; the owner's statement, for headroom only


def stability_of(relation: plan.Relation, catalogue: Catalogue) -> Stability:
    """Of one aggregate's input. Raises Refused POLICY_PLAN_INVALID, POLICY_NOT_SUPPORTED; for joins and features
    SQL_OVERLAP_FEATURES, SQL_JOIN_PLACEMENT, SQL_TOO_LARGE; for private joins SQL_JOIN_HOSTS, SQL_JOIN_IDENTIFIER."""
    if isinstance(relation, plan.PrivateJoin):
        return _across(_local(relation.left, catalogue), _local(relation.right, catalogue))
    return _local(relation, catalogue)


def _local(relation: plan.Relation, catalogue: Catalogue) -> Stability:
    """Of rows that are put together where they lie; a PrivateJoin there is POLICY_NOT_SUPPORTED."""
    match relation:
        case plan.Scan(dataset=name):
            return _scanned(dataset_of(name, catalogue))
        case plan.Filter(input=source) | plan.Project(input=source):
            return _local(source, catalogue)
        case plan.PersonAggregate(input=source):
            held = _local(source, catalogue)
            _check_together(held, held)
            return replace(held, rows=1, groups=1)
        case plan.PersonJoin(join=kind, left=left, right=right):
            return _joined(_local(left, catalogue), _local(right, catalogue), kind)
        case plan.UnionAll(left=left, right=right):
            return _added(_local(left, catalogue), _local(right, catalogue))
        case _:
            raise Refused("POLICY_NOT_SUPPORTED", operator=type(relation).__name__)


def dataset_of(name: str, catalogue: Catalogue) -> Dataset:
    dataset = catalogue.dataset(name)
    if dataset is None:
        raise Refused("POLICY_PLAN_INVALID", internal=f"dataset {name}")
    return dataset


def _scanned(dataset: Dataset) -> Stability:
    return Stability(
        rows=dataset.rows_per_person,
        groups=min(dataset.groups_per_person, dataset.rows_per_person),
        overlap=min(dataset.overlap, len(dataset.hosts)),
        identifier=(dataset.person.identifier, dataset.person.form),
        datasets=(dataset.name,),
        hosts=dataset.hosts,
        placement=dataset.placement,
        at_most_rows=min(dataset.at_most_rows, dataset.at_most_persons * dataset.rows_per_person),
    )


def _joined(left: Stability, right: Stability, kind: plan.JoinKind) -> Stability:
    _check_together(left, right)
    datasets = tuple(dict.fromkeys(left.datasets + right.datasets))
    if kind in (plan.JoinKind.SEMI, plan.JoinKind.ANTI):
        return replace(left, datasets=datasets, at_most_rows=max(left.at_most_rows, right.at_most_rows))
    found = _met(left, right)
    return replace(found, datasets=datasets, at_most_rows=max(left.at_most_rows * right.rows, right.at_most_rows))


def _met(left: Stability, right: Stability) -> Stability:
    """Each row of a person with each of the same person's on the other side."""
    rows = left.rows * right.rows
    if rows > max(MOST_JOINED_ROWS, left.rows, right.rows):
        raise Refused("SQL_TOO_LARGE", what="the number of joined rows of one person")
    return replace(left, rows=rows, groups=min(rows, left.groups * right.groups))


def _across(left: Stability, right: Stability) -> Stability:
    """Pairs of rows of one person, one row at each of two nodes."""
    for side in (left, right):
        if len(side.hosts) > 1:
            raise Refused("SQL_JOIN_HOSTS", dataset=side.datasets[0], hosts=", ".join(side.hosts))
    if left.hosts == right.hosts:
        raise Refused("SQL_JOIN_PLACEMENT", left=left.datasets[0], right=right.datasets[0])
    if left.identifier != right.identifier:
        raise Refused("SQL_JOIN_IDENTIFIER", left=left.datasets[0], right=right.datasets[0])
    found = _met(left, right)
    most = min(left.at_most_rows * right.rows, right.at_most_rows * left.rows)
    datasets, hosts = left.datasets + right.datasets, left.hosts + right.hosts
    return replace(found, datasets=datasets, hosts=hosts, placement="", at_most_rows=most)


def _added(left: Stability, right: Stability) -> Stability:
    """Rows of one placement are at the same nodes; else at those of both sides, and the placement has no name."""
    if (left.identifier, set(left.hosts)) != (right.identifier, set(right.hosts)):
        raise Refused("SQL_UNION_HOSTS", left=left.datasets[0], right=right.datasets[0])
    overlap, placement = min(left.overlap + right.overlap, len(left.hosts)), ""
    if left.placement == right.placement != "":
        overlap, placement = max(left.overlap, right.overlap), left.placement
    rows, groups, most = left.rows + right.rows, left.groups + right.groups, left.at_most_rows + right.at_most_rows
    names = tuple(dict.fromkeys(left.datasets + right.datasets))
    return replace(
        left, rows=rows, groups=groups, overlap=overlap, datasets=names, placement=placement, at_most_rows=most
    )


def _check_together(left: Stability, right: Stability) -> None:
    """That all rows of a person, of both sides, lie at one node."""
    if left.overlap > 1 or right.overlap > 1:
        raise Refused("SQL_OVERLAP_FEATURES")
    if left.placement != right.placement or (left.identifier, set(left.hosts)) != (right.identifier, set(right.hosts)):
        raise Refused("SQL_JOIN_PLACEMENT", left=left.datasets[0], right=right.datasets[0])
