"""What a reader makes of each kind of value, from a table that anybody may add to; and that it reads only."""

from __future__ import annotations

import math
import os
import socket
import sqlite3
import ssl
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from engine.errors import BadFile, Unavailable
from engine.extract import postgresql, sqlite
from engine.extract.reader import Reader, opened, quoted, schema
from engine.extract.source import Postgresql, SourceTable, Sqlite, password
from engine.trusted.catalogue import LocalColumn
from engine.trusted.plan import Type
from tests.extract.conftest import Database

VALUES = yaml.safe_load((Path(__file__).parent / "values.yaml").read_text(encoding="utf-8"))
OWN_TYPES = """
CREATE TYPE mood AS ENUM ('calm', 'cross'); CREATE DOMAIN temper AS mood;
CREATE DOMAIN positive AS integer CHECK (VALUE > 0); CREATE DOMAIN few AS positive CHECK (VALUE < 9);
CREATE TYPE "date" AS (held mood)
"""


NOBODY = 65_534  # whom root becomes, who may write anything
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
    with opened(database.source, database.table("held"), database.table("other")) as reader:
        for name in ("held", "other"):
            reader.described(database.table(name))
        assert rows(reader, database.table("held")) == 1
        database.run("DELETE FROM held; INSERT INTO other VALUES (1)")
        assert rows(reader, database.table("other")) == 0
        assert rows(reader, database.table("held")) == 1
    with opened(database.source) as reader:
        reader.described(database.table("other"))
        assert rows(reader, database.table("other")) == 1


def test_a_table_cannot_be_emptied_beneath_a_reader(server: Database) -> None:
    """TRUNCATE is seen by transactions that began before it: without a lock, a table filled anew has no rows."""
    server.run(
        "CREATE TABLE first AS SELECT 1 AS a; CREATE TABLE held AS SELECT 1 AS a; CREATE TABLE below AS SELECT 1 AS a"
    )
    server.run("CREATE VIEW shown AS SELECT a FROM below")
    tables = [server.table(name) for name in ("first", "held", "shown")]
    with opened(server.source, *tables) as reader:
        for table in tables:
            reader.described(table)
        assert rows(reader, tables[0]) == 1
        for name in ("held", "below"):
            with pytest.raises(Exception, match="55P03"):
                server.run(f"SET lock_timeout = '100ms'; TRUNCATE {name}")
        assert [rows(reader, table) for table in tables] == [1, 1, 1]
    with opened(server.source) as reader:
        for table in tables:
            reader.described(table)
        assert rows(reader, tables[0]) == 1
        server.run("BEGIN; TRUNCATE held; INSERT INTO held VALUES (2); COMMIT")
        assert rows(reader, tables[1]) == 0  # the lock above is what the test is of


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


def test_rows_of_nothing_are_rows(database: Database) -> None:
    database.run("CREATE TABLE held (a text); INSERT INTO held VALUES (NULL), (''), ('x'), (NULL)")
    where = database.table("held")
    with opened(database.source, where) as reader:
        reader.described(where)
        [batch] = reader.batches(where, [LocalColumn("a", Type.TEXT)])
    assert batch.column(0).to_pylist() == [None, "", "x", None]


def test_a_table_without_rows(database: Database) -> None:
    database.run("CREATE TABLE held (a integer, b date)")
    where = database.table("held")
    with opened(database.source, where) as reader:
        columns = [LocalColumn(name, kind) for name, kind in reader.described(where).columns.items() if kind]
        assert sum(batch.num_rows for batch in reader.batches(where, columns)) == 0
        assert reader.lost(where, columns) == {}


@pytest.mark.parametrize(
    "name",
    ['a"b', "it's", "new\nline", ":x", "$1", "--", "/*", "%s", "a\\b", "\ufeffmark", "c,d", "Größe", " ", "select"],
)
def test_a_column_of_any_name(database: Database, name: str) -> None:
    database.run(f"CREATE TABLE held ({quoted(name)} text, other text); INSERT INTO held VALUES ('this', 'that')")
    where = database.table("held")
    with opened(database.source, where) as reader:
        assert dict(reader.described(where).columns) == {name: Type.TEXT, "other": Type.TEXT}
        [batch] = reader.batches(where, [LocalColumn(name, Type.TEXT)])
    assert batch.to_pylist() == [{name: "this"}]


def test_columns_that_are_computed(database: Database) -> None:
    database.run("CREATE TABLE held (a integer, b integer GENERATED ALWAYS AS (a * 2) STORED)")
    database.run("INSERT INTO held (a) VALUES (3)")
    where = database.table("held")
    with opened(database.source, where) as reader:
        columns = [LocalColumn(name, kind) for name, kind in reader.described(where).columns.items() if kind]
        [batch] = reader.batches(where, columns)
    assert batch.to_pylist() == [{"a": 3, "b": 6}]


