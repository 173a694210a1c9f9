from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from small_catalogue import RULES, call, catalogue_of, column, counted, departments, plan_of, summed, value

from engine.errors import Refused
from engine.trusted.describe import english, normalised_sql
from engine.trusted.plan import (
    Aggregate,
    Call,
    Clamp,
    Expression,
    Feature,
    Filter,
    Function,
    GroupingSet,
    JoinKind,
    Key,
    Literal,
    NamedExpression,
    PersonAggregate,
    PersonFeature,
    PersonJoin,
    Plan,
    PrivateJoin,
    Project,
    Scan,
    Statistic,
    Type,
    UnionAll,
)
from engine.trusted.verify import verify_plan
from engine.trusted.wire import digest, encode
from engine.trusted.wording import TEMPLATES, in_sql, in_words, literal_text, named, number_text

CATALOGUE = catalogue_of()
WORDING = yaml.safe_load((Path(__file__).parent / "wording.yaml").read_text())
ARGUMENTS: dict[Function, tuple[Expression, ...]] = {
    Function.IN: (column("x"), value("x"), value("it's")),
    Function.LIKE: (column("x"), value("x%")),
    Function.AND: (column("x"), column("y"), column("w")),
    Function.CASE: (column("x"), value(1), column("y"), value(2), Literal(Type.INTEGER, None)),
    Function.SUBSTRING: (column("x"), value(1), value(3)),
    Function.ROUND: (column("x"), value(2)),
}
ONE = {"NEGATE", "ABS", "FLOOR", "CEIL", "IS_NULL", "NOT", "YEAR", "QUARTER", "MONTH", "DAY", "ISO_DAY_OF_WEEK"}
ONE |= {"UPPER", "LOWER", "TRIM", "LENGTH", "ALPHANUMERIC"}
ONE |= {f.name for f in Function if f.name.startswith(("CAST_", "TRUNC_"))}


def sample(function: Function) -> Expression:
    plain = (column("x"),) if function.name in ONE else (column("x"), column("y"))
    return Call(function, ARGUMENTS.get(function, plain))


@pytest.mark.parametrize("function", Function)
def test_every_function_reads_as_in_the_table(function: Function) -> None:
    row = WORDING[function.name]
    assert in_words(sample(function)) == row["words"]
    assert in_sql(sample(function)) == row["sql"]


def test_the_tables_are_total_and_no_two_functions_read_alike() -> None:
    assert set(TEMPLATES) == set(Function)
    assert set(WORDING) == {f.name for f in Function}
    assert len({in_words(sample(f)) for f in Function}) == len(Function)
    assert len({in_sql(sample(f)) for f in Function}) == len(Function)


def test_nothing_in_a_plan_can_imitate_the_words_around_it() -> None:
    assert in_words(call("EQUAL", column("x"), column("missing"))) == 'x is "missing"'
    assert in_words(call("IS_NULL", column("x"))) == "x is missing"
    assert named("a b") == '"a b"'
    assert named('a"b') == '"a""b"'
    assert literal_text(value("O'Neill' OR 'x")) == "'O''Neill'' OR ''x'"
    inner = call("ADD", column("x"), column("y"))
    assert in_words(call("MULTIPLY", inner, column("w"))) == "(x plus y) times w"
    assert in_sql(call("SUBTRACT", column("x"), inner)) == "x - (x + y)"
    assert in_sql(call("EQUAL", column("date"), value(date(2020, 1, 2)))) == "\"date\" = DATE '2020-01-02'"


HIDDEN = {
    "variation selector": "\ufe0f",
    "another one": "\U000e0100",
    "zero width": "\u200b",
    "bidirectional": "\u202e",
    "mark on a letter": "\u0301",
    "joiner of marks": "\u034f",
    "filler": "\u3164",
    "blank of Braille": "\u2800",
    "place of an object": "\ufffc",
    "note without a head": "\U0001d159",
    "space that does not break": "\u00a0",
    "line end": "\n",
}


@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_what_does_not_show_is_an_escape(hidden: str) -> None:
    escape = f"\\U{ord(hidden):08x}"
    assert literal_text(value(f"caf{hidden}'\\")) == f"E'caf{escape}''\\U0000005c'"
    assert named(f"caf{hidden}") == f'E"caf{escape}"'
    alike = [f"caf{hidden}", "caf", f"caf{escape}", f"E'caf{escape}'", f"caf{hidden}{hidden}"]
    assert len({literal_text(value(text)) for text in alike}) == len({named(text) for text in alike}) == len(alike)


