"""The database under the coordinator's store: one SQLite file, or PostgreSQL by URL. The same tables on both.

A change is one durable transaction, and changes happen one after the other, whoever makes them: SQLite by BEGIN
IMMEDIATE, PostgreSQL by an advisory lock that is taken before anything is read (so READ COMMITTED sees all that went
before, and no transaction fails for having read too early). What only reads sees one state of the database.

Tables are made and changed by the revisions in migrations/versions, at the start, in one such transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine.errors import BadFile, Unavailable

HEAD = "0003"  # the newest revision
_BEFORE_REVISIONS = 2  # PRAGMA user_version of a file with the tables of the first revision, and no number of it
_WRITERS = 0x53504C49  # the advisory lock
_DRIVER = "postgresql+pg8000"
_READS = {"reads": True}


class Database:
    """Connections to one database, safe for use from many threads. Failures are NODE_STORE_FAILED.

    ``where``: a file, or a URL ``postgresql://USER:PASSWORD@HOST:PORT/NAME`` (a URL without a password takes that of
    the environment, PGPASSWORD). Raises BadFile FILE_STORE_URL or FILE_PACKAGE.
    """

    def __init__(self, where: Path | str) -> None:
        self._engine = _file(Path(where)) if "://" not in str(where) else _server(str(where))
        sa.event.listen(self._engine, "begin", _begin)
        self._reader = self._engine.execution_options(**_READS)
        self.shown = self._engine.url.render_as_string(hide_password=True)
        with self.changing() as connection:
            _upgrade(connection)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """One durable transaction, alone among those that change anything. The database's own words stay here."""
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise Unavailable("NODE_STORE_FAILED", internal=type(error).__name__) from None

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One state of the database, beside whoever changes it."""
        try:
            with self._reader.begin() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            raise Unavailable("NODE_STORE_FAILED", internal=type(error).__name__) from None


def _file(path: Path) -> sa.Engine:
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)), connect_args={"timeout": 30})
    sa.event.listen(engine, "connect", _prepare_file)
    return engine


def _server(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise BadFile("FILE_STORE_URL") from None
    if parsed.drivername not in ("postgresql", _DRIVER) or not parsed.database:
        raise BadFile("FILE_STORE_URL")
    if parsed.password is None:
        parsed = parsed.set(password=_password_of_environment())
    try:
        engine = sa.create_engine(
            parsed.set(drivername=_DRIVER), pool_size=8, max_overflow=8, pool_pre_ping=True, hide_parameters=True
        )
    except ModuleNotFoundError:
        raise BadFile("FILE_PACKAGE", package="pg8000") from None
    sa.event.listen(engine, "connect", _prepare_session)
    return engine


def _password_of_environment() -> str | None:
    import os

    return os.environ.get("PGPASSWORD")


def _prepare_file(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # BEGIN is said below, by us
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_session(connection: Any, _: object) -> None:
    """A commit is on the disk when it returns, whatever the server's default."""
    cursor = connection.cursor()
    cursor.execute("SHOW synchronous_commit")
    if cursor.fetchone()[0] in ("off", "local"):
        cursor.execute("SET synchronous_commit TO on")
    connection.commit()
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
    elif reads:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")


def _upgrade(connection: sa.Connection) -> None:
    """Brings the tables to ``HEAD``, inside the caller's transaction; NODE_STORE_FAILED for those of a later program.

    alembic is loaded only when there is something to do.
    """
    revision = _revision(connection)
    if revision == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        if revision == "0001" and not sa.inspect(connection).has_table("alembic_version"):
            command.stamp(config, "0001")
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable("NODE_STORE_FAILED", internal=f"revision {revision}: {type(error).__name__}") from None


def _revision(connection: sa.Connection) -> str:
    """The revision of the tables; empty if there are none."""
    known = sa.inspect(connection)
    if known.has_table("alembic_version"):
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
    found = _BEFORE_REVISIONS if connection.dialect.name != "sqlite" else _number(connection)
    if known.has_table("requests"):
        if found != _BEFORE_REVISIONS:
            raise Unavailable("NODE_STORE_FAILED", internal=f"schema {found}")
        return "0001"
    return ""


def _number(connection: sa.Connection) -> int:
    return int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
