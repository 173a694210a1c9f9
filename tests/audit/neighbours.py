"""Neighbouring data: what one person's rows may look like, written from how such systems were broken before.

A kind gives the records of one person, who is then in one of two data sets that are otherwise the same; or it changes
what must not matter at all (``same``): the order of rows, rows without a person. Where several datasets are of one
placement, the person's rows come and go in all of them at once, or the person is in some of them only.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from world import CATALOGUE, Record

from engine.trusted.catalogue import Column, Dataset
from engine.trusted.dates import day_of
from engine.trusted.plan import Type

Records = Callable[[Dataset], list[Record]]
PERSON = "777"
SELDOM, OFTEN, ALWAYS = 40, 6, 1
NUMBERS = ("NaN", "inf", "-Infinity", "-0", "-0.0", "1e-320", "5e-324", "9007199254740992", "9007199254740993", "1e308")
NUMBERS += (
    "-9223372036854775808",
    "9223372036854775807",
    "9223372036854775808",
    "-1e309",
    "0x10",
    "1_000",
    "1,5",
    "NULL",
)
NUMBERS += ("not a number", "4503599627370497", "0.004999999999999999", "")
DATES = (
    "",
    "2000-02-30",
    "0000-00-00",
    "99999-01-01",
    "2001-02-03 04:05:06",
    "infinity",
    "-4000-01-01",
    "02/03/2001",
    "x",
)
TEXTS = ("", "undeclared", "'; DROP TABLE rows; --", '"', "%", "Ünï\u202e", " N", "n", "x" * 5000, "NULL", "\t", "A\nB")
TRUTHS = ("", "TRUE", "t", "maybe", "1", "0", "yes", "NULL")
ODD = {Type.INTEGER: NUMBERS, Type.DECIMAL: NUMBERS, Type.DATE: DATES, Type.TEXT: TEXTS, Type.BOOLEAN: TRUTHS}


def end(column: Column, upper: bool, beyond: bool = False) -> str:
    """The end of a column's domain, or a value far outside its bounds."""
    if column.type is Type.TEXT:
        return (column.domain or ("xa", "b"))[-1 if upper else 0]
    if column.type is Type.BOOLEAN:
        return "true" if upper else "false"
    if column.bounds is None:
        return "1e15" if upper else "-1e15"
    value = column.bounds.upper if upper else column.bounds.lower
    if column.type is Type.DATE:
        return ("2900-01-01" if upper else "1000-01-01") if beyond else day_of(value).isoformat()
    value += (1 if upper else -1) * (abs(value) + 1) * 3 if beyond else 0
    return str(int(value)) if column.type is Type.INTEGER else format(float(value), ".12g")


def record(dataset: Dataset, cell: Callable[[Column], str], person: str = PERSON) -> Record:
    return {c.name: person if c.name == dataset.person.column else cell(c) for c in dataset.columns}


def mixed(dataset: Dataset, position: int, cell: Callable[[Column], str]) -> Record:
    """Numbers by ``cell``; each text and truth value its ``position``-th one: the row's group."""

    def value(column: Column) -> str:
        if column.type is Type.TEXT:
            values = column.domain or ("a", "b")
            return values[position % len(values)]
        return ("true", "false")[position % 2] if column.type is Type.BOOLEAN else cell(column)

    return record(dataset, value)


@dataclass(frozen=True)
class Kind:
    """``everywhere``: at each host, if the overlap allows it; ``same``: must not be seen; ``present``: the datasets of
    a placement in which the person has rows (none named: in all); ``every``: how seldom the short form tries it."""

    name: str
    records: Records
    everywhere: bool = False
    same: bool = False
    present: tuple[str, ...] = ()
    every: int = SELDOM

    def among(self, held: tuple[Dataset, ...]) -> bool:
        """Whether the kind says anything about these datasets that another kind does not."""
        if self.everywhere and all(d.overlap == 1 for d in held):
            return False
        return not self.present or not {d.name for d in held}.isdisjoint(self.present)

    def rows(self, dataset: Dataset) -> list[Record]:
        return self.records(dataset) if not self.present or dataset.name in self.present else []


def _ends(upper: bool, times: float = 1, beyond: bool = False, spread: bool = False) -> Records:
    def records(dataset: Dataset) -> list[Record]:
        count = max(1, int(dataset.rows_per_person * times))
        return [mixed(dataset, i if spread else 0, lambda c: end(c, upper, beyond)) for i in range(count)]

    return records


def _turned(dataset: Dataset) -> list[Record]:
    """High in one dataset of a placement, low in the next."""
    turn = datasets().index(dataset) % 2 == 0
    return [mixed(dataset, 0, lambda c: end(c, turn)) for _ in range(dataset.rows_per_person)]


def _one_text(position: int, upper: bool) -> Records:
    def records(dataset: Dataset) -> list[Record]:
        return [mixed(dataset, position, lambda c: end(c, upper))] * dataset.rows_per_person

    return records