@pytest.mark.parametrize("text", ["Ynys Môn", "Ŵyl", "naïve – €5", "数", "C:\\x"])
def test_what_shows_stands_as_it_is(text: str) -> None:
    assert literal_text(value(text)) == f"'{text}'"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-5", "-5"),
        ("1/100", "0.01"),
        ("-12345/1000", "-12.345"),
        ("1/3", "1/3"),
        ("1/1048576", "0.00000095367431640625"),
        ("1000", "1000"),
    ],
)
def test_numbers_are_exact(number: str, text: str) -> None:
    assert number_text(Fraction(number)) == text
    assert Fraction(number_text(Fraction(number))) == Fraction(number)


def test_literals_show_their_type() -> None:
    texts = {literal_text(v) for v in (value(1), value(Fraction(1)), value("1"), value(True), Literal(Type.TEXT, None))}
    assert texts == {"1", "1.0", "'1'", "true", "NULL"}


FILTERED = Filter(Scan("people"), call("GREATER", column("income"), value(Fraction(5, 2))))
PROJECTED = Project(
    FILTERED,
    (
        NamedExpression("region", column("region")),
        NamedExpression("decade", call("MULTIPLY", call("INTEGER_DIVIDE", column("visits"), value(10)), value(10))),
    ),
)


def whole_plan() -> Plan:
    plan = plan_of(
        CATALOGUE,
        counted(),
        counted(Statistic.COUNT_PERSONS, filter=call("EQUAL", column("region"), value("N"))),
        summed(column("decade"), 0, 50),
        summed(column("decade"), 0, 100, centred=True),
        counted(Statistic.COUNT_PRESENT, expression=column("decade")),
        keys=("region",),
        total=True,
    )
    return replace(plan, aggregate=replace(plan.aggregate, input=PROJECTED))


def test_a_centred_sum_reads_as_the_sum_that_it_is() -> None:
    """The centre is on the grid: of -3 to 96 the middle is 46.5, and values are whole."""
    less = call("SUBTRACT", column("visits"), value(3))
    plan = plan_of(CATALOGUE, summed(less, -3, 96, centred=True))
    verify_plan(plan, CATALOGUE, RULES)
    assert "the sum, less 47 a row, of (visits minus 3), each value limited to -3 ... 96." in english(plan, CATALOGUE)
    assert "SUM((CASE WHEN visits - 3 < -3 THEN -3 WHEN visits - 3 > 96" in normalised_sql(plan, CATALOGUE)
    assert " ELSE visits - 3 END) - 47)" in normalised_sql(plan, CATALOGUE)


def test_a_whole_plan_reads_well() -> None:
    verify_plan(whole_plan(), CATALOGUE, RULES)
    assert english(whole_plan(), CATALOGUE) + "\n" == WORDING_OF_PLAN["english"]
    assert normalised_sql(whole_plan(), CATALOGUE) + "\n" == WORDING_OF_PLAN["sql"]


WORDING_OF_PLAN = yaml.safe_load((Path(__file__).parent / "described.yaml").read_text())


def test_normalised_sql_runs_in_duckdb() -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE people AS SELECT 'p' || i AS person_id, ['N', 'S'][i % 2 + 1] AS region,"
            " i * 10.0 AS income, i AS visits FROM range(100) AS r(i)"
        )
        rows = connection.execute(normalised_sql(whole_plan(), CATALOGUE)).fetchall()
    assert sorted(row[1] for row in rows) == [49, 50, 99]


