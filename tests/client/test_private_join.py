"""What a join of two departments costs and how wrong its figures are, before it is asked; and dummy rows for it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chi2

from engine.catalogue import load_catalogue
from engine.client.dummy import dummy_rows, identifier
from engine.client.forecast import ColumnError, Terms, forecast
from engine.client.terms import least_nodes, price_of
from engine.errors import Refused
from engine.governance.federation import default_rules
from engine.sql import prepare
from engine.sql.finish import finish
from engine.trusted import ring
from engine.trusted.account import QUINTILLION
from engine.trusted.calibrate import calibrate
from engine.trusted.catalogue import IdentifierForm
from engine.trusted.epsilon import epsilon_of, loss_for
from engine.trusted.join import sizes_of
from engine.trusted.noise import ProductionSampler
from engine.trusted.random import SystemRandomness

CATALOGUE = load_catalogue(Path(__file__).parent.parent / "sql/catalogues/departments.yaml")
RULES = default_rules()
EPSILON, DELTA = Fraction(1), Fraction(1, 10**9)
JOINED = "FROM taxpayers t JOIN residents r ON t.nino = r.person_id"
FINE = f"SELECT r.born, t.region, COUNT(*) AS f {JOINED} GROUP BY r.born, t.region"
ALARM = 1e-9


def column(sql: str, name: str, **terms: int) -> ColumnError:
    statement = prepare(sql, CATALOGUE, RULES)
    found = forecast(statement, CATALOGUE, RULES, Terms(EPSILON, DELTA, **terms))  # type: ignore[arg-type]
    return next(c for c in found.columns if c.column == name)


def test_half_of_delta_hides_sizes_and_epsilon_holds_at_all_of_it() -> None:
    plan = prepare(FINE, CATALOGUE, RULES).plan
    price = price_of(EPSILON, DELTA, plan)
    assert price.selection is None
    assert price.total.delta_quintillionths == DELTA / 2 * QUINTILLION
    assert price.total.rho_billionths == loss_for(EPSILON, DELTA / 2).rho_billionths
    assert Fraction(999, 1000) < epsilon_of(price.total, DELTA) <= EPSILON
    assert 25 < sizes_of(price.total).sigma < 40  # persons
    for epsilon, delta, code in ((EPSILON, Fraction(1, 10**16), "SQL_DELTA_RANGE"), (0, DELTA, "SQL_EPSILON_RANGE")):
        with pytest.raises(Refused, match=code):
            price_of(Fraction(epsilon), delta, plan)
    with pytest.raises(Refused, match="SQL_EPSILON_RANGE"):
        price_of(Fraction(1, 10**5), DELTA, plan)  # a rho of which a sixteenth is nothing


def test_both_owners_answer() -> None:
    hosts = ("tax", "social")
    for rules in (RULES, replace(RULES, n_min=1), replace(RULES, f=1)):
        assert least_nodes(rules, hosts, None, joins=True) == least_nodes(rules, hosts, 2, joins=True) == 2
    for n_min in (1, 3):
        with pytest.raises(Refused, match="POLICY_N_MIN_JOIN"):
            least_nodes(RULES, hosts, n_min, joins=True)
    assert column(FINE, "f", n_min=2) == column(FINE, "f")


def test_forecast_deviation_is_that_of_drawn_releases() -> None:
    """False alarm 1e-9 (chi-square over 333 cells, normal noise); half of the variance, which two nodes of an ordinary
    round would add, is rejected."""
    statement = prepare(FINE, CATALOGUE, RULES)
    calibration = calibrate(statement.plan, CATALOGUE, price_of(EPSILON, DELTA, statement.plan).answer, 2, 0)
    sampler, total = ProductionSampler(SystemRandomness()), ring.from_integers([0] * calibration.cells)
    for _ in range(2):
        drawn = sampler.gaussian(calibration.sigma, calibration.cells).tolist()
        total = ring.add(total, ring.from_integers(drawn))
    answer, found = finish(statement, CATALOGUE, calibration, ring.to_signed(total), 2), column(FINE, "f")
    values = np.array([float(row[2]) for row in answer.rows])  # type: ignore[arg-type]
    low, high = chi2.ppf([ALARM / 2, 1 - ALARM / 2], len(values))

    def fits(deviation: float) -> bool:
        return bool(low < float((values**2).sum()) / deviation**2 < high)

    assert found.exact
    assert len(values) == 333
    assert fits(found.deviation or 0)
    assert not fits((found.deviation or 0) / sqrt(2))
    rho = sizes_of(price_of(EPSILON, DELTA, statement.plan).answer).noise.rho_billionths
    assert found.deviation == pytest.approx(sqrt(2 * 1e9 / (2 * rho)), rel=0.01)
    assert [d["f"] for d in answer.deviations] == pytest.approx([found.deviation] * 333)


def test_a_forecast_says_what_is_released_to_whom() -> None:
    statement = prepare(FINE, CATALOGUE, RULES)
    found = forecast(statement, CATALOGUE, replace(RULES, f=1), Terms(EPSILON, DELTA))
    assert found.variance_factor == 1
    assert found.cost.nodes == ("tax", "social")
    assert found.n_min == 2
    notes = " ".join(found.notes)
    for words in ("Guardians of tax and of social", "three helpers", "1.41 times", "half of delta"):
        assert words in notes.replace("Three", "three")
    assert not any("n_min" in note for note in found.notes)
    assert found.assumption.persons <= 10_000


@pytest.mark.parametrize("figure", ["AVG(t.wage)", "SUM(t.wage * r.children)", "COVAR_POP(t.wage, r.children)"])
def test_figures_of_both_are_forecast_and_advised_about(figure: str) -> None:
    statement = prepare(f"SELECT r.sex, {figure} AS f {JOINED} GROUP BY r.sex", CATALOGUE, RULES)
    few = forecast(statement, CATALOGUE, RULES, Terms(EPSILON, DELTA, None, 300))
    many = forecast(statement, CATALOGUE, RULES, Terms(EPSILON, DELTA, None, 9_000))
    for found in (few, many):
        assert found.columns[0].half_width is None or found.columns[0].half_width > 0
    assert many.columns[0].half_width is not None
    assert not any("n_min" in advice.words for advice in few.advice)
    if "COVAR" not in figure:  # of independent columns it is no measure
        assert few.advice


@pytest.mark.parametrize("form", IdentifierForm)
def test_dummy_persons_are_named_as_their_form_wants(form: IdentifierForm) -> None:
    """By the rules of each form, written here again; all differ."""
    names = [identifier(form, person) for person in range(1_000_001, 1_003_001)]
    assert len(set(names)) == 3_000
    for name in names[::97]:
        if form is IdentifierForm.NHS_NUMBER:
            assert len(name) == 10
            assert sum(int(digit) * (10 - i) for i, digit in enumerate(name)) % 11 == 0
        elif form is IdentifierForm.NINO:
            assert len(name) == 8
            assert name[:2].isalpha()
            assert name[2:].isdigit()
        else:
            assert name.isdigit()
            assert name[0] != "0"


def test_dummy_persons_are_in_both_departments() -> None:
    rows = dummy_rows(CATALOGUE, prepare(FINE, CATALOGUE, RULES).plan, 400, 1)
    ours = {row["nino"] for row in rows["taxpayers"]["tax"]}
    theirs = {row["person_id"] for row in rows["residents"]["social"]}
    assert len(ours & theirs) > 250
    assert ours - theirs
    assert theirs - ours