PARTED = """
CREATE TABLE held (a integer) PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF held FOR VALUES FROM (0) TO (9);
INSERT INTO held VALUES (3)
"""


@pytest.mark.parametrize(
    ("made", "count"),
    [
        (PARTED, 1),
        ("CREATE MATERIALIZED VIEW held AS SELECT 1 AS a", 1),
        ("CREATE SEQUENCE held", None),
        ("CREATE TYPE held AS (a integer)", None),
        ("CREATE TABLE t (a integer); CREATE INDEX held ON t (a)", None),
    ],
    ids=["partitioned", "materialised", "sequence", "type", "index"],
)
def test_what_is_a_table(server: Database, made: str, count: int | None) -> None:
    server.run(made)
    where = server.table("held")
    with opened(server.source, where) as reader:
        if count is None:
            with pytest.raises(BadFile, match="FILE_SOURCE_TABLE"):
                reader.described(where)
        else:
            reader.described(where)
            assert rows(reader, where) == count


@pytest.mark.parametrize(
    ("granted", "columns"),
    [
        ("GRANT USAGE ON SCHEMA apart TO looks", None),
        ("GRANT SELECT ON apart.held TO looks", None),
        ("GRANT USAGE ON SCHEMA apart TO looks; GRANT SELECT ON apart.held TO looks", ["a", "b"]),
        ("GRANT USAGE ON SCHEMA apart TO looks; GRANT SELECT (b) ON apart.held TO looks", ["b"]),
    ],
    ids=["schema", "table", "both", "column"],
)
def test_what_an_account_may_not_read_is_not_there(server: Database, granted: str, columns: list[str] | None) -> None:
    assert isinstance(server.source, Postgresql)
    who, secret = f"{server.source.database}_looks", password(server.source.password_file)
    server.run(f"CREATE ROLE {who} LOGIN PASSWORD '{secret}'")
    server.run("CREATE SCHEMA apart; CREATE TABLE apart.held AS SELECT 1 AS a, 2 AS b")
    server.run(granted.replace("looks", who))
    source = replace(server.source, account=who)
    where = SourceTable(source, "apart", "held")
    with opened(source, where) as reader:
        if columns is None:
            with pytest.raises(BadFile, match="FILE_SOURCE_TABLE"):
                reader.described(where)
            return
        found = reader.described(where)
        assert list(found.columns) == columns
        assert not found.may_write
        [batch] = reader.batches(where, [LocalColumn("b", Type.INTEGER)])
        assert batch.to_pylist() == [{"b": 2}]


def test_settings_of_the_account_change_no_value(server: Database) -> None:
    assert isinstance(server.source, Postgresql)
    at = server.source
    server.run("CREATE TABLE held AS SELECT 0.1 + 0.2::double precision AS a, DATE '2024-02-01' AS b")
    for setting in ("extra_float_digits = 0", "datestyle = 'German'", "client_encoding = 'LATIN1'"):
        server.run(f"ALTER ROLE {at.account} IN DATABASE {at.database} SET {setting}")
    where = server.table("held")
    with opened(at, where) as reader:
        reader.described(where)
        [batch] = reader.batches(where, [LocalColumn("a", Type.DECIMAL), LocalColumn("b", Type.DATE)])
    assert batch.to_pylist() == [{"a": 0.30000000000000004, "b": date(2024, 2, 1)}]


