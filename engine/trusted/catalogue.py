"""The catalogue: what the columns, keys and bounds of every dataset mean, as frozen types.

Written by people in YAML, compiled by engine/catalogue, signed inside the federation manifest, and read by nodes
in this form only. ``catalogue_digest`` of a plan is SHA-256 of the encoded ``Catalogue``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from engine.trusted.plan import Expression, NamedExpression, Type

CATALOGUE_VERSION = 1
DEFAULT_PERSONS = 100_000_000


class IdentifierForm(enum.Enum):
    """Normal form of a person's identifier, applied inside the database."""

    AS_IS = 1
    UPPER_ALNUM = 2
    DIGITS = 3


@dataclass(frozen=True, slots=True)
class PersonUnit:
    column: str
    identifier: str
    form: IdentifierForm


@dataclass(frozen=True, slots=True)
class Bounds:
    """Inclusive; integers and decimals as themselves, dates as days since 1970-01-01."""

    lower: Fraction
    upper: Fraction

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("lower bound above upper bound")


@dataclass(frozen=True, slots=True)
class Column:
    """``domain`` holds the values of a text column; ``step`` the grid of a decimal one."""

    name: str
    type: Type
    about: str = ""
    unit: str = ""
    nullable: bool = False
    domain: tuple[str, ...] = ()
    bounds: Bounds | None = None
    step: Fraction | None = None


@dataclass(frozen=True, slots=True)
class PerPersonBound:
    column: str
    sum: Bounds


@dataclass(frozen=True, slots=True)
class Dataset:
    """One logical table. ``overlap``: at how many hosts one person may appear; ``at_most_*`` are per host."""

    name: str
    title: str
    about: str
    hosts: tuple[str, ...]
    person: PersonUnit
    overlap: int
    rows_per_person: int
    groups_per_person: int
    placement: str
    at_most_persons: int
    at_most_rows: int
    columns: tuple[Column, ...]
    per_person: tuple[PerPersonBound, ...] = ()

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Catalogue:
    version: int
    federation: str
    datasets: tuple[Dataset, ...]

    def dataset(self, name: str) -> Dataset | None:
        return next((d for d in self.datasets if d.name == name), None)


class SourceKind(enum.Enum):
    DUCKDB = 1
    POSTGRES = 2
    TRINO = 3
    SPARK = 4


@dataclass(frozen=True, slots=True)
class LocalColumn:
    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class DatasetBinding:
    """How one node makes a dataset from its own table; ``columns`` has one entry for each dataset column."""

    dataset: str
    kind: SourceKind
    files: tuple[str, ...]
    local_columns: tuple[LocalColumn, ...]
    columns: tuple[NamedExpression, ...]
    consent: Expression | None = None
    consent_version: int = 0


@dataclass(frozen=True, slots=True)
class NodeBinding:
    version: int
    node: str
    datasets: tuple[DatasetBinding, ...]
