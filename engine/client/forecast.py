"""What a statement would cost and how wrong its figures would be, before anything is sent or spent.

Counts and sums: exact, from the calibration every node would compute, with all hosts answering. Means, ratios,
quantiles and the like: by the simulation that gives intervals after a release (engine/sql/spread.py), around the
figures that assumed rows would have (assumed.py). Nothing is read but the catalogue and signed records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

from engine.client.assumed import Assumption, assume, assumed_group, shapes
from engine.client.cost import Asker, Cost, shares_of
from engine.client.terms import Price, least_nodes, price_of, require_delta
from engine.client.units import units_of as column_units
from engine.sql.evaluate import evaluate
from engine.sql.figures import Line, leaf_value, units_of
from engine.sql.finish import SEED
from engine.sql.moments import VARIANCES
from engine.sql.spread import Simulation
from engine.sql.statement import KeyLeaf, MomentLeaf, Output, Statement, Widen
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import Catalogue
from engine.trusted.join import is_join
from engine.trusted.plan import Aggregate, ColumnRef, Type
from engine.trusted.records import Loss, Rules
from engine.trusted.selection import UNIT, choice_of
from engine.trusted.stability import stability_of
from engine.trusted.walk import names_in
from engine.trusted.wording import in_sql

if TYPE_CHECKING:
    from engine.client.advice import Advice
    from engine.client.bias import Bias

NOBODY = Asker()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a statement is asked with. ``expected_rows`` are those that WHERE keeps."""

    epsilon: Fraction
    delta: Fraction
    n_min: int | None = None
    expected_rows: int | None = None
    expected_persons: int | None = None