def test_a_database_of_bytes(server: Database) -> None:
    """Its server does not know what its texts are: those that are UTF-8 are read."""
    assert isinstance(server.source, Postgresql)
    name = f"{server.source.database}_bytes"
    server.run(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    source = replace(server.source, database=name)
    import pg8000.native

    other = pg8000.native.Connection(
        source.account, host=source.host, port=source.port, database=name, password=password(source.password_file)
    )
    other.run(
        "CREATE TABLE held AS SELECT convert_from(decode('4bc3b66c6e', 'hex'), 'SQL_ASCII') AS a,"
        " convert_from(decode('4bf66c6e', 'hex'), 'SQL_ASCII') AS b"
    )
    other.close()
    where = SourceTable(source, "public", "held")
    columns = [LocalColumn("a", Type.TEXT), LocalColumn("b", Type.TEXT)]
    with opened(source, where) as reader:
        reader.described(where)
        [batch] = reader.batches(where, columns)
        assert batch.to_pylist() == [{"a": "Köln", "b": None}]
        assert reader.lost(where, columns) == {"b": 1}


def test_a_row_longer_than_a_block_is_told(server: Database) -> None:
    server.run("CREATE TABLE held AS SELECT repeat('x', 40000000) AS a")
    where = server.table("held")
    with opened(server.source, where) as reader:
        reader.described(where)
        with pytest.raises(Unavailable, match="a row is longer than 8 MiB"):
            list(reader.batches(where, [LocalColumn("a", Type.TEXT)]))


def test_rows_that_nobody_wants_any_more_are_not_waited_for(server: Database) -> None:
    """A server that still thinks, and a reader that is interrupted."""
    server.run("CREATE TABLE held AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 60000)")
    server.run("CREATE VIEW shown AS SELECT a FROM held UNION ALL SELECT CAST(pg_sleep(30) AS text)")
    began = time.monotonic()
    with opened(server.source, server.table("shown")) as reader:
        reader.described(server.table("shown"))
        batches = reader.batches(server.table("shown"), [LocalColumn("a", Type.TEXT)])
        next(batches)
        batches.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "said",
    [b"", b"HTTP/1.1 400 Bad Request", b"E\0\0\0\x08\xff\xff\0\0", b"R\xff\xff\xff\xff", b"R\0\0\0\x0c\0\0\0\x0aXXXX"],
    ids=["nothing", "http", "garbled", "negative", "mechanism"],
)
def test_a_server_that_is_no_postgresql(server: Database, said: bytes) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)

        def answer() -> None:
            with listening.accept()[0] as caller:
                for words in (b"N", said):
                    caller.recv(1000)
                    caller.sendall(words)

        speaking = threading.Thread(target=answer)
        speaking.start()
        source = replace(server.source, port=listening.getsockname()[1])  # type: ignore[type-var]
        with pytest.raises(Unavailable, match="NODE_DATABASE_UNREACHABLE"), opened(source):
            pass
        speaking.join()


def test_a_server_that_says_nothing(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 0.2)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        source = replace(server.source, port=listening.getsockname()[1])  # type: ignore[type-var]
        with pytest.raises(Unavailable, match="does not answer in time"), opened(source):
            pass


def test_a_server_may_think_longer_than_it_takes_to_connect(server: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 1.0)
    server.run("CREATE VIEW shown AS SELECT CAST(pg_sleep(2) IS NULL AS integer) AS a")
    where = server.table("shown")
    with opened(server.source, where) as reader:
        reader.described(where)
        assert rows(reader, where) == 1


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
    assert "22P02" in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.internal}"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"account": "nobody"}, "28P01"),
        ({"database": "nowhere"}, "3D000"),
        ({"port": 9}, "no connection"),
        ({"host": "/nowhere"}, "no connection"),
        ({"host": "a" * 64 + ".example"}, "no connection"),
        ({"host": "[::1]"}, "no connection"),
        ({"account": "no\0body"}, "08P01"),
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
        ("\ufeffsecret\r\n", 0o600, ""),
        ("secret", 0o640, "FILE_PASSWORD_OPEN"),
        ("secr\udcff", 0o600, "FILE_PASSWORD_UNREADABLE"),
        ("\nx", 0o600, "FILE_PASSWORD_EMPTY"),
    ],
)
def test_a_password_stays_with_its_owner(body: str, mode: int, code: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(body.encode("utf-8", "surrogateescape"))
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
    with pytest.raises(Unavailable, match="SQLITE_NOTADB"), opened(Sqlite("main", str(file))) as reader:
        reader.described(Database(Sqlite("main", str(file)), print).table("held"))


def test_a_file_that_another_program_writes(sqlite_file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    assert isinstance(sqlite_file.source, Sqlite)
    sqlite_file.run("CREATE TABLE held (a integer); PRAGMA journal_mode = DELETE")
    with closing(sqlite3.connect(sqlite_file.source.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with (
            pytest.raises(Unavailable, match="SQLITE_BUSY, another program writes it"),
            opened(sqlite_file.source) as reader,
        ):
            reader.described(sqlite_file.table("held"))


def test_a_file_whose_folder_may_not_be_written() -> None:
    """In WAL mode SQLite writes beside it, even to read: a service has a file system for reading alone."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.sqlite"
        with closing(sqlite3.connect(path)) as made:
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("CREATE TABLE held (a integer)")
        Path(folder).chmod(0o555)
        path.chmod(0o444)
        source = Sqlite("main", str(path))
        if own == 0:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(Unavailable, match="VACUUM INTO"), opened(source) as reader:
                reader.described(SourceTable(source, "", "held"))
        finally:
            os.seteuid(own)
            Path(folder).chmod(0o755)
