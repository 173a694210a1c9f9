"""A card's statement comes from the catalogue, and its table is read back for what it is, or not at all."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from engine.client.publish import HIGH, LOW
from engine.desk.chart import Point, bars
from engine.errors import Refused
from engine.governance import card
from engine.governance.card import ENDS, HIDDEN, Measured, Wanted, statement, wanted_of
from engine.sql import prepare
from engine.trusted import wire
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.plan import Type
from engine.trusted.records import Rules

RULES = Rules(0, 0, 10_000, 1_000_000, (), 3)
ODD = ("N", "it's", 'a "b"', "x, low 95 %", "a = b", "Überlingen", "=SUM(A1)")
COLUMNS = (
    Column("id", Type.TEXT),
    Column("region", Type.TEXT, domain=ODD),
    Column("order", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(99))),
    Column("income", Type.DECIMAL, unit="GBP", bounds=Bounds(Fraction(0), Fraction(10**5)), step=Fraction(1, 100)),
    Column("paid_on", Type.DATE, bounds=Bounds(Fraction(0), Fraction(9000))),
    Column("clinic", Type.TEXT),
    Column("open", Type.BOOLEAN),
)
PEOPLE = Dataset(
    "people", "", "", ("north", "south"), PersonUnit("id", "id", IdentifierForm.AS_IS), 1, 2, 2, "", 9, 9, COLUMNS
)
CATALOGUE = Catalogue(1, "test", (PEOPLE,))
EVERYTHING = wanted_of(PEOPLE, (), ("region",), ("order", "income"))


def plan_of(wanted: Wanted, catalogue: Catalogue = CATALOGUE) -> bytes:
    return wire.encode(prepare(statement(catalogue.datasets[0], wanted), catalogue, RULES).plan)


def table_of(wanted: Wanted, dataset: Dataset = PEOPLE) -> bytes:
    """A table as a release of that card has it: each figure 10, 20, ... with its interval 5 around it."""
    statement_ = prepare(statement(dataset, wanted), Catalogue(1, "test", (dataset,)), RULES)
    names = [name for name, _ in statement_.columns]
    header = [
        f'"{h}"'
        for n in names
        for h in (n.replace('"', '""'), *(f"{n.replace(chr(34), chr(34) * 2)}, {e}" for e in ENDS))
    ]
    row = [str(v) for i in range(1, len(names) + 1) for v in (10 * i, 10 * i - 5, 10 * i + 5)]
    return f"{','.join(header)}\r\n{','.join(row)}\r\n".encode()


def test_the_ends_of_intervals_have_the_names_of_published_tables() -> None:
    assert ENDS == (LOW, HIGH)


@pytest.mark.parametrize(
    "wanted",
    [EVERYTHING, wanted_of(PEOPLE), wanted_of(PEOPLE, ("clinic",)), wanted_of(PEOPLE, ("open",), ("region",))],
)
def test_a_table_is_read_as_it_was_wanted(wanted: Wanted) -> None:
    figures = card.read(table_of(wanted), plan_of(wanted), CATALOGUE, RULES)
    assert card.wanted_in(figures) == wanted
    read = [line.measured for line in card.lines(figures)]
    assert read == [Measured(10.0 * i, 10.0 * i - 5, 10.0 * i + 5) for i in range(1, len(read) + 1)]
    for filled in figures.columns:
        assert tuple(value for value, _ in filled.values) == (ODD if filled.column in wanted.values else ())
        assert len(filled.quartiles) == (3 if filled.column in wanted.quartiles else 0)


@pytest.mark.parametrize(("overlap", "persons"), [(2, True), (1, False), (2, False)])
def test_persons_are_left_out_where_they_cannot_be_counted(overlap: int, persons: bool) -> None:
    """One person may be at several departments, or the agreement does not cover who they are."""
    dataset = replace(PEOPLE, overlap=overlap)
    catalogue = Catalogue(1, "test", (dataset,))
    wanted = wanted_of(dataset, ("clinic",), persons=persons)
    figures = card.read(table_of(wanted, dataset), plan_of(wanted, catalogue), catalogue, RULES)
    assert figures.persons is None
    assert card.wanted_in(figures) == wanted
    assert [line.figure for line in card.lines(figures)] == ["all rows", "rows with a value", "complete"]


def test_values_that_read_alike_go_by_their_places() -> None:
    """Names of columns are the same whatever their capitals; pages join spaces."""
    values = ("N", "n", "a b", "a  b", "a b ", "S")
    dataset = replace(PEOPLE, columns=(COLUMNS[0], Column("region", Type.TEXT, domain=values)))
    catalogue, wanted = Catalogue(1, "test", (dataset,)), wanted_of(dataset, (), ("region",))
    table = table_of(wanted, dataset)
    assert [f"region: value {place}" in table.decode() for place in range(1, 7)] == [True] * 5 + [False]
    figures = card.read(table, plan_of(wanted, catalogue), catalogue, RULES)
    assert tuple(value for value, _ in figures.columns[0].values) == values


def test_quartiles_keep_the_unit_they_were_measured_in() -> None:
    """A kept card is read by its own catalogue; the one in force only hides what it does not declare."""
    figures = card.read(table_of(EVERYTHING), plan_of(EVERYTHING), CATALOGUE, RULES)
    pounds = {line.unit for line in card.lines(figures) if line.figure.endswith("are at most")}
    columns = tuple(replace(column, unit="thousands") for column in PEOPLE.columns)
    now = Catalogue(1, "test", (replace(PEOPLE, columns=columns),))
    shown = card.published(figures, now)
    assert {line.unit for line in card.lines(shown) if line.figure.endswith("are at most")} == pounds != {"thousands"}
    fewer = Catalogue(1, "test", (replace(PEOPLE, columns=PEOPLE.columns[:1]),))
    hidden = card.lines(card.published(figures, fewer))
    assert {line.unit for line in hidden if line.figure.endswith("are at most")} == {""}


def test_another_plan_is_no_card() -> None:
    table = table_of(EVERYTHING)
    ordinary = prepare("SELECT region, COUNT(*) AS n FROM people GROUP BY region", CATALOGUE, RULES)
    filtered = prepare(statement(PEOPLE, EVERYTHING) + " WHERE income > 7", CATALOGUE, RULES)
    for plan in (plan_of(wanted_of(PEOPLE)), wire.encode(ordinary.plan), wire.encode(filtered.plan)):
        with pytest.raises(Refused, match="POLICY_CARD_INVALID"):
            card.read(table, plan, CATALOGUE, RULES)
    card.read(table, plan_of(EVERYTHING), CATALOGUE, RULES)


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda t: b"",
        lambda t: b"\xff" + t,
        lambda t: t + t,
        lambda t: t.replace(b"10,", b"1_0,", 1),
        lambda t: t.replace(b"10,", b"inf,", 1),
        lambda t: t.replace(b"10,", b"1e999,", 1),
        lambda t: t.replace(b"10,", b"1e308,", 1),
        lambda t: t.replace(b"10,", b"-1e31,", 1),
        lambda t: t.replace(b"10,", b"5e-324,", 1),
        lambda t: t.replace(b"10,5,15,", b"10,15,5,", 1),
        lambda t: t.replace(b"10,", "١٠,".encode(), 1),
        lambda t: t.replace(b"10,", b"", 1),
        lambda t: t.replace(b'"all rows",', b'"all  rows",', 1),
        lambda t: t.replace(b"clinic", b"Clinic"),
        lambda t: t.replace(b"clinic", b"id"),
        lambda t: t + b" " * card.MOST_BYTES,
    ],
)
def test_a_spoilt_table_is_refused(spoilt: object) -> None:
    body = spoilt(table_of(EVERYTHING))  # type: ignore[operator]
    with pytest.raises(Refused, match="POLICY_CARD_INVALID"):
        card.read(body, plan_of(EVERYTHING), CATALOGUE, RULES)


def test_a_figure_that_is_not_there_is_not_known() -> None:
    """A share of no rows: the answer has neither a figure nor an interval."""
    wanted = Wanted(("clinic",))
    header, row = table_of(wanted).decode().splitlines()
    short = header.replace('"clinic: %, low 95 %","clinic: %, high 95 %"', "").rstrip(",")
    cells = [*row.split(",")[:-3], ""]
    figures = card.read(f"{short}\r\n{','.join(cells)}\r\n".encode(), plan_of(wanted), CATALOGUE, RULES)
    (*_, share) = card.lines(figures)
    assert share.measured == Measured(None)
    assert share.words == ("not known", "")


@pytest.mark.parametrize("size", [card.SMALLEST, 1e-9, card.LARGEST])
def test_whatever_is_read_can_be_shown(size: float) -> None:
    for measured in (Measured(0.0, -size, size), Measured(size, size, size), Measured(-size, -size, 0.0)):
        assert all(isinstance(words, str) for words in measured.words)
        low, high = measured.span or (0.0, 0.0)
        assert "<svg" in str(bars("complete", "Rows with a value", [Point("clinic", size, low, high)]))


def test_what_the_catalogue_in_force_does_not_declare_is_not_shown() -> None:
    figures = card.read(table_of(EVERYTHING), plan_of(EVERYTHING), CATALOGUE, RULES)
    fewer = replace(PEOPLE, columns=(*COLUMNS[:1], replace(COLUMNS[1], domain=ODD[:2]), *COLUMNS[2:5]))
    shown = card.published(figures, Catalogue(1, "test", (fewer,)))
    assert [f.column for f in shown.columns] == ["region", "order", "income", "paid_on", HIDDEN, HIDDEN]
    assert [value for value, _ in shown.columns[0].values] == [*ODD[:2], *[HIDDEN] * 5]
    assert card.published(figures, CATALOGUE) == figures
    gone = card.published(figures, Catalogue(1, "test", ()))
    assert {f.column for f in gone.columns} == {HIDDEN}


@pytest.mark.parametrize(
    ("columns", "values", "quartiles", "code"),
    [
        (("nothing",), (), (), "SQL_UNKNOWN_COLUMN"),
        (("id",), (), (), "SQL_CARD_COLUMN"),
        ((), ("clinic",), (), "SQL_CARD_COLUMN"),
        ((), ("open",), (), "SQL_CARD_COLUMN"),
        ((), (), ("paid_on",), "SQL_CARD_COLUMN"),
        ((), (), ("region",), "SQL_CARD_COLUMN"),
    ],
)
def test_what_a_card_cannot_ask(
    columns: tuple[str, ...], values: tuple[str, ...], quartiles: tuple[str, ...], code: str
) -> None:
    with pytest.raises(Refused, match=code):
        wanted_of(PEOPLE, columns, values, quartiles)


def test_columns_are_in_the_order_of_the_catalogue_and_stand_once() -> None:
    assert wanted_of(PEOPLE, ("open", "clinic", "open"), ("region",)) == Wanted(
        ("region", "clinic", "open"), ("region",)
    )
