"""PEP 249, clause by clause, over a federation whose nodes are doubles without noise."""

from __future__ import annotations

import builtins
import inspect
import threading
from collections.abc import Iterator
from datetime import date, datetime, time

import pandas as pd
import pytest

from engine.client import dbapi
from engine.client.dbapi import Connection
from engine.error_codes import CODES
from engine.errors import error_for
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh, rounds_opened

ROWS = [("N", 7), ("S", 70)]
BY_REGION = "SELECT region, COUNT(*) AS n FROM people WHERE region = ? GROUP BY region ORDER BY region"
NONE = "SELECT * FROM fed.requests WHERE request = 'none'"


@pytest.fixture
def connection(bench: Bench) -> Iterator[Connection]:
    with dbapi.connect(bench.home("analyst")) as opened:
        yield opened


# -- Module interface


def test_constructors_and_globals() -> None:
    assert (dbapi.apilevel, dbapi.threadsafety, dbapi.paramstyle) == ("2.0", 2, "qmark")
    assert callable(dbapi.connect)


TREE = {
    dbapi.Warning: builtins.Warning,
    dbapi.Error: Exception,
    dbapi.InterfaceError: dbapi.Error,
    dbapi.DatabaseError: dbapi.Error,
    dbapi.DataError: dbapi.DatabaseError,
    dbapi.OperationalError: dbapi.DatabaseError,
    dbapi.IntegrityError: dbapi.DatabaseError,
    dbapi.InternalError: dbapi.DatabaseError,
    dbapi.ProgrammingError: dbapi.DatabaseError,
    dbapi.NotSupportedError: dbapi.DatabaseError,
}


@pytest.mark.parametrize("kind", TREE, ids=lambda kind: kind.__name__)
def test_the_tree_of_exceptions(kind: type[Exception]) -> None:
    assert kind.__bases__ == (TREE[kind],)
    assert getattr(Connection, kind.__name__) is kind  # an optional extension


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SQL_ROWS", dbapi.ProgrammingError),
        ("SQL_PARAMETERS", dbapi.ProgrammingError),
        ("SQL_LITERAL", dbapi.DataError),
        ("SQL_NOT_SUPPORTED", dbapi.NotSupportedError),
        ("POLICY_AGREEMENT_NONE", dbapi.ProgrammingError),
        ("BUDGET_EXHAUSTED", dbapi.ProgrammingError),
        ("APPROVAL_REFUSED", dbapi.ProgrammingError),
        ("APPROVAL_WAITING_REQUEST", dbapi.OperationalError),
        ("ROUND_TOO_FEW_NODES", dbapi.OperationalError),
        ("NODE_UNREACHABLE", dbapi.OperationalError),
        ("FILE_HOME_MISSING", dbapi.InterfaceError),
        ("BUG_UNEXPECTED", dbapi.InternalError),
    ],
)
def test_the_errors_of_the_tree_by_their_standard_names(code: str, kind: type[dbapi.Error]) -> None:
    with pytest.raises(dbapi.Error) as caught, dbapi._standard():
        raise error_for(code)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.hint) == (code, error_for(code).hint)
    assert code in str(caught.value)


def test_every_code_has_a_standard_name() -> None:
    assert all(issubclass(dbapi._kind(error_for(code)), dbapi.Error) for code in CODES)


# -- Connection objects


def test_a_closed_connection_is_unusable(bench: Bench) -> None:
    opened = dbapi.connect(str(bench.home("analyst").path))
    cursor = opened.cursor()
    opened.close()
    for use in (opened.close, opened.commit, opened.rollback, opened.cursor, cursor.fetchone, cursor.close):
        with pytest.raises(dbapi.Error, match="closed"):
            use()
    with pytest.raises(dbapi.Error):
        cursor.execute(SQL)


def test_commit_is_void_and_nothing_can_be_rolled_back(connection: Connection) -> None:
    assert connection.commit() is None
    with pytest.raises(dbapi.NotSupportedError, match="called back"):
        connection.rollback()


def test_a_connection_may_stand_on_an_open_session(bench: Bench) -> None:
    with bench.session() as session:
        with dbapi.connect(session) as opened:
            assert opened.cursor().execute(SQL).fetchall() == ROWS
        assert session.describe().connected


@pytest.mark.parametrize("options", [{"colour": "blue"}, {"epsilon": "much"}, {"intervals": "yes"}, {"epsilon": "1/0"}])
def test_options_that_make_no_sense_are_refused(bench: Bench, options: dict[str, object]) -> None:
    with bench.session() as session, pytest.raises(dbapi.ProgrammingError, match="SQL_OPTION"):
        dbapi.connect(session, **options)