def test_a_change_of_the_plan_changes_the_text() -> None:
    plan = whole_plan()
    aggregate = plan.aggregate
    first, second, third, fourth, fifth = aggregate.measures
    others: list[Aggregate] = [
        replace(aggregate, input=replace(PROJECTED, input=Scan("people"))),
        replace(aggregate, input=Filter(PROJECTED, call("IS_NULL", column("decade")))),
        replace(aggregate, input=replace(PROJECTED, columns=PROJECTED.columns[::-1])),
        replace(aggregate, grouping_sets=aggregate.grouping_sets[:1]),
        replace(aggregate, keys=(Key(column("decade"), aggregate.keys[0].values),)),
        replace(aggregate, measures=(first, second, third, fourth)),
        replace(aggregate, measures=(first, replace(second, filter=None), third, fourth, fifth)),
        replace(aggregate, measures=(first, second, replace(third, clamp=Clamp(Fraction(0), Fraction(49))), fourth)),
        replace(aggregate, measures=(first, second, fourth, third, fifth)),
        replace(aggregate, measures=(first, second, third, replace(fourth, statistic=Statistic.SUM), fifth)),
    ]
    pages = {english(replace(plan, aggregate=a), CATALOGUE) for a in (aggregate, *others)}
    statements = {normalised_sql(replace(plan, aggregate=a), CATALOGUE) for a in (aggregate, *others)}
    assert len(pages) == len(statements) == len(others) + 1
    weighted = replace(plan, aggregate=replace(aggregate, measures=(replace(first, weight=5), *aggregate.measures[1:])))
    assert english(weighted, CATALOGUE) not in pages
    assert normalised_sql(weighted, CATALOGUE) in statements  # it changes how exact, and not what


def joined_plan(
    kind: JoinKind = JoinKind.LEFT, feature: Feature = Feature.SUM, where: Expression | None = None, of: str = "visits"
) -> Plan:
    """Persons with their total visits, joined to their other rows."""
    made = (NamedExpression("decade", column("visits")),)
    totals = PersonAggregate(Scan("people"), (PersonFeature("total", feature, column(of), where),))
    relation = PersonJoin(kind, Project(Scan("people"), made), Filter(totals, call("IS_NULL", column("total"))))
    plan = plan_of(CATALOGUE, counted(Statistic.COUNT_PERSONS), keys=())
    return replace(plan, aggregate=replace(plan.aggregate, input=relation))


def test_features_and_joins_read_well() -> None:
    plan = joined_plan(where=call("EQUAL", column("region"), value("N")))
    verify_plan(plan, CATALOGUE, RULES)
    assert english(plan, CATALOGUE).splitlines()[:8] == [
        "Rows of: people (Residents), held by node-0, node-1.",
        "Computed: decade = visits.",
        "Only these columns go on: decade.",
        "Joined with all rows of the same person, or with missing values if there are none, from:",
        "  Rows of: people (Residents), held by node-0, node-1.",
        "  Put together: one row a person.",
        "  For each person: total = the sum of visits, only rows where region is 'N'.",
        "  Only rows where: total is missing.",
    ]
    import duckdb

    with duckdb.connect() as connection:
        rows = "SELECT 'p' || (i % 3) AS person_id, 'N' AS region, i AS visits FROM range(9) AS r(i)"
        connection.execute(f"CREATE TABLE people AS {rows}")
        for kind, persons in ((JoinKind.LEFT, 3), (JoinKind.INNER, 0), (JoinKind.SEMI, 0), (JoinKind.ANTI, 3)):
            text = normalised_sql(joined_plan(kind, where=call("EQUAL", column("region"), value("N"))), CATALOGUE)
            assert connection.execute(text).fetchall() == [(persons,)]


def test_a_change_of_a_join_or_feature_changes_the_text() -> None:
    where = call("EQUAL", column("region"), value("N"))
    plans = [joined_plan(kind) for kind in JoinKind]
    plans += [joined_plan(feature=f) for f in list(Feature)[3:6]] + [joined_plan(feature=Feature.ANY_TRUE, of="flag")]
    plans += [joined_plan(where=where), joined_plan(of="age")]
    sides = joined_plan().aggregate.input
    assert isinstance(sides, PersonJoin)
    swapped = replace(sides, left=sides.right, right=sides.left)
    plans.append(replace(plans[0], aggregate=replace(plans[0].aggregate, input=swapped)))
    assert len({english(p, CATALOGUE) for p in plans}) == len(plans)
    assert len({normalised_sql(p, CATALOGUE) for p in plans}) == len(plans)


