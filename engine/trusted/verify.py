"""What a node checks on a plan itself, before it looks at agreements, budgets or data.

Claim: a plan that passes is of this version and this catalogue, within the size limits, well typed and total; its key
       lists are exactly the published values, its clamps lie inside the derived bounds, its weights are in lowest
       terms, and every operator it uses is one this version runs. No number in it is taken on trust.
Because: each is computed again from the plan's expressions and the signed catalogue (domains.py) and compared.
Checked by: tests/trusted_numerics/test_verify.py::test_forged_plans_are_refused

The checks, in order: (1) version (2) catalogue (3) sizes (4) names and literals (5) relations, types, placement
(6) keys and their values (7) grouping sets (8) measures and clamps (9) persons counted once, sides of a private join
(10) cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import gcd

from engine.errors import Refused
from engine.trusted.calibrate import cells_of
from engine.trusted.catalogue import Catalogue
from engine.trusted.domains import (
    DEFAULT_MAX_KEYS,
    Domain,
    Scope,
    check_condition,
    clamp_of,
    domain_of,
    is_selectable,
    key_values,
    person_of,
    scope_of,
)
from engine.trusted.join import check_join, is_join
from engine.trusted.plan import (
    PLAN_VERSION,
    Aggregate,
    Filter,
    JoinKind,
    Key,
    Literal,
    Measure,
    PersonAggregate,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Relation,
    Scan,
    Statistic,
    Type,
    UnionAll,
)
from engine.trusted.records import Operation, Rules
from engine.trusted.stability import stability_of
from engine.trusted.walk import expressions_above, expressions_of, names_in, parts_of, relations_of
from engine.trusted.wire import digest, encode

MOST_EXPRESSIONS = 2_000
MOST_DEPTH = 40  # of a query and an expression in it, counted together: the wire carries some 48 (wire.py)
MOST_MEASURES = 32
MOST_JOINS = 6
MOST_SETS = 64
MOST_WEIGHT = 64
DEFAULT_MAX_CELLS = 1_000_000
NAME_LENGTH = 128
_CLAMPED = (Statistic.SUM, Statistic.CENTRED_SUM, Statistic.QUANTILE_TREE)


def verify_plan(plan: Plan, catalogue: Catalogue, rules: Rules) -> None:
    """Raises Refused for the first check that fails: POLICY_PLAN_INVALID, POLICY_CATALOGUE_DIFFERS,
    POLICY_NOT_SUPPORTED, SQL_TOO_COMPLEX, SQL_TEXT_UNPRINTABLE, SQL_OVERLAP_PERSONS, or a code of domains.py, of
    stability.py or of join.py.
    """
    aggregate = plan.aggregate
    _require(plan.version == PLAN_VERSION, "version")  # (1)
    if plan.catalogue_digest != digest(encode(catalogue)):  # (2)
        raise Refused("POLICY_CATALOGUE_DIFFERS")
    check_size(aggregate)  # (3)
    _check_texts(aggregate)  # (4)
    stability = stability_of(aggregate.input, catalogue)  # (5)
    scope = scope_of(aggregate.input, catalogue)
    _require(sum(key.selected_at_most > 0 for key in aggregate.keys) <= 1, "selected keys")  # (6)
    for key in aggregate.keys:
        _check_key(key, domain_of(key.expression, scope), rules.max_keys or DEFAULT_MAX_KEYS)
    _check_sets(aggregate)  # (7)
    _require(0 < len({replace(m, weight=0) for m in aggregate.measures}) == len(aggregate.measures), "measures")  # (8)
    weights = [measure.weight for measure in aggregate.measures]
    _require(1 not in weights and gcd(*(w or 1 for w in weights)) == 1, "weights in lowest terms")
    for measure in aggregate.measures:
        _check_measure(measure, scope)
        if measure.statistic is Statistic.COUNT_PERSONS and stability.overlap > 1:  # (9)
            raise Refused("SQL_OVERLAP_PERSONS")
    if is_join(aggregate):
        check_join(aggregate, scope)
    if cells_of(aggregate, scope) > (rules.max_cells or DEFAULT_MAX_CELLS):  # (10)
        raise Refused("SQL_TOO_COMPLEX", what="cells in the answer")


def _check_key(key: Key, domain: Domain, most: int) -> None:
    if key.selected_at_most:
        _require(not key.values and key.selected_at_most <= most, "values of a selected key")
        _require(is_selectable(domain, most), "selected key")
    else:
        _require(key.values == key_values(domain, most), "key values")


def check_size(aggregate: Aggregate) -> None:
    """Refused SQL_TOO_COMPLEX beyond 2,000 expression parts, depth 40, 32 measures or 6 joins."""
    relations = list(relations_of(aggregate.input))
    roots = [(level, e) for level, relation in relations for e in expressions_of(relation)]
    count = 0
    for level, root in (*roots, *((0, e) for e in expressions_above(aggregate))):
        for depth, _ in parts_of(root):
            count += 1
            _limit(level + depth, MOST_DEPTH, "nested expressions")
            _limit(count, MOST_EXPRESSIONS, "expressions")
    _limit(max(depth for depth, _ in relations), MOST_DEPTH, "nested queries")
    _limit(len(aggregate.measures), MOST_MEASURES, "aggregates")
    _limit(len(aggregate.grouping_sets), MOST_SETS, "grouping sets")
    _limit(sum(isinstance(r, PersonJoin | PrivateJoin | UnionAll) for _, r in relations), MOST_JOINS, "joins")


def _limit(found: int, most: int, what: str) -> None:
    if found > most:
        raise Refused("SQL_TOO_COMPLEX", what=f"more than {most} {what}")


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Refused("POLICY_PLAN_INVALID", internal=what)


def _supported(holds: bool, what: str) -> None:
    if not holds:
        raise Refused("POLICY_NOT_SUPPORTED", operator=what)


def _check_texts(aggregate: Aggregate) -> None:
    """Names and texts must show on a guardian's page as what they are."""
    names: list[str] = []
    roots = list(expressions_above(aggregate))
    for _, relation in relations_of(aggregate.input):
        roots += expressions_of(relation)
        match relation:
            case Project(columns=made) | PersonAggregate(features=made):
                names += [new.name for new in made]
    _require(all(0 < len(name) <= NAME_LENGTH and name.isprintable() for name in names), "names")
    for root in roots:
        for _, part in parts_of(root):
            if isinstance(part, Literal) and isinstance(part.value, str) and not part.value.isprintable():
                raise Refused("SQL_TEXT_UNPRINTABLE")


