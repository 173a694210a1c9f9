"""One small catalogue, and short ways to write expressions over it."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.dates import day_number
from engine.trusted.domains import key_values, scope_of
from engine.trusted.plan import (
    Aggregate,
    Call,
    Clamp,
    ColumnRef,
    Expression,
    Function,
    GroupingSet,
    Key,
    Literal,
    Measure,
    Plan,
    Scan,
    Statistic,
    Type,
)
from engine.trusted.records import Rules
from engine.trusted.wire import digest, encode


def _bounds(lower: int | str, upper: int | str) -> Bounds:
    return Bounds(Fraction(lower), Fraction(upper))


COLUMNS = (
    Column("person_id", Type.TEXT),
    Column("region", Type.TEXT, domain=("N", "S", "E", "W")),
    Column("town", Type.TEXT, domain=("Aix", "aix", " x-1", "Öl")),
    Column("flag", Type.BOOLEAN, nullable=True),
    Column("age", Type.INTEGER, bounds=_bounds(-3, 12), nullable=True),
    Column("visits", Type.INTEGER, bounds=_bounds(0, 100)),
    Column("huge", Type.INTEGER),
    Column("income", Type.DECIMAL, bounds=_bounds(0, 2000), step=Fraction(1, 100)),
    Column("ratio", Type.DECIMAL, bounds=_bounds("1/10", "7/10")),
    Column("change", Type.DECIMAL, bounds=_bounds(-5, 3), step=Fraction(1, 4)),
    Column("paid", Type.DATE, bounds=Bounds(day_number(date(2019, 11, 25)), day_number(date(2021, 3, 2)))),
    Column("born", Type.DATE, bounds=Bounds(day_number(date(1890, 2, 28)), day_number(date(2010, 12, 31)))),
    Column("free", Type.TEXT),
)


def catalogue_of(
    *, rows: int = 1, groups: int = 1, overlap: int = 1, hosts: int = 2, persons: int = 10**6, most: int = 10**7
) -> Catalogue:
    people = Dataset(
        name="people",
        title="Residents",
        about="",
        hosts=tuple(f"node-{i}" for i in range(hosts)),
        person=PersonUnit("person_id", "nino", IdentifierForm.UPPER_ALNUM),
        overlap=overlap,
        rows_per_person=rows,
        groups_per_person=groups,
        placement="resident",
        at_most_persons=persons,
        at_most_rows=most,
        columns=COLUMNS,
    )
    return Catalogue(1, "demo", (people,))


def departments(*, left: tuple[int, int] = (2, 2), right: tuple[int, int] = (3, 2), persons: int = 10**6) -> Catalogue:
    """Two departments with the same persons; ``left`` and ``right``: rows and groups of one person."""

    def dataset(name: str, host: str, bounds: tuple[int, int], columns: tuple[Column, ...]) -> Dataset:
        person = PersonUnit("person_id", "nino", IdentifierForm.UPPER_ALNUM)
        about = (name, name.title(), "", (host,), person, 1, *bounds, name, persons, persons * bounds[0])
        return Dataset(*about, columns=(COLUMNS[0], *columns))

    wages = (
        Column("sector", Type.TEXT, domain=("A", "B", "C")),
        Column("hours", Type.INTEGER, bounds=_bounds(-3, 12)),
        Column("wage", Type.DECIMAL, bounds=_bounds(0, 2000), step=Fraction(1, 100)),
        Column("share", Type.DECIMAL, bounds=_bounds("1/10", "7/10")),
        Column("employer", Type.TEXT),
    )
    claims = (
        Column("region", Type.TEXT, domain=("N", "S")),
        Column("open", Type.BOOLEAN, nullable=True),
        Column("days", Type.INTEGER, bounds=_bounds(0, 7)),
        Column("change", Type.DECIMAL, bounds=_bounds(-5, 3), step=Fraction(1, 4)),
    )
    return Catalogue(1, "demo", (dataset("wages", "tax", left, wages), dataset("claims", "social", right, claims)))


def column(name: str) -> ColumnRef:
    return ColumnRef(name)


def call(function: str, *arguments: Expression) -> Call:
    return Call(Function[function], arguments)


def value(of: bool | int | Fraction | date | str) -> Literal:
    kinds: dict[type, Type] = {
        bool: Type.BOOLEAN,
        int: Type.INTEGER,
        Fraction: Type.DECIMAL,
        date: Type.DATE,
        str: Type.TEXT,
    }
    return Literal(kinds[type(of)], of)


def counted(statistic: Statistic = Statistic.COUNT_ROWS, **rest: Expression) -> Measure:
    return Measure(statistic, **rest)  # type: ignore[arg-type]


def summed(expression: Expression, lower: Fraction | int, upper: Fraction | int, *, centred: bool = False) -> Measure:
    statistic = Statistic.CENTRED_SUM if centred else Statistic.SUM
    return Measure(statistic, expression, None, Clamp(Fraction(lower), Fraction(upper)))


def plan_of(catalogue: Catalogue, *measures: Measure, keys: tuple[str, ...] = ("region",), total: bool = False) -> Plan:
    scope = scope_of(Scan("people"), catalogue)
    listed = tuple(Key(ColumnRef(k), key_values(scope[k], 0)) for k in keys)
    sets = (GroupingSet(tuple(range(len(keys)))), *((GroupingSet(()),) if total and keys else ()))
    return Plan(1, digest(encode(catalogue)), Aggregate(Scan("people"), listed, sets, measures))


RULES = Rules(n_min=0, f=0, max_keys=0, max_cells=0, caps=(), committee=3)