@dataclass(frozen=True, slots=True)
class ColumnError:
    """Error of one column in each cell of one grouping set.

    ``exact``: it is the same whatever the data; else it holds for ``figure``, the value under the assumption.
    ``half_width``: of the 95 % interval. None for it and ``deviation``: noise is so large that there may be no figure.
    ``relative``: half width by figure; None where the assumed figure is no measure of what is to be expected.
    ``unit``: of the column; empty where none is sure.
    """

    column: str
    keys: tuple[str, ...]
    cells: int
    exact: bool
    figure: float | None
    deviation: float | None
    half_width: float | None
    relative: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Forecast:
    """``variance_factor``: what n_min and f cost in variance, against n_min = all hosts and f = 0."""

    columns: tuple[ColumnError, ...]
    assumption: Assumption
    cost: Cost
    n_min: int
    variance_factor: float
    bias: tuple[Bias, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        from engine.client.shown import forecast_grid

        return forecast_grid(self).as_text()

    def _repr_html_(self) -> str:
        from engine.client.shown import forecast_grid

        return forecast_grid(self).as_html()


def forecast(statement: Statement, catalogue: Catalogue, rules: Rules, terms: Terms, asker: Asker = NOBODY) -> Forecast:
    """The forecast of a prepared statement; nothing is read from any data.

    ``asker``: for the shares of an agreement's and an analyst's budgets. Raises Refused SQL_EPSILON_RANGE,
    SQL_DELTA_RANGE, SQL_TOO_LARGE, POLICY_N_MIN_HOSTS, POLICY_TOO_FEW_HONEST.
    """
    from engine.client.advice import advise
    from engine.client.bias import biases

    require_delta(terms.delta)
    aggregate = statement.plan.aggregate
    hosts = stability_of(aggregate.input, catalogue).hosts
    joins = is_join(aggregate)  # each of the two owners adds all of the noise, whatever is assumed of the other
    n_min = least_nodes(rules, hosts, terms.n_min, joins=joins)
    honest = len(hosts) if joins else n_min - rules.f
    price = price_of(terms.epsilon, terms.delta, statement.plan)
    loss = price.total
    assumption = assume(aggregate, catalogue, terms.expected_rows, terms.expected_persons)
    columns = errors_of(statement, catalogue, price.answer, (n_min, rules.f), assumption)
    found = Forecast(
        columns=columns,
        assumption=assumption,
        cost=Cost(terms.epsilon, terms.delta, loss, hosts, shares_of(statement.plan, catalogue, rules, loss, asker)),
        n_min=n_min,
        variance_factor=len(hosts) / honest,
        bias=biases(statement, catalogue, assumption),
        advice=(),
        notes=(*statement.notes, *_threshold(price, aggregate, catalogue), *_notes(n_min, rules.f, len(hosts), honest)),
    )
    return replace(found, advice=advise(statement, catalogue, rules, found))


def errors_of(
    statement: Statement, catalogue: Catalogue, loss: Loss, least: tuple[int, int], assumption: Assumption
) -> tuple[ColumnError, ...]:
    """One a noisy column and grouping set; ``least``: n_min and f. All hosts answer. Window functions have none: their
    error depends on all rows of the answer together."""
    aggregate = statement.plan.aggregate
    hosts = stability_of(aggregate.input, catalogue).hosts
    units = units_of(statement, catalogue, calibrate(statement.plan, catalogue, loss, *least), len(hosts))
    simulation = Simulation(dict(statement.leaves), units, np.random.default_rng(SEED))
    windows = {name for step in statement.steps if isinstance(step, Widen) for name, _ in step.windows}
    noisy = [o for o in statement.outputs if o.type in (Type.INTEGER, Type.DECIMAL)]
    noisy = [o for o in noisy if not windows & names_in(o.expression) and simulation.is_figure(o.expression)]
    of = dict(zip(statement.outputs, column_units(statement, catalogue), strict=True))
    found = []
    for chosen, shape in enumerate(shapes(aggregate)):
        group = assumed_group(statement, catalogue, units, chosen, assumption)
        row = {name: leaf_value(leaf, group, units) for name, leaf in statement.leaves}
        line = Line(0, group, row)
        keys = key_names(statement, aggregate.grouping_sets[chosen].keys)
        for output in noisy:
            value = evaluate(output.expression, row)
            spread = simulation.spread(output.expression, value, line)
            number = float(value) if isinstance(value, int | Fraction) else None
            exact = simulation.is_linear(output.expression, row)
            half = None if spread is None else (spread.high - spread.low) / 2
            relative = half / abs(number) if half is not None and number and _is_typical(statement, output) else None
            deviation = None if spread is None else spread.deviation
            size = (exact, number, deviation, half, relative, of[output])
            found.append(ColumnError(output.name, keys, prod(shape), *size))
    return tuple(found)


def _is_typical(statement: Statement, output: Output) -> bool:
    """Not for what independent columns have none of: covariances and the like."""
    leaves = dict(statement.leaves)
    used = (leaves[name] for name in names_in(output.expression))
    return not any(isinstance(leaf, MomentLeaf) and leaf.figure not in VARIANCES for leaf in used)


def key_names(statement: Statement, keys: Sequence[int]) -> tuple[str, ...]:
    """Keys as the answer names them, else as SQL."""
    leaves = dict(statement.leaves)

    def shown(output: Output) -> int | None:
        leaf = leaves.get(output.expression.name) if isinstance(output.expression, ColumnRef) else None
        return leaf.key if isinstance(leaf, KeyLeaf) else None

    names = {key: o.name for o in reversed(statement.outputs) if (key := shown(o)) is not None}
    return tuple(names.get(key) or in_sql(statement.plan.aggregate.keys[key].expression) for key in keys)


def _threshold(price: Price, aggregate: Aggregate, catalogue: Catalogue) -> tuple[str, ...]:
    """Of a selected key: how many persons a value needs."""
    if price.selection is None:
        return ()
    stability = stability_of(aggregate.input, catalogue)
    persons = ceil(Fraction(choice_of(price.selection, stability.overlap, stability.groups).threshold, UNIT))
    several = "" if stability.groups == 1 else ", more where they have several values"
    return (
        f"A value of the key is shown if about {persons} persons of one node have it{several}; rarer ones are not.",
    )


def _notes(n_min: int, f: int, hosts: int, honest: int) -> tuple[str, ...]:
    notes = []
    if honest < hosts:
        factor = hosts / honest
        reason = f"n_min is {n_min} of {hosts}" + (f" and {f} assumed corrupt" if f else "")
        notes.append(
            f"{reason}: noise is sized for {honest}, so with all {hosts} answering the variance is"
            f" {factor:.3g} times, the error {sqrt(factor):.3g} times, that of n_min = {hosts} without corrupt nodes."
        )
    return tuple(notes)
