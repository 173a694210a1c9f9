"""The worker: locked down, silent about data, killed when it overruns, quick when it is warm."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from published import dataset, publish

from engine.errors import Unavailable
from nodes.sources import Limits
from nodes.sources.duckdb import Child, DuckDBSource
from nodes.sources.frames import read_frame, write_frame
from nodes.tables import Tables

CANARY = "c4n4ry"
PEOPLE = f"person_id,region,sex,age,income,paid_on,active,note\np1,N,F,30,10,2020-01-01,true,{CANARY}\n"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory, source: DuckDBSource) -> Tables:
    return publish(dataset(), PEOPLE, tmp_path_factory.mktemp("people"), source)


FORBIDDEN = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/etc/*')",
    "FROM sniff_csv('/etc/passwd')",
    "COPY snapshot_people.rows TO '/tmp/splittally-escape.csv'",
    "EXPORT DATABASE '/tmp/splittally-escape'",
    "ATTACH '/tmp/splittally-escape.duckdb' AS x",
    "ATTACH 'https://example.org/x.duckdb' AS x",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '/tmp/x.duckdb_extension'",
    "SET threads = 8",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "PRAGMA memory_limit = '64GB'",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE TABLE snapshot_people.y AS SELECT 1",
    "INSERT INTO snapshot_people.rows (person_id) VALUES ('x')",
    "DELETE FROM snapshot_people.rows",
    "SELECT 1; SELECT 2",
    "BEGIN",
    "COMMIT",
    "CALL enable_logging(storage = 'file', storage_path = '/tmp/splittally-escape')",
]


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_the_engine_is_locked_down(source: DuckDBSource, tables: Tables, sql: str) -> None:
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        source.select(tables.databases, [sql], 10)
    assert not list(Path("/tmp").glob("splittally-escape*"))  # noqa: S108


def test_nothing_lasts_from_one_query_to_the_next(source: DuckDBSource, tables: Tables) -> None:
    for made in ("CREATE TABLE memory.main.z AS SELECT 1", "CREATE TEMP TABLE z AS SELECT 1", "PREPARE z AS SELECT 1"):
        for text in (made, f"COMMIT; {made}", f"{made}; COMMIT"):
            with pytest.raises(Unavailable):
                source.select(tables.databases, [text], 10)
    for later in ("SELECT * FROM memory.main.z", "SELECT * FROM z", "EXECUTE z"):
        with pytest.raises(Unavailable):
            source.select(tables.databases, [later], 10)
    settings = "SELECT name || '=' || value FROM duckdb_settings() ORDER BY ALL"
    before = source.select(tables.databases, [settings], 500)
    for called in ("enable_logging('QueryLog')", "enable_profiling()", "set_config('threads', '1')"):
        with suppress(Unavailable):
            source.select(tables.databases, [f"SELECT * FROM {called}"], 10)
    assert source.select(tables.databases, [settings], 500) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT CAST(note AS INTEGER) FROM snapshot_people.rows",
        "SELECT error('value ' || note) FROM snapshot_people.rows",
        "SELECT note FROM snapshot_people.rows, range(5)",
        "SELECT c4n4ry FROM snapshot_people.rows",
    ],
)
def test_no_word_of_the_engine_crosses_the_pipe(tables: Tables, sql: str) -> None:
    child = Child()
    try:
        read = {name: str(path) for name, path in tables.databases.items()}
        child.ask({"open": {"threads": 1, "memory_mb": 200, "read": read}}, 30)
        answer = child.ask({"select": {"queries": ["SELECT 1", sql], "most_rows": 2}}, 30)
    finally:
        child.close()
    assert answer == {"failed": 1}


def test_errors_name_no_value(source: DuckDBSource, tables: Tables) -> None:
    with pytest.raises(Unavailable) as caught:
        source.select(tables.databases, ["SELECT CAST(note AS INTEGER) FROM snapshot_people.rows"], 10)
    error = caught.value
    assert CANARY not in str(error) + error.internal + repr(error.__cause__) + repr(error.__context__)


def test_an_overrun_is_killed_and_the_next_query_served(tables: Tables) -> None:
    hasty = DuckDBSource(Limits(threads=1, memory_mb=200, seconds=2))
    try:
        endless = "SELECT COUNT(*) FROM range(10000000) AS a, range(10000000) AS b WHERE hash(a.range, b.range) = 5"
        with pytest.raises(Unavailable) as caught:
            hasty.select(tables.databases, [endless], 10)
        assert (caught.value.code, caught.value.internal) == ("NODE_SOURCE_FAILED", "worker ended")
        assert hasty.select(tables.databases, ["SELECT COUNT(*) FROM snapshot_people.rows"], 1) == [[[1]]]
    finally:
        hasty.close()


def test_memory_is_capped(tables: Tables) -> None:
    small = DuckDBSource(Limits(threads=1, memory_mb=50, seconds=30))
    try:
        with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
            small.select(tables.databases, ["SELECT len(list(range)) FROM range(100000000)"], 10)
        assert small.select(tables.databases, ["SELECT 1"], 1) == [[[1]]]
    finally:
        small.close()


def test_a_killed_worker_is_replaced(tables: Tables) -> None:
    source = DuckDBSource(Limits(threads=1, memory_mb=200, seconds=30))
    try:
        source.warm(tables.databases)
        [child] = source._idle
        child.process.kill()
        child.process.wait()
        assert source.select(tables.databases, ["SELECT 1"], 1) == [[[1]]]
    finally:
        source.close()


def test_workers_that_died_idle_take_no_place_from_warm_ones(tables: Tables) -> None:
    source = DuckDBSource(Limits(threads=1, memory_mb=200, seconds=30))
    try:
        dead = source._idle = [Child(), Child()]
        for child in dead:
            child.process.kill()
            child.process.wait()
        source.warm(tables.databases)
        [child] = source._idle
        assert child not in dead
        assert child.process.poll() is None
    finally:
        source.close()
        for child in dead:
            child.close()


def test_queries_at_the_same_time_use_workers_of_their_own(source: DuckDBSource, tables: Tables) -> None:
    results: list[object] = []

    def ask(n: int) -> None:
        results.append(source.select(tables.databases, [f"SELECT {n} + COUNT(*) FROM snapshot_people.rows"], 1))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == [f"[[[{n}]]]" for n in range(1, 5)]


def test_a_missing_snapshot_fails_and_the_worker_goes_on(source: DuckDBSource, tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="NODE_SOURCE_FAILED"):
        source.select({"snapshot_people": tmp_path / "none.duckdb"}, ["SELECT 1"], 1)
    assert source.select(tables.databases, ["SELECT 1"], 1) == [[[1]]]


def test_the_worker_has_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPLITTALLY_SECRET", CANARY)
    child = Child()
    try:
        child.ask({"columns": "/nowhere.parquet"}, 30)
        environment = Path(f"/proc/{child.process.pid}/environ").read_bytes()
        open_files = [str(d.readlink()) for d in Path(f"/proc/{child.process.pid}/fd").iterdir()]
    finally:
        child.close()
    assert CANARY.encode() not in environment
    names = {entry.partition(b"=")[0] for entry in environment.split(b"\0") if entry}
    assert names <= {b"PYTHONPATH", b"LC_ALL", b"TZ"}
    assert all(name.startswith(("pipe:", "/dev/null", "anon_inode:")) for name in open_files)


def test_the_worker_loads_the_engine_and_little_else() -> None:
    script = "import json, sys, nodes.sources.worker; print(json.dumps(sorted(sys.modules)))"
    root = Path(__file__).parents[2]
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=root, text=True)
    loaded = {name.partition(".")[0] for name in json.loads(shown.stdout)}
    assert not loaded & {"grpc", "google", "cryptography", "opendp", "sqlglot", "numpy"}


def test_frames_cut_short_read_as_none() -> None:
    pipe = io.BytesIO()
    write_frame(pipe, {"rows": [[1, None, "x"]]})
    body = pipe.getvalue()
    assert read_frame(io.BytesIO(body)) == {"rows": [[1, None, "x"]]}
    for cut in range(len(body)):
        assert read_frame(io.BytesIO(body[:cut])) is None
    assert read_frame(io.BytesIO(b"\xff\xff\xff\xff" + body)) is None