def test_a_home_that_is_none(tmp_path: object) -> None:
    with pytest.raises(dbapi.InterfaceError, match="FILE_HOME_MISSING"):
        dbapi.connect(str(tmp_path))


def test_a_connection_is_shared_by_threads(connection: Connection) -> None:
    found: list[object] = []
    connection.cursor().execute(SQL)
    threads = [
        threading.Thread(target=lambda: found.append(connection.cursor().execute(SQL).fetchall())) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [ROWS] * 4


# -- Cursor objects: attributes


def test_a_fresh_cursor(connection: Connection) -> None:
    cursor = connection.cursor()
    assert (cursor.description, cursor.rowcount, cursor.arraysize) == (None, -1, 1)
    assert (cursor.rownumber, cursor.lastrowid, cursor.connection) == (None, None, connection)


def test_description_is_seven_items_a_column(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT region, COUNT(*) AS n, COUNT(*) * 1.5 AS a, COUNT(*) > 1 AS b FROM people GROUP BY region")
    description = cursor.description
    assert description is not None
    assert [len(column) for column in description] == [7] * 4
    assert [column[0] for column in description] == ["region", "n", "a", "b"]
    assert [column[2:6] for column in description] == [(None,) * 4] * 4
    codes = [column[1] for column in description]
    assert codes[0] == dbapi.STRING
    assert codes[0] != dbapi.NUMBER
    assert codes[1:] == [dbapi.NUMBER] * 3


def test_rowcount_is_that_of_the_last_statement(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    assert cursor.rowcount == 2
    cursor.execute(NONE)
    assert cursor.rowcount == 0
    with pytest.raises(dbapi.ProgrammingError):
        cursor.execute("SELECT nonsense")
    assert (cursor.rowcount, cursor.description) == (-1, None)


# -- Cursor objects: methods


def test_no_procedures_and_no_further_result_sets(connection: Connection) -> None:
    cursor = connection.cursor()
    assert not hasattr(cursor, "callproc")
    assert not hasattr(cursor, "nextset")


def test_a_closed_cursor_is_unusable(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    cursor.close()
    for use in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, cursor.close, lambda: cursor.execute(SQL)):
        with pytest.raises(dbapi.Error, match="closed"):
            use()
    with pytest.raises(dbapi.Error):
        next(cursor)


def test_fetching_before_a_statement_raises(connection: Connection) -> None:
    cursor = connection.cursor()
    for use in (cursor.fetchone, cursor.fetchmany, cursor.fetchall, lambda: next(cursor), lambda: cursor.table):
        with pytest.raises(dbapi.ProgrammingError, match="No statement"):
            use()


def test_fetchone_then_none(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    assert [cursor.rownumber, cursor.fetchone(), cursor.rownumber] == [0, ROWS[0], 1]
    assert [cursor.fetchone(), cursor.fetchone(), cursor.fetchone(), cursor.rownumber] == [ROWS[1], None, None, 2]


def test_fetchmany_by_arraysize_and_by_size(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    assert cursor.fetchmany() == ROWS[:1]
    cursor.arraysize = 5
    assert cursor.fetchmany() == ROWS[1:]
    assert cursor.fetchmany() == []
    cursor.execute(SQL)
    assert cursor.fetchmany(1) == ROWS[:1]
    assert cursor.fetchmany(size=1) == ROWS[1:]
    with pytest.raises(dbapi.ProgrammingError, match="negative"):
        cursor.fetchmany(-1)


def test_fetchall_gives_the_rest_as_tuples(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    cursor.fetchone()
    assert cursor.fetchall() == ROWS[1:]
    assert cursor.fetchall() == []
    cursor.execute(NONE)
    assert cursor.fetchall() == []


def test_a_cursor_is_an_iterator(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(SQL)
    assert iter(cursor) is cursor
    assert list(cursor) == ROWS
    assert list(cursor) == []


def test_context_managers_close(bench: Bench) -> None:
    with dbapi.connect(bench.home("analyst")) as opened, opened.cursor() as cursor:
        cursor.execute(SQL)
    for closed in (opened.cursor, cursor.fetchone):
        with pytest.raises(dbapi.InterfaceError):
            closed()


def test_sizes_are_taken_and_change_nothing(connection: Connection) -> None:
    cursor = connection.cursor()
    assert cursor.setinputsizes([25]) is None
    assert cursor.setoutputsize(1_000) is None
    assert cursor.setoutputsize(2_000, 2) is None
    assert cursor.execute(SQL).fetchall() == ROWS


def test_many_sets_of_values_are_many_charges(bench: Bench, connection: Connection) -> None:
    before = rounds_opened(bench)
    with pytest.raises(dbapi.NotSupportedError, match="question of its own"):
        connection.cursor().executemany(BY_REGION, [["N"], ["S"]])
    assert rounds_opened(bench) == before


@pytest.mark.parametrize("values", [["N"], ("N",)])
def test_parameters_are_sequences(connection: Connection, values: list[str]) -> None:
    cursor = connection.cursor()
    cursor.execute(BY_REGION, values)
    assert cursor.release is not None
    asked = connection.session().archive.asked(bytes.fromhex(cursor.release.request_id))
    assert asked.submission.statement.decode() == BY_REGION.replace("?", " 'N' ")


@pytest.mark.parametrize("values", ["N", b"N", {"region": "N"}, {"N"}, None, 1])
def test_parameters_of_another_shape_are_refused(connection: Connection, values: object) -> None:
    with pytest.raises(dbapi.ProgrammingError, match="list or tuple"):
        connection.cursor().execute(BY_REGION, values)  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [[], ["N", "S"]])
def test_one_value_for_each_mark(connection: Connection, values: list[str]) -> None:
    with pytest.raises(dbapi.ProgrammingError, match="SQL_PARAMETERS"):
        connection.cursor().execute(BY_REGION, values)


# -- Type objects and constructors


def test_constructors() -> None:
    assert dbapi.Date(2024, 2, 29) == date(2024, 2, 29)
    assert dbapi.Time(1, 2, 3) == time(1, 2, 3)
    assert dbapi.Timestamp(2024, 2, 29, 1, 2, 3) == datetime(2024, 2, 29, 1, 2, 3)
    assert dbapi.Binary(b"x") == b"x"
    ticks = datetime(2024, 2, 29, 1, 2, 3).timestamp()
    assert dbapi.DateFromTicks(ticks) == date(2024, 2, 29)
    assert dbapi.TimeFromTicks(ticks) == time(1, 2, 3)
    assert dbapi.TimestampFromTicks(ticks) == datetime(2024, 2, 29, 1, 2, 3)


def test_type_objects_are_five_and_apart() -> None:
    objects = [dbapi.STRING, dbapi.BINARY, dbapi.NUMBER, dbapi.DATETIME, dbapi.ROWID]
    for one in objects:
        assert [one == other for other in objects].count(True) == 1
    assert len(set(objects)) == 5
    codes = ("VARCHAR", "BIGINT", "DOUBLE", "BOOLEAN", "DATE")
    assert [sum(one == code for one in objects) for code in codes] == [1] * 5


def test_a_null_is_none_and_dates_are_dates(connection: Connection) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT domain FROM fed.columns WHERE name = 'person_id'")
    assert cursor.fetchall() == [(None,)]
    day = "DATE '2024-02-29'"
    cursor.execute(f"SELECT region, {day} AS d, COUNT(*) AS n FROM people GROUP BY region ORDER BY region LIMIT 1")
    assert cursor.fetchall() == [("N", date(2024, 2, 29), 7)]
    assert cursor.description is not None
    assert cursor.description[1][1] == dbapi.DATETIME


# -- Beyond the standard


def test_the_same_statement_again_is_free(bench: Bench) -> None:
    with dbapi.connect(bench.home("analyst"), epsilon=fresh(401)) as own:
        first = own.cursor().execute(SQL)
        assert first.release is not None
        before = rounds_opened(bench)
        again = own.cursor().execute(SQL)
        assert again.release is not None
        assert (first.release.repeated, again.release.repeated) == (False, True)
        assert rounds_opened(bench) == before


def test_intervals_as_columns_and_the_release_behind(bench: Bench) -> None:
    with dbapi.connect(bench.home("analyst"), intervals=True) as own:
        cursor = own.cursor().execute(SQL)
        assert cursor.table.column_names == ["region", "n", "n_low", "n_high"]
        assert cursor.release is not None
        assert [row[2:] for row in cursor] == [interval["n"] for interval in cursor.release.intervals]


def test_pandas_reads_it(connection: Connection) -> None:
    with pytest.warns(UserWarning, match="SQLAlchemy"):
        frame = pd.read_sql(SQL, connection)
    assert list(frame.itertuples(index=False, name=None)) == ROWS


@pytest.mark.parametrize("method", ["execute", "executemany", "fetchmany", "setinputsizes", "setoutputsize"])
def test_arguments_have_the_names_of_the_standard(method: str) -> None:
    names = {
        "execute": ["operation", "parameters"],
        "executemany": ["operation", "seq_of_parameters"],
        "fetchmany": ["size"],
        "setinputsizes": ["sizes"],
        "setoutputsize": ["size", "column"],
    }
    assert list(inspect.signature(getattr(dbapi.Cursor, method)).parameters)[1:] == names[method]
