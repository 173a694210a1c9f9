"""What a reader makes of each kind of value, from a table that anybody may add to; and that it reads only."""

from __future__ import annotations

import math
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from engine.errors import BadFile, Unavailable
from engine.extract import postgresql
from engine.extract.reader import Reader, opened, schema
from engine.extract.source import Postgresql, SourceTable, Sqlite, password
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type
from tests.extract.conftest import Database

VALUES = yaml.safe_load((Path(__file__).parent / "values.yaml").read_text(encoding="utf-8"))
OWN_TYPES = "CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0)"


WORDS = " wörter" * 8  # more than one block of a stream


def column(number: int) -> str:
    return f'"Column, {number}"'


def held(table: list[list[Any]]) -> str:
    names = ", ".join(f"{column(i)} {row[0]}" for i, row in enumerate(table))
    return f"CREATE TABLE held ({names}); INSERT INTO held VALUES ({', '.join(row[1] for row in table)})"


def check(database: Database, table: list[list[Any]]) -> None:
    where = database.table("held")
    with opened(database.source) as reader:
        described = reader.described(where).columns
        assert [kind and kind.name for kind in described.values()] == [row[2] for row in table]
        usable = [LocalColumn(name, kind) for name, kind in described.items() if kind is not None]
        read = pa.Table.from_batches(reader.batches(where, usable), schema(usable))
        lost = reader.lost(where, usable)
    [row] = read.to_pylist()
    expected = {f"Column, {i}": wanted for i, (_, _, kind, wanted) in enumerate(table) if kind is not None}
    for name, wanted in expected.items():
        if isinstance(wanted, float) and math.isnan(wanted):
            assert math.isnan(row[name])
        else:
            assert row[name] == (None if wanted == "lost" else wanted), name
            assert type(row[name]) is type(None if wanted == "lost" else wanted)
    assert lost == {name: 1 for name, wanted in expected.items() if wanted == "lost"}


def test_sqlite_values(sqlite_file: Database) -> None:
    sqlite_file.run(held(VALUES["sqlite"]))
    check(sqlite_file, VALUES["sqlite"])


def test_postgresql_values(server: Database) -> None:
    server.run(OWN_TYPES)
    server.run(held(VALUES["postgresql"]))
    check(server, VALUES["postgresql"])


def rows(reader: Reader, table: SourceTable) -> int:
    return sum(batch.num_rows for batch in reader.batches(table, [LocalColumn("a", Type.INTEGER)]))


def test_a_reader_sees_one_moment(database: Database) -> None:
    """What others write meanwhile is not seen, in no table: not half of a transfer between two."""
    database.run("CREATE TABLE held (a integer); CREATE TABLE other (a integer); INSERT INTO held VALUES (1)")
    with opened(database.source) as reader:
        for name in ("held", "other"):
            reader.described(database.table(name))
        assert rows(reader, database.table("held")) == 1
        database.run("DELETE FROM held; INSERT INTO other VALUES (1)")
        assert rows(reader, database.table("other")) == 0
        assert rows(reader, database.table("held")) == 1
    with opened(database.source) as reader:
        reader.described(database.table("other"))
        assert rows(reader, database.table("other")) == 1


