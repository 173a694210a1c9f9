"""Databases to read: a SQLite file, and a PostgreSQL where there is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.extract.source import Postgresql, Source, SourceTable, Sqlite
from tests.postgres import PASSWORD, USER, Cluster, cluster


@dataclass(frozen=True)
class Database:
    """A source, and somebody else's way to it who may write."""

    source: Source
    run: Callable[[str], None]

    def table(self, name: str) -> SourceTable:
        return SourceTable(self.source, "public" if isinstance(self.source, Postgresql) else "", name)


@pytest.fixture(scope="session")
def cluster_running() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Database:
    path = tmp_path / "rows.sqlite"
    with closing(sqlite3.connect(path)) as made:
        made.execute("PRAGMA journal_mode = WAL")

    def run(sql: str) -> None:
        with closing(sqlite3.connect(path)) as other, other:
            other.executescript(sql)

    return Database(Sqlite("main", str(path)), run)


@pytest.fixture
def server(cluster_running: Cluster, tmp_path: Path) -> Database:
    import pg8000.native

    name = cluster_running.new_database().rpartition("/")[2]
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{PASSWORD}\n")

    def run(sql: str) -> None:
        other = pg8000.native.Connection(
            USER, host="127.0.0.1", port=cluster_running.port, database=name, password=PASSWORD
        )
        try:
            for statement in filter(None, map(str.strip, sql.split(";"))):
                other.run(statement)
        finally:
            other.close()

    return Database(Postgresql("main", "127.0.0.1", cluster_running.port, name, USER, str(secret)), run)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    found: Database = request.getfixturevalue("sqlite_file" if request.param == "sqlite" else "server")
    return found
