"""From node.toml to files in the home: what is read, what is left as it was, what is refused."""

from __future__ import annotations

import fcntl
import json
import re
import resource
import stat
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from pyarrow import parquet

import engine.docs
from engine.cli.main import run
from engine.errors import BadFile, Unavailable
from engine.extract.run import extract
from engine.extract.source import Postgresql, SourceTable, Sqlite, require_read, stored
from engine.governance.binding import prepare
from engine.governance.schemas import SCHEMAS
from engine.sql.sources import location
from engine.sql.toml_file import TomlFile
from engine.trusted.home import Home
from engine.trusted.plan import Type
from engine.trusted.random import SystemRandomness
from nodes.sources.dialect import quoted
from nodes.sources.duckdb import DuckDBSource
from nodes.sources.render import ROWS as ROWS_TABLE
from nodes.sources.render import alias
from nodes.tables import cut
from tests.extract.conftest import Database

CATALOGUE = """
federation: test
datasets:
  people:
    hosts: [b]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 1000, rows: 1000}
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S]}
      age: {type: integer, bounds: [0, 120]}
  visits:
    hosts: [b]
    person: person_id
    overlap: 1
    rows_per_person: 2
    groups_per_person: 2
    at_most: {persons: 1000, rows: 1000}
    columns:
      person_id: {type: text}
      seen: {type: date, bounds: [2020-01-01, 2029-12-31]}
"""
ROWS = """
CREATE TABLE person (nino text, area text, years integer, secret text, opted_out boolean);
INSERT INTO person VALUES ('a', 'N', 30, 'x', false), ('b', 'S', 40, 'y', false), ('c', 'S', 50, 'z', true);
CREATE TABLE visit (nino text, seen date);
INSERT INTO visit VALUES ('a', '2024-01-01'), ('a', '2024-02-01'), ('b', '2025-01-01')
"""
TABLES = """
[dataset.people]
source = "{source}"
table = "person"
consent = "NOT opted_out"
columns = {{ person_id = "nino", region = "area", age = "years" }}
[dataset.visits]
source = "main"
table = "visit"
columns = {{ person_id = "nino" }}
"""


def written(database: Database, source: str = "main") -> str:
    at = database.source
    if isinstance(at, Sqlite):
        body = f'[source.main]\nkind = "sqlite"\npath = "{at.path}"\n'
    else:
        body = (
            f'[source.main]\nkind = "postgresql"\nhost = "{at.host}"\nport = {at.port}\ndatabase = "{at.database}"\n'
            f'account = "{at.account}"\npassword_file = "{at.password_file}"\n'
        )
    return 'name = "b"\n' + body + TABLES.format(source=source)


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    assert run(["federation", "init", str(tmp_path / "f"), "--catalog", str(tmp_path / "c.yaml"), "--json"]) == 0
    capsys.readouterr()
    return Home.load(tmp_path / "f" / "b")


def prepared(home: Home, text: str) -> Home:
    file = home.path / "node.toml"
    file.write_text(text)
    prepare(home, file)
    return home