def test_many_batches_are_read_in_full(database: Database) -> None:
    many = 200_001
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})"
    database.run(f"CREATE TABLE held (i integer, t text); INSERT INTO held {numbers} SELECT i, i || '{WORDS}' FROM n")
    columns = [LocalColumn("i", Type.INTEGER), LocalColumn("t", Type.TEXT)]
    with opened(database.source) as reader:
        reader.described(database.table("held"))
        batches = list(reader.batches(database.table("held"), columns))
    assert len(batches) > 1
    read = pa.Table.from_batches(batches)
    assert (read.num_rows, sum(read["i"].to_pylist())) == (many, many * (many + 1) // 2)
    assert set(read["t"].to_pylist()) == {f"{i}{WORDS}" for i in range(1, many + 1)}


@pytest.mark.parametrize("name", ["absent", 'he"ld', "held; DROP TABLE held", "information_schema.tables"])
def test_a_table_that_is_not_there(database: Database, name: str) -> None:
    database.run("CREATE TABLE held (a integer)")
    with opened(database.source) as reader, pytest.raises(BadFile, match="FILE_SOURCE_TABLE"):
        reader.described(database.table(name))
    with opened(database.source) as reader:
        assert dict(reader.described(database.table("held")).columns) == {"a": Type.INTEGER}


def test_a_view_is_read_as_a_table(database: Database) -> None:
    database.run("CREATE TABLE held (a integer, b text); INSERT INTO held VALUES (3, 'x')")
    database.run("CREATE VIEW shown AS SELECT a FROM held WHERE b = 'x'")
    where = database.table("shown")
    with opened(database.source) as reader:
        assert dict(reader.described(where).columns) == {"a": Type.INTEGER}
        [batch] = reader.batches(where, [LocalColumn("a", Type.INTEGER)])
        assert batch.to_pylist() == [{"a": 3}]


def test_an_account_that_may_write_is_told(server: Database) -> None:
    server.run("CREATE TABLE held (a integer)")
    server.run(f"CREATE ROLE looks LOGIN PASSWORD '{password(server.source.password_file)}'")  # type: ignore[union-attr]
    server.run("GRANT SELECT ON held TO looks")
    for account, writes in ((server.source.account, True), ("looks", False)):  # type: ignore[union-attr]
        with opened(replace(server.source, account=account)) as reader:
            assert reader.described(server.table("held")).may_write is writes


def test_nothing_can_be_written(server: Database) -> None:
    """Not even by an account that may."""
    server.run("CREATE TABLE held (a integer)")
    with opened(server.source) as reader, pytest.raises(Exception, match="25006"):
        reader._connection.run("INSERT INTO held VALUES (1)")  # type: ignore[attr-defined]


def test_a_query_that_fails_half_way_says_nothing_of_the_row(server: Database) -> None:
    """The last row of a view divides by nought; the server says which value it was, the error does not."""
    server.run("CREATE TABLE held AS SELECT i FROM generate_series(1, 300000) AS t(i)")
    server.run(
        "CREATE VIEW shown AS SELECT CAST(CASE i WHEN 299999 THEN 'secret' || i ELSE '1' END AS integer) AS a FROM held"
    )
    with opened(server.source) as reader:
        reader.described(server.table("shown"))
        with pytest.raises(Unavailable) as caught:
            list(reader.batches(server.table("shown"), [LocalColumn("a", Type.INTEGER)]))
    assert caught.value.code == "NODE_DATABASE_FAILED"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"account": "nobody"}, "28P01"),
        ({"database": "nowhere"}, "3D000"),
        ({"port": 9}, "no connection"),
        ({"host": "/nowhere"}, "no connection"),
        ({"ca_file": "own"}, "no TLS that fits"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_server_that_cannot_be_opened(server: Database, change: dict[str, Any], why: str) -> None:
    """This server has no TLS: where it is asked for, nothing is sent without."""
    if "ca_file" in change:
        change = {"ca_file": ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"}
    with pytest.raises(Unavailable) as caught, opened(replace(server.source, **change)):
        pass
    assert caught.value.code == "NODE_DATABASE_UNREACHABLE"
    assert why in str(caught.value)
    assert "canary" not in f"{caught.value} {caught.value.internal}"


@pytest.mark.parametrize(
    ("host", "secured"),
    [
        ("127.0.0.1", False),
        ("localhost", False),
        ("::1", False),
        ("db.example", True),
        ("192.0.2.1", True),
        ("127.evil.example", True),
    ],
)
def test_another_machine_is_read_over_tls(host: str, secured: bool) -> None:
    found = postgresql._tls(Postgresql("main", host, 5432, "d", "a"))
    assert (found is not None) is secured
    if found is not None:
        assert found.check_hostname
        assert found.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("body", "mode", "code"),
    [
        ("secret\n", 0o600, ""),
        ("secret", 0o400, ""),
        ("secret", 0o640, "FILE_PASSWORD_OPEN"),
        ("\nx", 0o600, "FILE_PASSWORD_EMPTY"),
    ],
)
def test_a_password_stays_with_its_owner(body: str, mode: int, code: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(body)
    file.chmod(mode)
    if not code:
        assert password(str(file)) == "secret"
        return
    with pytest.raises(BadFile, match=code):
        password(str(file))


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "rows.sqlite"
    with pytest.raises(BadFile, match="FILE_MISSING"), opened(Sqlite("main", str(file))):
        pass
    file.write_text("not a database, but long enough to be read as the head of one " * 10)
    with pytest.raises(Unavailable, match="NODE_DATABASE_FAILED"), opened(Sqlite("main", str(file))) as reader:
        reader.described(Database(Sqlite("main", str(file)), print).table("held"))
