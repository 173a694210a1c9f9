"""The catalogue: what the columns, keys and bounds of every dataset mean.

Written by people in YAML, compiled by engine/catalogue, signed inside the federation manifest, and read by nodes
in this form only. ``catalogue_digest`` of a plan is SHA-256 of the encoded ``Catalogue``.

Generated from catalogue.proto by protos/build.py; do not edit.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from engine.trusted.literal import Type
from engine.trusted.plan import Expression, NamedExpression

CATALOGUE_VERSION = 1
DEFAULT_PERSONS = 100_000_000


class IdentifierForm(enum.Enum):
    AS_IS = 1
    UPPER_ALNUM = 2  # letters, in upper case, and digits
    DIGITS = 3  # digits
    WHOLE_NUMBER = 4  # digits without leading zeros
    NHS_NUMBER = 5  # ten digits, the last of which checks the others; anything else names nobody
    NINO = 6  # two letters and six digits, without the suffix; anything else names nobody


@dataclass(frozen=True, slots=True)
class Catalogue:
    version: int  # 1
    federation: str
    datasets: tuple[Dataset, ...]

    def dataset(self, name: str) -> Dataset | None:
        return next((held for held in self.datasets if held.name == name), None)


@dataclass(frozen=True, slots=True)
class PersonUnit:
    column: str
    identifier: str
    form: IdentifierForm


@dataclass(frozen=True, slots=True)
class Dataset:
    name: str
    title: str
    about: str
    hosts: tuple[str, ...]
    person: PersonUnit
    overlap: int  # at how many hosts one person may appear; always explicit here
    rows_per_person: int
    groups_per_person: int
    placement: str
    at_most_persons: int  # per host
    at_most_rows: int
    columns: tuple[Column, ...]
    per_person: tuple[PerPersonBound, ...] = ()

    def column(self, name: str) -> Column | None:
        return next((held for held in self.columns if held.name == name), None)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    about: str = ""
    unit: str = ""
    nullable: bool = False
    domain: tuple[str, ...] = ()  # text only
    bounds: Bounds | None = None
    step: Fraction | None = None  # decimal only


@dataclass(frozen=True, slots=True)
class Bounds:
    """Inclusive. Integers and decimals as themselves, dates as days since 1970-01-01."""

    lower: Fraction
    upper: Fraction

    def __post_init__(self) -> None:
        if self.lower > self.upper:
            raise ValueError("lower bound above upper bound")


@dataclass(frozen=True, slots=True)
class PerPersonBound:
    column: str
    sum: Bounds


@dataclass(frozen=True, slots=True)
class NodeBinding:
    """What one node binds a dataset to; written by a department, compiled from node.toml."""

    version: int
    node: str
    datasets: tuple[DatasetBinding, ...]
    guardians: int = 0  # approvals of this department wanted for each plan; 0: inside an agreement, none


@dataclass(frozen=True, slots=True)
class DatasetBinding:
    dataset: str
    files: tuple[str, ...]  # absolute paths or globs of Parquet or CSV files
    local_columns: tuple[LocalColumn, ...]  # the columns the expressions may name
    columns: tuple[NamedExpression, ...]  # one for each column of the dataset, person included
    consent: Expression | None = None  # rows kept are those where it is TRUE
    consent_version: int = 0
    purposes: tuple[NamedExpression, ...] = ()  # by legal gateway: rows kept for it; none: all


@dataclass(frozen=True, slots=True)
class LocalColumn:
    name: str
    type: Type
