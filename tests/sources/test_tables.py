"""The published view: what a department's file becomes, whatever it holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest
from published import (
    PEOPLE,
    FixedRandomness,
    binding_of,
    catalogue_of,
    dataset,
    home_at,
    publish,
    stored,
)

from engine.errors import BadFile, Unavailable
from engine.trusted.catalogue import (
    Bounds,
    Column,
    DatasetBinding,
    IdentifierForm,
    LocalColumn,
    NodeBinding,
)
from engine.trusted.plan import Call, ColumnRef, Function, Literal, NamedExpression, Type
from engine.trusted.records import LegalGateway
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import Tables, cut

HEADER = "person_id,region,sex,age,income,paid_on,active,note\n"
MESSY = (
    HEADER
    + """p1,N,F,30,100.004,2020-05-01,true,plain
p2,S,,130,1e9,2019-01-01,false,
p3,X,M,-5,-3,2030-01-01,,"quoted, and
over two lines"
p4,E,M,abc,nan,infinity,yes,x
p5,W,q,12.5,inf,2020-01-01 10:00:00,1,x
,E,M,1,1,2020-01-01,yes,nobody
"   ",E,M,1,0.005,44 BC,perhaps,blank
"""
)


def test_stored_values_lie_in_their_domains(source: DuckDBSource, tmp_path: Path) -> None:
    rows = stored(publish(dataset(), MESSY, tmp_path, source), "people")
    assert rows == [
        ("   ", "E", "M", 1, 1, 0.01, 0.01, None, None, None, "blank"),
        ("p1", "N", "F", 30, 30, 100.0, 100.0, date(2020, 5, 1), date(2020, 5, 1), True, "plain"),
        ("p2", "S", None, 120, None, 200000.0, None, date(2020, 1, 1), None, False, None),
        ("p3", None, "M", 0, None, 0.0, None, date(2021, 12, 31), None, None, "quoted, and\nover two lines"),
        ("p4", "E", "M", None, None, None, None, None, None, True, "x"),
        ("p5", "W", None, 13, 13, None, None, date(2020, 1, 1), date(2020, 1, 1), True, "x"),
    ]


def test_the_owner_learns_what_a_cut_lost(source: DuckDBSource, tmp_path: Path) -> None:
    """Counted per column: values kept, those that came to nothing and those moved into the bounds; rows dropped."""
    file, told = tmp_path / "people.csv", []
    file.write_text(MESSY + "p1,N,F,30,100,2020-05-01,true,again\n")
    definition, home = dataset(), home_at(tmp_path / "home")
    binding = binding_of(definition, [file], source)

    def tell(event: str, dataset: str, column: str, **counts: int) -> None:
        told.append((dataset, column, counts))

    for _ in range(2):  # the second finds the snapshot there and has nothing to tell
        tables = cut(binding, catalogue_of(definition), home, randomness=FixedRandomness(), source=source, tell=tell)
    report = home.path / "snapshots/people-report.json"
    assert report.stat().st_mode & 0o077 == 0
    assert json.loads(report.read_text()) == {column: counts for _, column, counts in told}
    assert told[0] == ("people", "", {"rows": 6, "of_no_person": 1, "surplus": 1})
    assert {column: tuple(counts.values()) for _, column, counts in told[1:]} == {
        "person_id": (7,),
        "region": (6, 1, 0),
        "sex": (5, 1, 0),
        "age": (6, 1, 2),
        "income": (5, 2, 2),
        "paid_on": (5, 2, 2),
        "active": (5, 1, 0),
        "note": (6, 0, 0),
    }
    assert len(stored(tables, "people")[0]) == 11  # no mark is left


def test_a_column_of_which_nothing_is_left_is_counted(source: DuckDBSource, tmp_path: Path) -> None:
    """Typed files and expressions too; what was empty before is not lost."""
    file = parquet(
        tmp_path / "people.parquet",
        "SELECT 'p' || i AS id, 'code ' || i AS pay, IF(i > 2, 'x', '') AS opt_out FROM range(5) t(i)",
    )
    columns = (PEOPLE[0], Column("pence", Type.INTEGER), Column("flag", Type.BOOLEAN), Column("fixed", Type.INTEGER))
    one = Literal(Type.INTEGER, 1)
    pence = Call(Function.MULTIPLY, (Call(Function.CAST_DECIMAL, (ColumnRef("pay"),)), one))
    expressions = {"person_id": ColumnRef("id"), "pence": pence, "flag": ColumnRef("opt_out"), "fixed": one}
    told: dict[str, dict[str, int]] = {}
    cut(
        bound_to(file, expressions),
        catalogue_of(dataset(columns)),
        home_at(tmp_path / "home"),
        randomness=FixedRandomness(),
        source=source,
        tell=lambda _, dataset, column, **counts: told.update({column: counts}),
    )
    assert told == {
        "": {"rows": 5, "of_no_person": 0, "surplus": 0},
        "person_id": {"kept": 5},
        "pence": {"kept": 0, "lost": 5, "moved": 0},
        "flag": {"kept": 0, "lost": 2, "moved": 0},
        "fixed": {"kept": 5, "lost": 0, "moved": 0},
    }


def parquet(path: Path, select: str) -> Path:
    connection = duckdb.connect()
    connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    connection.close()
    return path


def test_parquet_types_become_logical_types(source: DuckDBSource, tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "people.parquet",
        """SELECT * FROM (VALUES
            (1::UINTEGER, 'N', 'F', 40.5::FLOAT, 12.345::DECIMAL(9, 3), TIMESTAMP '2020-02-29 23:59', TRUE, 'x'),
            (2, 'S', 'M', 'nan'::FLOAT, -1, 'infinity'::TIMESTAMP, NULL, NULL)
        ) AS t(person_id, region, sex, age, income, paid_on, active, note)""",
    )
    definition = dataset()
    binding = binding_of(definition, [file], source)
    tables = cut(
        binding, catalogue_of(definition), home_at(tmp_path / "home"), randomness=FixedRandomness(), source=source
    )
    first, second = stored(tables, "people")
    assert first == ("1", "N", "F", 41, 41, 12.35, 12.35, date(2020, 2, 29), date(2020, 2, 29), True, "x")
    assert second[:7] == ("2", "S", "M", None, None, 0.0, None)
    assert second[9:] == (None, None)


def test_decimals_equal_their_literals(source: DuckDBSource, tmp_path: Path) -> None:
    """Every stored decimal is the double nearest to its multiple of the step, for awkward steps too."""
    for step in (Fraction(1, 100), Fraction(3, 10), Fraction(1, 7), Fraction(5), Fraction(1, 1024)):
        columns = (PEOPLE[0], Column("x", Type.DECIMAL, bounds=Bounds(-1000 * step, 1000 * step), step=step))
        lines = "".join(f"p{n},{float(n * step):.17g}\n" for n in range(-1000, 1001, 7))
        tables = publish(dataset(columns), "person_id,x\n" + lines, tmp_path / str(step.denominator), source)
        values = sorted(v for (v,) in stored(tables, "people", "x"))
        assert values == [float(n * step) for n in range(-1000, 1001, 7)]


SPELLED = ("ab-1", "AB 1", "77", "0-77", "000", "  ", "-", "943 476 5919", "943 476 5918", "4010232137", "943476591")
SPELLED += ("qq 12 34 56 c", "QQ123456", "QQ123456E")
NUMBERS = ("9434765919", "9434765918", "4010232137", "943476591")


@pytest.mark.parametrize(
    ("form", "kept"),
    [
        (IdentifierForm.AS_IS, dict.fromkeys(SPELLED, 1)),
        (
            IdentifierForm.UPPER_ALNUM,
            {"AB1": 2, "077": 1, "77": 1, "000": 1}
            | dict.fromkeys((*NUMBERS, "QQ123456C", "QQ123456", "QQ123456E"), 1),
        ),
        (IdentifierForm.DIGITS, {"1": 2, "077": 1, "77": 1, "000": 1, **dict.fromkeys(NUMBERS, 1), "123456": 3}),
        (IdentifierForm.WHOLE_NUMBER, {"1": 2, "77": 2, "0": 1, **dict.fromkeys(NUMBERS, 1), "123456": 3}),
        (IdentifierForm.NHS_NUMBER, {"9434765919": 1, "4010232137": 1}),
        (IdentifierForm.NINO, {"QQ123456": 2}),
    ],
)
def test_persons_are_in_normal_form(
    source: DuckDBSource, tmp_path: Path, form: IdentifierForm, kept: dict[str, int]
) -> None:
    text = "person_id,x\n" + "".join(f"{spelled},1\n" for spelled in (*SPELLED, ""))
    columns = (PEOPLE[0], Column("x", Type.INTEGER))
    tables = publish(dataset(columns, rows_per_person=3, form=form), text, tmp_path, source)
    assert Counter(p for (p,) in stored(tables, "people", "person_id")) == kept


def test_surplus_rows_are_dropped(source: DuckDBSource, tmp_path: Path) -> None:
    """At most two rows a person; which ones depends on the snapshot, not on other persons or on order."""
    columns = (PEOPLE[0], Column("x", Type.INTEGER))
    lines = [f"p{n % 20},{n}\n" for n in range(200)] + ["solo,1\n"]
    definition = dataset(columns, rows_per_person=2)

    def cut_of(name: str, body: list[str], seed: int) -> set[tuple[object, ...]]:
        text = "person_id,x\n" + "".join(body)
        return set(stored(publish(definition, text, tmp_path / name, source, seed=seed), "people"))

    first = cut_of("a", lines, 1)
    assert Counter(p for p, _ in first) == {**{f"p{n}": 2 for n in range(20)}, "solo": 1}
    fewer = [line for line in reversed(lines) if not line.startswith("p7,")]
    assert cut_of("b", fewer, 1) == {row for row in first if row[0] != "p7"}
    assert cut_of("c", lines, 2) != first


def test_whoever_has_several_rows_is_named_beside(source: DuckDBSource, tmp_path: Path) -> None:
    """Persons in normal form, rows of no person and rows without consent left out; from the rows before the cap."""
    text = "person_id,x\nab-1,1\nAB 1,2\nAB1,3\n77,3\n88,1\n88,1\n,4\n-,5\n"
    definition = dataset((PEOPLE[0], Column("x", Type.INTEGER)), rows_per_person=2, form=IdentifierForm.UPPER_ALNUM)
    tables = publish(definition, text, tmp_path, source)
    [beside] = source.select(tables.databases, ["SELECT p, n FROM snapshot_people.several ORDER BY p"], 9)
    assert beside == [["88", 2], ["AB1", 3]]
    assert Counter(p for (p,) in stored(tables, "people", "person_id")) == {"AB1": 2, "88": 2, "77": 1}


def test_one_row_a_person_is_certain(source: DuckDBSource, tmp_path: Path) -> None:
    text = "person_id,x\n" + "p,1\n" * 5 + "q,1\nq,2\n"
    tables = publish(dataset((PEOPLE[0], Column("x", Type.INTEGER))), text, tmp_path, source)
    assert [p for (p,) in stored(tables, "people", "person_id")] == ["p", "q"]


def bound_to(file: Path, definition_columns: dict[str, object], **changes: object) -> NodeBinding:
    local = tuple(LocalColumn(n, Type.TEXT) for n in ("id", "pay", "opt_out"))
    columns = tuple(NamedExpression(n, e) for n, e in definition_columns.items())  # type: ignore[arg-type]
    bound = DatasetBinding("people", (str(file),), local, columns)
    return NodeBinding(1, "here", (replace(bound, **changes),))  # type: ignore[arg-type]


def test_binding_expressions_and_consent(source: DuckDBSource, tmp_path: Path) -> None:
    """A code mapping, a unit conversion, and a consent rule that keeps only rows where it is TRUE."""
    file = tmp_path / "local.csv"
    file.write_text("id,pay,opt_out\nq1,2.5,no\nq2,3,yes\nq3,4,\nq4,oops,no\n")
    columns = (
        PEOPLE[0],
        Column("pence", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(1000))),
        Column("band", Type.TEXT, domain=("low", "high")),
    )
    pay = Call(Function.CAST_DECIMAL, (ColumnRef("pay"),))
    low = Call(Function.LESS, (pay, Literal(Type.DECIMAL, Fraction(3))))
    binding = bound_to(
        file,
        {
            "person_id": Call(Function.UPPER, (ColumnRef("id"),)),
            "pence": Call(Function.MULTIPLY, (pay, Literal(Type.INTEGER, 100))),
            "band": Call(Function.CASE, (low, Literal(Type.TEXT, "low"), Literal(Type.TEXT, "high"))),
        },
        consent=Call(Function.EQUAL, (ColumnRef("opt_out"), Literal(Type.TEXT, "no"))),
        consent_version=3,
    )
    home = home_at(tmp_path / "home")
    tables = cut(binding, catalogue_of(dataset(columns)), home, randomness=FixedRandomness(), source=source)
    assert stored(tables, "people") == [("Q1", 250, 250, "low"), ("Q4", None, None, "high")]
    assert [r.consent_version for r in tables.refs()] == [3]


def test_each_purpose_has_a_copy_cut_by_its_own_rule(source: DuckDBSource, tmp_path: Path) -> None:
    """What a legal gateway may read, and nothing for a gateway without a rule; one snapshot id for all copies."""
    file = tmp_path / "local.csv"
    file.write_text("id,pay,opt_out\nq1,1,no\nq2,2,research\nq3,3,yes\nq3,4,no\n")
    one = Literal(Type.INTEGER, 1)
    pay = Call(Function.MULTIPLY, (Call(Function.CAST_DECIMAL, (ColumnRef("pay"),)), one))

    def says(*words: str) -> Call:
        told = tuple(Call(Function.EQUAL, (ColumnRef("opt_out"), Literal(Type.TEXT, word))) for word in words)
        return told[0] if len(told) == 1 else Call(Function.OR, told)

    rules = {"research": says("no"), "statistics": says("no", "research"), "other": says("nobody")}
    purposes = tuple(NamedExpression(name, rule) for name, rule in rules.items())
    binding = bound_to(file, {"person_id": ColumnRef("id"), "pence": pay}, purposes=purposes, consent_version=2)
    columns = (PEOPLE[0], Column("pence", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(1000))))
    home, randomness = home_at(tmp_path / "home"), FixedRandomness()

    def again(**options: bool) -> Tables:
        return cut(binding, catalogue_of(dataset(columns)), home, randomness=randomness, source=source, **options)

    tables = again()
    held = {g: tables.for_purpose(g) for g in LegalGateway}
    assert {g: t.refs() for g, t in held.items() if t.refs()} == dict.fromkeys(
        (LegalGateway.RESEARCH, LegalGateway.STATISTICS, LegalGateway.OTHER_GATEWAY), tables.refs()
    )
    assert [(r.dataset, r.consent_version) for r in tables.refs()] == [("people", 2)]
    persons = {g: [row[0] for row in stored(t, "people")] for g, t in held.items() if t.refs()}
    assert persons == {
        LegalGateway.RESEARCH: ["q1", "q3"],
        LegalGateway.STATISTICS: ["q1", "q2", "q3"],
        LegalGateway.OTHER_GATEWAY: [],
    }
    assert again() == tables
    next(iter(held[LegalGateway.RESEARCH].databases.values())).unlink()  # one copy lost: all are cut anew
    assert again() != tables
    again(fresh=True)
    again(fresh=True)
    assert len(list((home.path / "snapshots").glob("*.duckdb"))) == 2 * len(rules)


def test_a_snapshot_is_kept_until_binding_or_definition_change(source: DuckDBSource, tmp_path: Path) -> None:
    definition, file, home = dataset(), tmp_path / "people.csv", home_at(tmp_path / "home")
    file.write_text(MESSY)
    binding = binding_of(definition, [file], source)
    randomness = FixedRandomness()

    def again(binding: NodeBinding = binding, definition: object = definition, fresh: bool = False) -> Tables:
        return cut(binding, catalogue_of(definition), home, randomness=randomness, source=source, fresh=fresh)  # type: ignore[arg-type]

    first = again()
    file.write_text(HEADER)
    assert again() == first
    assert len(stored(again(), "people")) == 6
    consented = replace(binding, datasets=(replace(binding.datasets[0], consent_version=1),))
    second = again(consented)
    third = again(consented, dataset(rows_per_person=2))
    fourth = again(consented, dataset(rows_per_person=2), fresh=True)
    ids = [t.refs()[0].snapshot for t in (first, second, third, fourth)]
    assert len(set(ids)) == 4
    assert all(len(i) == 32 for i in ids)
    assert {p.name for p in (home.path / "snapshots").iterdir()} == {
        f"people-{ids[2]}.duckdb",  # the one before may be in use
        f"people-{ids[3]}.duckdb",
        "people.json",
        "people-report.json",
    }
    assert json.loads((home.path / "snapshots/people.json").read_text())["snapshot"] == ids[3]
    assert fourth.snapshot("people").path.stat().st_mode & 0o077 == 0
    with pytest.raises(Unavailable, match="NODE_SNAPSHOT_MISSING"):
        fourth.snapshot("payments")


def test_many_files_with_columns_in_any_order(source: DuckDBSource, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("person_id,x\np1,1\n")
    (tmp_path / "b.csv").write_text("\ufeffx,extra,person_id\n2,?,p2\n3,?,p3\n")
    parquet(tmp_path / "c.parquet", "SELECT 'p4' AS person_id, '4' AS x")
    columns = (PEOPLE[0], Column("x", Type.INTEGER))
    local = (LocalColumn("person_id", Type.TEXT), LocalColumn("x", Type.TEXT))
    named = tuple(NamedExpression(c.name, ColumnRef(c.name)) for c in local)
    globs = (str(tmp_path / "*.csv"), str(tmp_path / "c.parquet"))
    binding = NodeBinding(1, "here", (DatasetBinding("people", globs, local, named),))
    home = home_at(tmp_path / "home")
    tables = cut(binding, catalogue_of(dataset(columns)), home, randomness=FixedRandomness(), source=source)
    assert stored(tables, "people") == [("p1", 1), ("p2", 2), ("p3", 3), ("p4", 4)]


def test_a_column_without_a_name_does_no_harm(source: DuckDBSource, tmp_path: Path) -> None:
    columns = (PEOPLE[0], Column("x", Type.INTEGER))
    tables = publish(dataset(columns), ",person_id,x\n0,p1,5\n1,p2,6\n", tmp_path, source)
    assert stored(tables, "people") == [("p1", 5), ("p2", 6)]


def test_an_empty_file_gives_an_empty_table(source: DuckDBSource, tmp_path: Path) -> None:
    assert stored(publish(dataset(), HEADER, tmp_path, source), "people") == []


CANARY = "c4n4ry"


@pytest.mark.parametrize(
    ("code", "text", "changes"),
    [
        ("FILE_SOURCE_UNREADABLE", f"person_id,x\np1,1\np2,{CANARY},3,4\n", {}),
        ("FILE_SOURCE_UNREADABLE", f"person_id,x\np1,\xff{CANARY}\n", {}),
        ("FILE_SOURCE_UNREADABLE", "person_id,x,x\n", {}),
        ("FILE_SOURCE_COLUMN_MISSING", "person_id,y\np1,1\n", {}),
        ("FILE_SOURCE_COLUMN_TYPE", "person_id,x\np1,1\n", {"local": Type.INTEGER}),
        ("FILE_BINDING_COLUMN", "person_id,x\np1,1\n", {"columns": ("person_id",)}),
        ("FILE_BINDING_TYPE", "person_id,x\np1,1\n", {"expression": Call(Function.YEAR, (ColumnRef("x"),))}),
        ("FILE_BINDING_DATASET", "person_id,x\np1,1\n", {"dataset": "payments"}),
        ("FILE_BINDING_DATASET", "person_id,x\np1,1\n", {"node": "elsewhere"}),
        ("FILE_SOURCE_TOO_LARGE", "person_id,x\n" + "".join(f"p{n},1\n" for n in range(11)), {}),
        ("FILE_MISSING", "person_id,x\n", {"file": "none*.csv"}),
        ("FILE_SOURCE_FORMAT", "person_id,x\n", {"file": "people.txt"}),
    ],
)
def test_broken_files_and_bindings_are_named_without_values(
    source: DuckDBSource, tmp_path: Path, code: str, text: str, changes: dict[str, object]
) -> None:
    for name in ("people.csv", "people.txt"):
        (tmp_path / name).write_text(text, encoding="latin-1")
    local = (LocalColumn("person_id", Type.TEXT), LocalColumn("x", changes.get("local", Type.TEXT)))  # type: ignore[arg-type]
    expressions = {"person_id": ColumnRef("person_id"), "x": changes.get("expression", ColumnRef("x"))}
    columns = tuple(NamedExpression(n, expressions[n]) for n in changes.get("columns", ("person_id", "x")))  # type: ignore[arg-type,attr-defined]
    files = (str(tmp_path / str(changes.get("file", "people.csv"))),)
    bound = DatasetBinding(str(changes.get("dataset", "people")), files, local, columns)
    binding = NodeBinding(1, str(changes.get("node", "here")), (bound,))
    home = home_at(tmp_path / "home")
    definition = dataset((PEOPLE[0], Column("x", Type.INTEGER)), at_most=10)
    with pytest.raises(BadFile) as caught:
        cut(binding, catalogue_of(definition), home, randomness=FixedRandomness(), source=source)
    assert caught.value.code == code
    assert CANARY not in str(caught.value) + caught.value.internal
    assert list((home.path / "snapshots").iterdir()) == []