def test_a_database_becomes_a_snapshot(database: Database, home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    """Only the columns that node.toml names are read, and only their owner may look at them."""
    database.run(ROWS)
    (home.path / "node.toml").write_text(written(database))
    assert run(["node", "prepare", str(home.path / "node.toml"), "--json"]) == 0
    capsys.readouterr()
    with pytest.raises(BadFile, match="FILE_EXTRACT_MISSING"):
        require_read(home)
    assert run(["node", "extract", "--home", str(home.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["datasets"]
    assert [(one["dataset"], one["rows"], one["lost"]) for one in told] == [("people", 3, {}), ("visits", 3, {})]
    require_read(home)
    files = sorted((home.path / "extracts").glob("*.parquet"))
    assert [file.name.partition("-")[0] for file in files] == ["people", "visits"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (*files, home.path / "extracts.json")} == {0o600}
    assert stat.S_IMODE((home.path / "extracts").stat().st_mode) == 0o700
    assert parquet.read_schema(files[0]).names == ["nino", "area", "years", "opted_out"]
    assert snapshots(home) == [2, 3]


def test_what_is_to_be_read_is_kept_without_a_password(database: Database, home: Home) -> None:
    database.run(ROWS)
    people, visits = stored(prepared(home, written(database)))
    assert people.table.source == visits.table.source == database.source
    assert {c.name: c.type for c in visits.columns} == {"nino": Type.TEXT, "seen": Type.DATE}
    assert "canary" not in (home.path / "extracts.json").read_text()


def test_a_database_that_fails_leaves_every_file_as_it_was(database: Database, home: Home) -> None:
    database.run(ROWS)
    extract(prepared(home, written(database)))
    before = {file: file.read_bytes() for file in (home.path / "extracts").glob("*.parquet")}
    database.run("DELETE FROM person; DROP TABLE visit")
    with pytest.raises(BadFile, match="FILE_SOURCE_TABLE"):
        extract(home)
    assert {file: file.read_bytes() for file in (home.path / "extracts").glob("*")} == before | {
        home.path / "extracts/lock": b""
    }


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ("ALTER TABLE person RENAME COLUMN years TO age", "FILE_SOURCE_COLUMN_MISSING"),
        ("ALTER TABLE person RENAME TO persons", "FILE_SOURCE_TABLE"),
        (
            "DROP TABLE person; CREATE TABLE person (nino text, area text, years text, opted_out boolean)",
            "FILE_SOURCE_COLUMN_TYPE",
        ),
    ],
)
def test_a_table_that_has_changed_since(database: Database, home: Home, changed: str, code: str) -> None:
    database.run(ROWS)
    prepared(home, written(database))
    database.run(changed)
    with pytest.raises(BadFile) as caught:
        extract(home)
    assert caught.value.code == code


def test_files_of_other_columns_go(sqlite_file: Database, home: Home) -> None:
    """What was read for a binding that is no more is not cut, and not kept."""
    sqlite_file.run(ROWS)
    extract(prepared(home, written(sqlite_file)))
    prepared(home, written(sqlite_file).replace('age = "years"', 'age = "years + 1"'))
    require_read(home)
    prepared(home, written(sqlite_file).replace('age = "years"', "age = \"CASE secret WHEN 'x' THEN 1 END\""))
    [left] = (home.path / "extracts").glob("*.parquet")
    assert left.name.startswith("visits-")
    with pytest.raises(BadFile, match="FILE_EXTRACT_MISSING"):
        require_read(home)


def snapshots(home: Home) -> list[int]:
    """How many rows the node answers from, as a start of it has them."""
    source = DuckDBSource()
    try:
        tables = cut(home.binding(), home.manifest().catalogue, home, randomness=SystemRandomness(), source=source)
        counts = [f"SELECT COUNT(*) FROM {quoted(alias(name))}.{quoted(ROWS_TABLE)}" for name in ("people", "visits")]
        return [count for [[count]] in source.select(tables.databases, counts, 1)]
    finally:
        source.close()


def test_another_table_of_the_same_columns_is_another_snapshot(database: Database, home: Home) -> None:
    """The owner gives the node less: it must not go on with what it had, nor start with nothing read."""
    database.run(ROWS)
    text = written(database)
    extract(prepared(home, text))
    assert snapshots(home) == [2, 3]
    database.run("CREATE VIEW fewer AS SELECT * FROM person WHERE nino <> 'a'")
    prepared(home, text.replace('"person"', '"fewer"'))
    with pytest.raises(BadFile, match="FILE_EXTRACT_MISSING"):
        require_read(home)
    extract(home)
    assert snapshots(home) == [1, 3]
    prepared(home, text.replace('"person"', '"fewer"').replace("[dataset.people]", "\n[dataset.people]"))
    require_read(home)


def test_nothing_is_prepared_while_something_is_read(sqlite_file: Database, home: Home) -> None:
    """Rows for a binding that is no more would come to stand in its place."""
    sqlite_file.run(ROWS)
    extract(prepared(home, written(sqlite_file)))
    before = stored(home), home.binding()
    with (home.path / "extracts/lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BadFile, match="FILE_EXTRACT_BUSY"):
            prepared(home, written(sqlite_file).replace("years", "years + 1"))
    assert (stored(home), home.binding()) == before


def test_what_a_killed_reading_left_goes(sqlite_file: Database, home: Home, tmp_path: Path) -> None:
    """And what points elsewhere is not written to."""
    sqlite_file.run(ROWS)
    extract(prepared(home, written(sqlite_file)))
    folder, outside = home.path / "extracts", tmp_path / "outside"
    [people, visits] = sorted(folder.glob("*.parquet"))
    outside.write_text("mine")
    (folder / "older.partial").write_text("rows")
    people.with_suffix(".partial").symlink_to(outside)
    visits.with_suffix(".partial").touch(0o666)
    folder.chmod(0o777)
    extract(home)
    assert outside.read_text() == "mine"
    assert sorted(folder.iterdir()) == sorted([people, visits, folder / "lock"])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (people, visits, folder)] == [0o600, 0o600, 0o700]
    (folder / "older.partial").write_text("rows")
    (home.path / "all.csv").write_text("nino,area,years,seen\n")
    files = re.sub(
        r"(?s)\[source.main\].*?\[dataset",
        '[source.main]\nkind = "duckdb"\npath = "*.csv"\n[dataset',
        written(sqlite_file),
    )
    files = re.sub(
        r'table = ".*"|consent = ".*"', 'table = "all.csv"', files.replace('consent = "NOT opted_out"\n', "")
    )
    prepared(home, files)
    assert list(folder.iterdir()) == [folder / "lock"]


def test_a_lock_that_points_elsewhere_is_none(sqlite_file: Database, home: Home, tmp_path: Path) -> None:
    sqlite_file.run(ROWS)
    prepared(home, written(sqlite_file))
    outside, lock = tmp_path / "outside", home.path / "extracts/lock"
    outside.write_text("mine")
    lock.unlink()
    lock.symlink_to(outside)
    with pytest.raises(BadFile, match="FILE_EXTRACT_NOT_WRITTEN"):
        extract(home)
    assert outside.read_text() == "mine"


def test_a_full_disk_leaves_every_file_as_it_was(sqlite_file: Database, home: Home) -> None:
    sqlite_file.run(f"PRAGMA journal_mode = DELETE; {ROWS}")
    extract(prepared(home, written(sqlite_file)))
    before = {file: file.read_bytes() for file in (home.path / "extracts").iterdir()}
    sqlite_file.run("DELETE FROM person")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
    try:
        with pytest.raises(BadFile, match="FILE_EXTRACT_NOT_WRITTEN"):
            extract(home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {file: file.read_bytes() for file in (home.path / "extracts").iterdir()} == before
    assert extract(home)[0].rows == 0


def test_columns_that_differ_in_capitals_alone(server: Database, home: Home) -> None:
    server.run(ROWS)
    server.run('ALTER TABLE person ADD COLUMN "Years" integer')
    prepared(home, written(server))
    with pytest.raises(BadFile, match="differ in capitals alone"):
        prepared(
            home,
            written(server).replace('age = "years"', 'age = "CASE WHEN area = \'N\' THEN years ELSE \\"Years\\" END"'),
        )


def test_one_at_a_time(sqlite_file: Database, home: Home) -> None:
    sqlite_file.run(ROWS)
    extract(prepared(home, written(sqlite_file)))
    with (home.path / "extracts/lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(BadFile, match="FILE_EXTRACT_BUSY"):
            extract(home)
    assert extract(home)


def test_files_and_a_database_stand_side_by_side(sqlite_file: Database, home: Home) -> None:
    sqlite_file.run(ROWS)
    (home.path / "person.csv").write_text("nino,area,years,opted_out\na,N,3,false\n")
    text = (
        written(sqlite_file, "files")
        .replace('"person"', '"person.csv"')
        .replace("NOT opted_out", "opted_out = 'false'")
    )
    prepared(home, text + '[source.files]\nkind = "duckdb"\npath = "*.csv"\n')
    assert [one.dataset for one in extract(home)] == ["visits"]


def test_a_home_without_databases_has_nothing_to_read(
    sqlite_file: Database, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(home) == ()
    assert run(["node", "extract", "--home", str(home.path), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["error"]["code"] == "FILE_EXTRACT_NONE"
    (home.path / "extracts.json").write_text('[{"dataset": "people"}]')
    with pytest.raises(BadFile, match="FILE_HOME_BROKEN"):
        stored(home)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind = "sqlite"', 'kind = "oracle"', "source.main.kind"),
        ('kind = "sqlite"', 'kind = "postgres"', "Did you mean `postgresql`"),
        ('kind = "sqlite"', 'kind = "sqlite"\npassword = "x"', "source.main.password"),
        ('table = "visit"', 'table = ""', "dataset.visits.table"),
        ('table = "visit"', 'table = "visitors"', "FILE_SOURCE_TABLE"),
        ('source = "main"', 'source = "mian"', "source.mian"),
    ],
)
def test_errors_of_a_source_name_the_key(sqlite_file: Database, home: Home, old: str, new: str, says: str) -> None:
    sqlite_file.run(ROWS)
    text = written(sqlite_file)
    assert old in text
    with pytest.raises(BadFile) as caught:
        prepared(home, text.replace(old, new))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('password = "x"', "write it into a file"),
        ("port = 0", "source.main.port"),
        ("port = true", "source.main.port"),
        ('url = "postgresql://h/d"', "source.main.url"),
        ('host = ""', "source.main.host"),
    ],
)
def test_errors_of_a_server_name_the_key(home: Home, line: str, says: str) -> None:
    """Refused before anything is dialled."""
    text = 'name = "b"\n[source.main]\nkind = "postgresql"\ndatabase = "d"\naccount = "a"\n'
    host = "" if line.startswith("host") else 'host = "127.0.0.1"\n'
    with pytest.raises(BadFile) as caught:
        prepared(home, f"{text}{host}{line}\n{TABLES.format(source='main')}")
    assert says in str(caught.value)


def test_the_manuals_server_can_be_written() -> None:
    text = (Path(engine.docs.__file__).parent / "manual/install.md").read_text(encoding="utf-8")
    body = text.split("```toml north/postgresql.toml\n")[1].split("```")[0]
    held = tomllib.loads(body)
    Draft202012Validator(SCHEMAS["node"]()).validate({"name": "north", **held})
    given = held["dataset"]["people"]
    at = location(TomlFile(Path("/etc/node.toml")), held["source"], given["source"], given["table"], "dataset.people")
    assert isinstance(at, SourceTable)
    assert str(at) == "published.people"
    assert at.source == Postgresql(
        "register",
        "db.north.example",
        5432,
        "register",
        "splittally_reader",
        "/etc/register.password",
        "/etc/authority.pem",
    )


def test_relative_paths_begin_at_the_file(home: Home) -> None:
    text = (
        'name = "b"\n[source.main]\nkind = "postgresql"\nhost = "127.0.0.1"\nport = 9\ndatabase = "d"\naccount = "a"\n'
        f'password_file = "secret"\n{TABLES.format(source="main")}'
    )
    (home.path / "secret").touch(mode=0o600)
    (home.path / "secret").write_text("x")
    with pytest.raises(Unavailable, match="NODE_DATABASE_UNREACHABLE"):
        prepared(home, text)
    (home.path / "secret").unlink()
    with pytest.raises(BadFile, match="FILE_PASSWORD_UNREADABLE"):
        prepared(home, text)


def test_a_table_may_be_named_with_its_schema(server: Database, home: Home) -> None:
    server.run(ROWS)
    server.run("CREATE SCHEMA published; CREATE VIEW published.visit AS SELECT nino, seen FROM visit WHERE nino = 'b'")
    prepared(home, written(server).replace('table = "visit"', 'table = "published.visit"'))
    assert isinstance(server.source, Postgresql)
    people, visits = extract(home)
    assert (people.rows, visits.rows, visits.table) == (3, 1, "published.visit")
    assert people.may_write
