"""A seeded generator with the schema of the simulated files: same tables, same local columns, no download.

People live in households, some in group quarters; adults may hold several jobs; everybody has a social security
number. Deterministic: the same seed gives the same files on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.local.demo.schema import COUNCILS, Table, council_of, write_table

SEED = 20_201_122
HOUSEHOLDS = 4_000
QUARTERS = ("College", "Military", "Nursing home", "Carceral", "Other institutional", "Other noninstitutional")
QUARTERS_SIZE = 125
FORMS_HELD = (0.683, 0.265, 0.045, 0.006, 0.0008, 0.0002)  # 1, 2 ... 6 forms, of people who have any
YOUNGER = np.array(["Biological child", "Stepchild", "Adopted child", "Grandchild", "Other nonrelative"])
OLDER = np.array(["Parent", "Sibling", "Other relative", "Roommate or housemate"])
NAMES = np.array(["Ada", "Ben", "Cleo", "Dev", "Esme", "Femi", "Gwen", "Hugo", "Iris", "Jonah", "Kemi", "Luca"])

Texts = NDArray[np.str_]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class People:
    """One entry a person, in the order of ``household``."""

    household: Numbers
    relationship: Texts
    housing: Texts
    age: Numbers
    female: NDArray[np.bool_]

    @property
    def ids(self) -> list[str]:
        return [f"1_{number}" for number in range(len(self.age))]


def write(folder: Path) -> None:
    """Write the five departments' files below ``folder``, one folder a node."""
    generator = np.random.Generator(np.random.PCG64(SEED))
    people = _people(generator)
    write_table(folder / "tax", Table.TAXES, _taxes(people, generator))
    write_table(folder / "social-security", Table.SOCIAL_SECURITY, _social_security(people, generator))
    census = _census(people)
    councils = np.array([council_of(household) for household in census["household_id"]])
    for council in COUNCILS:
        here = councils == council
        rows = {name: [v for v, keep in zip(values, here, strict=True) if keep] for name, values in census.items()}
        write_table(folder / council, Table.CENSUS, rows)


def _people(generator: np.random.Generator) -> People:
    sizes = generator.choice([1, 2, 3, 4, 5, 6], size=HOUSEHOLDS, p=[0.28, 0.34, 0.16, 0.13, 0.06, 0.03])
    household = np.repeat(np.arange(HOUSEHOLDS), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])
    count = len(household)
    head_age = np.clip(generator.normal(50, 17, HOUSEHOLDS), 18, 99).astype(np.int64)[household]
    partner = (place == 1) & (generator.random(count) < 0.78)
    child = (place > 0) & ~partner & (generator.random(count) < 0.85)
    other_age = generator.integers(18, 90, count)
    child_age = np.clip(head_age - generator.integers(18, 42, count), 0, 60)
    partner_age = np.clip(head_age + generator.integers(-9, 10, count), 18, 100)
    age = np.select([place == 0, partner, child], [head_age, partner_age, child_age], other_age)
    younger = generator.choice(YOUNGER, count, p=[0.83, 0.04, 0.03, 0.07, 0.03])
    spouse = np.where(generator.random(count) < 0.88, "Opposite-sex spouse", "Opposite-sex unmarried partner")
    relationship = np.select(
        [place == 0, partner, child],
        [np.full(count, "Reference person"), spouse, younger],
        generator.choice(OLDER, count),
    )
    return _with_quarters(
        People(household, relationship, np.full(count, "Household"), age, generator.random(count) < 0.508), generator
    )


def _with_quarters(people: People, generator: np.random.Generator) -> People:
    housing = np.repeat(np.array(QUARTERS), QUARTERS_SIZE)
    inside = np.isin(housing, ("Nursing home", "Carceral", "Other institutional"))
    kind = np.where(inside, "Institutionalized", "Noninstitutionalized")
    household = HOUSEHOLDS + np.repeat(np.arange(len(QUARTERS) * 5), QUARTERS_SIZE // 5)
    low, high = np.where(housing == "Nursing home", 65, 18), np.where(housing == "Nursing home", 100, 60)
    return People(
        household=np.concatenate([people.household, household]),
        relationship=np.concatenate([people.relationship, np.char.add(kind, " group quarters population")]),
        housing=np.concatenate([people.housing, housing]),
        age=np.concatenate([people.age, generator.integers(low, high)]),
        female=np.concatenate([people.female, generator.random(len(housing)) < 0.5]),
    )


def _census(people: People) -> dict[str, list[str | int]]:
    return {
        "simulant_id": list(people.ids),
        "household_id": [f"1_{number}" for number in people.household],
        "age": [str(age) for age in people.age],
        "sex": _sexes(people),
        "housing_type": people.housing.tolist(),
        "relationship_to_reference_person": people.relationship.tolist(),
        "year": [2020] * len(people.age),
    }


def _taxes(people: People, generator: np.random.Generator) -> dict[str, list[str | int]]:
    works = (people.age >= 16) & (people.age < 75) & (generator.random(len(people.age)) < 0.82)
    forms = np.where(works, generator.choice([1, 2, 3, 4, 5, 6], len(works), p=FORMS_HELD), 0)
    holder = np.repeat(np.arange(len(works)), forms)
    wages = np.exp(generator.normal(10.05, 0.95, len(holder))).astype(np.int64)
    contractor = generator.random(len(holder)) < 0.06
    return {
        "simulant_id": [f"1_{person}" for person in holder],
        "ssn": [_ssn(int(person)) for person in holder],
        "wages": [str(amount) for amount in wages],
        "employer_name": [f"Employer {number}" for number in generator.integers(1, 900, len(holder))],
        "tax_form": np.where(contractor, "1099", "W2").tolist(),
        "tax_year": [2020] * len(holder),
    }


def _social_security(people: People, generator: np.random.Generator) -> dict[str, list[str | int]]:
    census_day = np.datetime64("2020-04-01")
    born = census_day - (people.age * 365 + people.age // 4 + generator.integers(0, 365, len(people.age)))
    dates = [str(day).replace("-", "") for day in born]
    return {
        "simulant_id": list(people.ids),
        "ssn": [_ssn(person) for person in range(len(dates))],
        "first_name": generator.choice(NAMES, len(dates)).tolist(),
        "date_of_birth": list(dates),
        "sex": _sexes(people),
        "event_type": ["creation"] * len(dates),
        "event_date": list(dates),
    }


def _sexes(people: People) -> list[str | int]:
    return ["Female" if female else "Male" for female in people.female]


def _ssn(person: int) -> str:
    return f"9{person // 10_000:02d}-{person // 100 % 100:02d}-{person % 10_000:04d}"