def _check_sets(aggregate: Aggregate) -> None:
    sets = [grouping_set.keys for grouping_set in aggregate.grouping_sets]
    _require(0 < len(set(sets)) == len(sets), "grouping sets")
    _require(all(list(keys) == sorted(set(keys)) for keys in sets), "order of keys")
    used = {key for keys in sets for key in keys}
    _require(used == set(range(len(aggregate.keys))), "keys of the grouping sets")


def _check_measure(measure: Measure, scope: Scope) -> None:
    statistic, expression, clamp = measure.statistic, measure.expression, measure.clamp
    _require((expression is not None) == (statistic in (*_CLAMPED, Statistic.COUNT_PRESENT)), "measure's expression")
    _require((clamp is not None) == (statistic in _CLAMPED), "measure's clamp")
    _require(measure.weight <= MOST_WEIGHT, "measure's weight")
    if measure.filter is not None:
        check_condition(measure.filter, scope, "FILTER")
    if expression is None:
        return
    domain = domain_of(expression, scope)
    if clamp is None:
        return
    dates = {Type.DATE} if statistic is Statistic.QUANTILE_TREE else set()
    if domain.type not in {Type.INTEGER, Type.DECIMAL} | dates:
        raise Refused("SQL_TYPE_MISMATCH", function=statistic.name, expected="a number")
    widest = clamp_of(domain)
    _require(widest.lower <= clamp.lower and clamp.upper <= widest.upper, "clamp")


def columns_read(plan: Plan, catalogue: Catalogue) -> Mapping[str, frozenset[str]]:
    """For each dataset of the plan, the columns its answer depends on; the person column where persons are counted,
    grouped or joined.

    Claim: a column not listed cannot influence the answer; filters count, columns and features nobody uses do not.
    Because: names are followed from the aggregate through each relation down to the scans.
    Checked by: tests/trusted_numerics/test_verify.py::test_columns_follow_lineage
                tests/sources/test_persons.py::test_columns_follow_lineage_through_joins
                tests/trusted_numerics/test_join.py::test_columns_follow_lineage_through_private_joins
    """
    aggregate, read = plan.aggregate, dict[str, frozenset[str]]()
    needed = frozenset().union(*map(names_in, expressions_above(aggregate)))
    if any(m.statistic is Statistic.COUNT_PERSONS for m in aggregate.measures):
        needed |= {person_of(aggregate.input, catalogue)}
    below: list[tuple[Relation, frozenset[str]]] = [(aggregate.input, needed)]
    while below:
        relation, needed = below.pop()
        match relation:
            case Scan(dataset=name):
                read[name] = read.get(name, frozenset()) | (needed & scope_of(relation, catalogue).keys())
            case Filter(input=source, predicate=predicate):
                below.append((source, needed | names_in(predicate)))
            case Project(input=source, columns=columns):
                made = {column.name: names_in(column.expression) for column in columns}
                below.append((source, frozenset().union(*(made.get(name, {name}) for name in needed))))
            case PersonAggregate(input=source, features=features):
                used = [e for f in features if f.name in needed for e in (f.expression, f.filter) if e is not None]
                person = frozenset({person_of(source, catalogue)})
                below.append((source, person.union(*map(names_in, used))))
            case PersonJoin(left=left, right=right) | PrivateJoin(left=left, right=right):
                one_sided = isinstance(relation, PersonJoin) and relation.join in (JoinKind.SEMI, JoinKind.ANTI)
                for side in (left, right):
                    kept = needed if side is left or not one_sided else frozenset[str]()
                    below.append((side, (kept & scope_of(side, catalogue).keys()) | {person_of(side, catalogue)}))
            case UnionAll(left=left, right=right):
                renamed = {person_of(left, catalogue): person_of(right, catalogue)}
                below += [(left, needed), (right, frozenset(renamed.get(name, name) for name in needed))]
    return read


def operations_used(plan: Plan) -> frozenset[Operation]:
    """What an agreement must allow besides the columns."""
    aggregate, used = plan.aggregate, {Operation.AGGREGATE}
    if any(m.statistic is Statistic.QUANTILE_TREE for m in aggregate.measures):
        used.add(Operation.QUANTILE)
    if any(key.selected_at_most for key in aggregate.keys):
        used.add(Operation.KEY_SELECTION)
    if any(isinstance(relation, PrivateJoin) for _, relation in relations_of(aggregate.input)):
        used.add(Operation.PRIVATE_JOIN)
    return frozenset(used)