def test_unions_read_well() -> None:
    adults = Filter(Scan("people"), call("GREATER", column("age"), value(17)))
    few, many = (Project(r, (NamedExpression("age", column("age")),)) for r in (Scan("people"), adults))
    plan = plan_of(CATALOGUE, counted(Statistic.COUNT_PERSONS), keys=())
    shapes = [UnionAll(few, many), UnionAll(many, few), UnionAll(few, few), UnionAll(UnionAll(few, many), few)]
    shapes.append(UnionAll(few, UnionAll(many, few)))
    plans = [replace(plan, aggregate=replace(plan.aggregate, input=shape)) for shape in shapes]
    assert len({english(p, CATALOGUE) for p in plans}) == len({normalised_sql(p, CATALOGUE) for p in plans}) == 5
    verify_plan(plans[0], CATALOGUE, RULES)
    assert english(plans[0], CATALOGUE).splitlines()[:6] == [
        "Rows of: people (Residents), held by node-0, node-1.",
        "Only these columns go on: age.",
        "And, under the same names, all of these rows too:",
        "  Rows of: people (Residents), held by node-0, node-1.",
        "  Only rows where: age is more than 17.",
        "  Only these columns go on: age.",
    ]
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE people AS SELECT 'p' || (i % 3) AS person_id, i * 9 AS age FROM range(9) AS r(i)"
        )
        assert connection.execute(normalised_sql(plans[4], CATALOGUE)).fetchall() == [(3,)]


def test_long_key_lists_are_shortened_and_sets_named() -> None:
    plan = plan_of(CATALOGUE, counted(), keys=("visits", "flag"))
    plan = replace(
        plan, aggregate=replace(plan.aggregate, grouping_sets=(GroupingSet((0, 1)), GroupingSet((1,)), GroupingSet(())))
    )
    page = english(plan, CATALOGUE)
    assert "visits, 101 values: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ..., 100." in page
    assert "flag, 3 values: false, true, missing." in page
    assert "Groups: by key 1 and key 2; by key 2; all rows together." in page
    assert "up to 2 nodes" in english(plan, catalogue_of(overlap=2))


def test_private_joins_say_what_is_revealed_to_whom() -> None:
    catalogue = departments()
    join = PrivateJoin(Filter(Scan("wages"), call("GREATER", column("hours"), value(3))), Scan("claims"))
    product = call("MULTIPLY", column("hours"), column("days"))
    aggregate = Aggregate(join, (), (GroupingSet(()),), (summed(product, -21, 84),))
    plan = Plan(1, digest(encode(catalogue)), aggregate)
    verify_plan(plan, catalogue, RULES)
    limits = "One person counts with at most 6 joined rows in at most 4 groups, at both nodes together."
    assert english(plan, catalogue).splitlines() == [
        "Rows of: wages (Wages), held by tax.",
        "Only rows where: hours is more than 3.",
        "By a private join, joined with all rows of the same person, if there are any, from:",
        "  Rows of: claims (Claims), held by social.",
        "Groups: all rows together.",
        'Released for each group, 1: the sum of (hours times "days"), each value limited to -21 ... 84.',
        f"In all 1 noisy numbers, and no rows. {limits}",
        "Private join: tax and social send shares of what they computed, under pseudonyms, to three helpers.",
        "Revealed to the helpers: this plan, and the numbers of persons of tax, of social and of both, padded.",
        "Revealed to the coordinator and the analyst: of these numbers those of tax and of social, so padded.",
        "Revealed to the analyst: the noisy numbers. Revealed to tax and social: nothing of each other's rows.",
        "Limit: tax or social, if it cheats and sees the answer, can learn about chosen persons of the other.",
        "Limit: a helper that conspires with tax or social can find out whose rows the other sends.",
        "Limit: two helpers that conspire see the computed rows of both, under pseudonyms.",
    ]
    swapped = replace(plan, aggregate=replace(aggregate, input=PrivateJoin(join.right, join.left)))
    assert english(swapped, catalogue) != english(plan, catalogue)
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE wages AS SELECT 'p' || i AS person_id, 3 + i AS hours FROM range(3) AS r(i)")
        connection.execute("CREATE TABLE claims AS SELECT 'p' || i AS person_id, i AS days FROM range(3) AS r(i)")
        assert connection.execute(normalised_sql(plan, catalogue)).fetchall() == [(14,)]


def test_unknown_datasets_are_refused() -> None:
    plan = whole_plan()
    unknown = replace(plan, aggregate=replace(plan.aggregate, input=Scan("nothing")))
    with pytest.raises(Refused, match="POLICY_PLAN_INVALID"):
        english(unknown, CATALOGUE)