def _opposite(dataset: Dataset) -> list[Record]:
    """High and low ends in turn: a sum where what is kept matters."""
    return [mixed(dataset, i // 2, lambda c, up=i % 2 == 0: end(c, up)) for i in range(4 * dataset.rows_per_person)]


def _crossed(dataset: Dataset) -> list[Record]:
    """Each number at the other end than the one before it."""
    ups = {c.name: i % 2 == 0 for i, c in enumerate(dataset.columns)}
    return [mixed(dataset, i % 2, lambda c: end(c, ups[c.name])) for i in range(dataset.rows_per_person)]


def _spellings(dataset: Dataset) -> list[Record]:
    """More rows than one may have, under every spelling that the identifier's form makes one."""
    forms = {
        "DIGITS": ("777", "7-77", " 77 7 ", "NHS 777"),
        "UPPER_ALNUM": ("a7", "A-7", " a 7", "A.7"),
        "AS_IS": ("777",),
        "WHOLE_NUMBER": ("777", "00777", " 7-77"),
        "NHS_NUMBER": ("9434765919", "943 476 5919", "943-476-5919"),
        "NINO": ("QQ123456", "qq 12 34 56", "QQ123456C", "QQ 12 34 56 D"),
    }
    names = forms[dataset.person.form.name]
    one = [record(dataset, lambda c: end(c, True), name) for name in names for _ in range(dataset.rows_per_person)]
    return one + one


def _odd(turn: int) -> Records:
    """In each column an odd value of its type, another one at each turn."""

    def records(dataset: Dataset) -> list[Record]:
        places = {c.name: i for i, c in enumerate(dataset.columns)}
        odd = record(dataset, lambda c: ODD[c.type][(turn + places[c.name]) % len(ODD[c.type])])
        return [odd] * (dataset.rows_per_person + 1)

    return records


def _nobody(dataset: Dataset) -> list[Record]:
    blanks = {
        "DIGITS": ("", "none", "--"),
        "UPPER_ALNUM": ("", " - "),
        "AS_IS": ("",),
        "WHOLE_NUMBER": ("", "none"),
        "NHS_NUMBER": ("", "9434765918", "943476591"),
        "NINO": ("", "QQ12345", "1Q123456"),
    }[dataset.person.form.name]
    return [record(dataset, lambda c: end(c, True), blank) for blank in blanks for _ in range(20)]


KINDS = (
    Kind("one row, high", _ends(True, 0)),
    Kind("all rows, high, one group", _ends(True), every=ALWAYS),
    Kind("all rows, low, one group", _ends(False), every=ALWAYS),
    Kind("all rows, high, second group", _one_text(1, True)),
    Kind("all rows, low, second group", _one_text(1, False)),
    Kind("all rows, high, spread", _ends(True, spread=True), every=ALWAYS),
    Kind("all rows, low, spread", _ends(False, spread=True)),
    Kind("far above the bounds", _ends(True, beyond=True)),
    Kind("far below the bounds", _ends(False, beyond=True, spread=True)),
    Kind("fan-out, one group", _ends(True, 200)),
    Kind("fan-out, many groups", _ends(True, 200, spread=True), every=OFTEN),
    Kind("fan-out, low", _ends(False, 50, spread=True)),
    Kind("rows that cancel", _opposite),
    Kind("ends crossed", _crossed, every=OFTEN),
    Kind("one person, several spellings", _spellings, every=OFTEN),
    Kind("at every host, high", _ends(True), everywhere=True, every=ALWAYS),
    Kind("at every host, fan-out", _ends(True, 30, spread=True), everywhere=True),
    Kind("at every host, low", _ends(False), everywhere=True),
    Kind("only a resident", _ends(True), present=("residents",), every=ALWAYS),
    Kind("only stays", _ends(True, spread=True), present=("stays",), every=ALWAYS),
    Kind("only claims", _ends(False), present=("claims",)),
    Kind("no resident", _ends(True, 30, spread=True), present=("stays", "claims")),
    Kind("no stays", _ends(True), present=("residents", "claims")),
    Kind("no claims", _ends(False), present=("residents", "stays")),
    Kind("high and low in turn", _turned, present=("residents", "stays", "claims"), every=OFTEN),
    *(Kind(f"odd values, turn {turn}", _odd(turn)) for turn in range(len(NUMBERS))),
    Kind("rows without a person", _nobody, same=True, every=OFTEN),
)


@lru_cache(maxsize=64)
def crowd(dataset: Dataset, persons: int, seed: int = 1, odd: float = 0.1) -> list[Record]:
    """Random persons with up to two rows more than they may have; some values are odd ones. In a dataset that is
    placed with others a third of them have no row."""
    rng = random.Random(f"{dataset.name} {seed}")
    missing = 0.3 if dataset.placement != dataset.name else 0
    return [
        record(dataset, lambda c: any_value(c, rng, odd), str(1000 + person))
        for person in range(persons)
        for _ in range(rng.randint(1, dataset.rows_per_person + 2) if rng.random() >= missing else 0)
    ]


def any_value(column: Column, rng: random.Random, odd: float = 0.3) -> str:
    if rng.random() < odd:
        return rng.choice((rng.choice(ODD[column.type]), end(column, rng.random() < 0.5, rng.random() < 0.5)))
    if column.type is Type.TEXT:
        return rng.choice(column.domain or ("a", "b", "c"))
    if column.type is Type.BOOLEAN:
        return rng.choice(("true", "false"))
    if column.bounds is None:
        return format(rng.uniform(-10, 10), ".6g")
    lower, upper = column.bounds.lower, column.bounds.upper
    value = lower + (upper - lower) * Fraction(rng.randint(0, 10**9), 10**9)
    if column.type is Type.DATE:
        return day_of(Fraction(int(value))).isoformat()
    return str(int(value)) if column.type is Type.INTEGER else format(float(value), ".9g")


def datasets() -> tuple[Dataset, ...]:
    return CATALOGUE.datasets


def placements() -> tuple[tuple[Dataset, ...], ...]:
    """The datasets that are of one placement together."""
    names = dict.fromkeys(d.placement for d in CATALOGUE.datasets)
    return tuple(tuple(d for d in CATALOGUE.datasets if d.placement == name) for name in names)
