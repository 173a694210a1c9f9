"""node.toml: what it compiles to, and its errors by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import BadFile
from engine.extract.source import SourceTable
from engine.sql import Context
from engine.sql.compile import compile_binding
from engine.trusted.catalogue import LocalColumn, NodeBinding
from engine.trusted.plan import ColumnRef, Literal, Type
from engine.trusted.wire import decode, encode
from engine.trusted.wording import in_sql

WRITTEN = (Path(__file__).parent / "node.toml").read_text(encoding="utf-8")
LOCAL = {
    "people": "nino:TEXT code:INTEGER SexCode:TEXT born:TEXT gross:INTEGER Children:INTEGER paid_on:DATE joined:TEXT"
    " site:TEXT ward:TEXT serial:INTEGER seen:DATE consent:BOOLEAN opt_out:BOOLEAN unused:TEXT",
    "visits": "patient:INTEGER ward:TEXT days:DECIMAL",
}


def schema(file: str | SourceTable) -> tuple[LocalColumn, ...]:
    assert isinstance(file, str)
    assert Path(file).is_absolute()
    columns = LOCAL[Path(file).name.split(".")[0].split("-")[0]].replace("SexCode", "Sex_Code").split()
    return tuple(LocalColumn(c.split(":")[0].replace("_C", " C"), Type[c.split(":")[1]]) for c in columns)


def compiled(text: str, context: Context, tmp_path: Path, previous: NodeBinding | None = None) -> NodeBinding:
    path = tmp_path / "node.toml"
    path.write_text(text, encoding="utf-8")
    return compile_binding(path, context.catalogue, tmp_path, schema, previous).binding


def test_text_expressions_become_typed_ones(context: Context, tmp_path: Path) -> None:
    binding = compiled(WRITTEN, context, tmp_path)
    people, visits = binding.datasets
    columns = {c.name: c.expression for c in people.columns}
    assert in_sql(columns["person_id"]) == "upper((trim(nino)))"
    assert columns["sex"] == ColumnRef("Sex Code")
    assert columns["children"] == ColumnRef("Children")
    assert columns["balance"] == Literal(Type.DECIMAL, None)
    assert in_sql(columns["birth_year"]) == "CAST((substring(born, 1, 4)) AS BIGINT)"
    assert people.files == (str(tmp_path / "people.parquet"),)
    assert visits.files == (str(tmp_path / "visits-*.parquet"),)
    assert people.consent is not None
    assert (people.consent_version, visits.consent_version) == (1, 0)
    assert "unused" not in [c.name for c in people.local_columns]
    assert decode(NodeBinding, encode(binding)) == binding


def test_the_consent_version_counts_changes_of_the_rule(context: Context, tmp_path: Path) -> None:
    first = compiled(WRITTEN, context, tmp_path)
    assert compiled(WRITTEN, context, tmp_path, first) == first
    changed = compiled(WRITTEN.replace("opt_out = false", "opt_out IS NOT TRUE"), context, tmp_path, first)
    assert changed.datasets[0].consent_version == 2
    dropped = compiled(WRITTEN.replace('consent = "opt_out = false"\n', ""), context, tmp_path, changed)
    assert (dropped.datasets[0].consent, dropped.datasets[0].consent_version) == (None, 3)


@pytest.mark.parametrize(
    ("approval", "guardians"),
    [('mode = "agreement"', 0), ('mode = "each-plan"', 1), ('mode = "each-plan"\nguardians = 2', 2)],
)
def test_a_department_says_how_many_guardians_approve_each_plan(
    approval: str, guardians: int, context: Context, tmp_path: Path
) -> None:
    assert compiled(WRITTEN.replace('mode = "agreement"', approval), context, tmp_path).guardians == guardians


def test_a_rule_for_a_purpose_includes_the_rule_for_all(context: Context, tmp_path: Path) -> None:
    ruled = WRITTEN + '\n[dataset.people.purposes]\nresearch = "code > 3"\nother = "consent"\n'
    people = compiled(ruled, context, tmp_path, compiled(WRITTEN, context, tmp_path)).datasets[0]
    assert {p.name: in_sql(p.expression) for p in people.purposes} == {
        "research": "(opt_out = false) AND (code > 3)",
        "other": "(opt_out = false) AND consent",
    }
    assert people.consent_version == 2  # a rule for a purpose is a change of the rule


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ('name = "north"', 'name = "nobody"', "FILE_NODE_TOML_UNKNOWN_KEY", "dataset.people"),
        ('name = "north"\n', "", "FILE_NODE_TOML_MISSING", "name"),
        ('name = "north"', "name = 3", "FILE_NODE_TOML_VALUE", "name"),
        ('name = "north"', 'name = "north', "FILE_NODE_TOML_UNREADABLE", "line 1"),
        ("[approval]", "[aproval]", "FILE_NODE_TOML_UNKNOWN_KEY", "approval"),
        ('mode = "agreement"', 'mode = "each plan"', "FILE_NODE_TOML_VALUE", "approval.mode"),
        ('mode = "agreement"', "guardians = 2", "FILE_NODE_TOML_VALUE", "approval.guardians"),
        ('kind = "duckdb"', 'kind = "postgres"', "FILE_NODE_TOML_VALUE", "source.main.kind"),
        ('path = "*.parquet"', 'path = "*/*.parquet"', "FILE_NODE_TOML_VALUE", "source.main.path"),
        ('path = "*.parquet"', 'file = "*.parquet"', "FILE_NODE_TOML_UNKNOWN_KEY", "source.main.file"),
        ('"people.parquet"', '"people.csv"', "FILE_NODE_TOML_VALUE", "dataset.people.table"),
        ('"people.parquet"', '"../people.parquet"', "FILE_NODE_TOML_VALUE", "dataset.people.table"),
        ('source = "main"', 'source = "other"', "FILE_NODE_TOML_MISSING", "source.other"),
        ("[dataset.people]", "[dataset.peple]", "FILE_NODE_TOML_UNKNOWN_KEY", "Did you mean `people`"),
        ("[dataset.visits]", "[dataset.payments]", "FILE_NODE_TOML_UNKNOWN_KEY", "dataset.payments"),
        ("region = ", "regoin = ", "FILE_NODE_TOML_UNKNOWN_KEY", "Did you mean `region`"),
        ("Sex Code", "SexCod", "FILE_NODE_TOML_EXPRESSION", "Did you mean `Sex Code`"),
        ("opt_out = false", "opt_out = 'no'", "FILE_NODE_TOML_EXPRESSION", "dataset.people.consent"),
        ("opt_out = false", "opt_out = NULL", "FILE_NODE_TOML_EXPRESSION", "IS NULL"),
        ("opt_out = false", "code", "FILE_NODE_TOML_EXPRESSION", "consent rule"),
        ("gross / 100", "gross / ", "FILE_NODE_TOML_EXPRESSION", "dataset.people.columns.income"),
        ("gross / 100", "SUM(gross)", "FILE_NODE_TOML_EXPRESSION", "aggregate"),
        ("gross / 100", "read_text('x')", "FILE_NODE_TOML_EXPRESSION", "read_text"),
        ("gross / 100", "gross AS g", "FILE_NODE_TOML_EXPRESSION", "name"),
        ("gross / 100", "gross FROM t WHERE 1 = 1", "FILE_NODE_TOML_EXPRESSION", "income"),
        ("gross / 100", "gross, gross", "FILE_NODE_TOML_EXPRESSION", "one expression"),
        ("gross / 100", "", "FILE_NODE_TOML_VALUE", "dataset.people.columns.income"),
        ('"gross / 100"', "7", "FILE_NODE_TOML_VALUE", "dataset.people.columns.income"),
        ('table = "visits-*.parquet"\n', "", "FILE_NODE_TOML_MISSING", "dataset.visits.table"),
    ],
)
def test_errors_name_the_key(old: str, new: str, code: str, says: str, context: Context, tmp_path: Path) -> None:
    assert old in WRITTEN
    with pytest.raises(BadFile) as caught:
        compiled(WRITTEN.replace(old, new), context, tmp_path)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_a_missing_file_a_missing_dataset_and_a_missing_column(context: Context, tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="FILE_MISSING"):
        compile_binding(tmp_path / "none.toml", context.catalogue, tmp_path, schema)
    with pytest.raises(BadFile, match=r"dataset\.visits"):
        compiled(WRITTEN.split("[dataset.visits]")[0], context, tmp_path)
    with pytest.raises(BadFile, match="there is no local column `balance`"):
        compiled(WRITTEN.replace('balance = "NULL"\n', ""), context, tmp_path)
