"""What goes wrong before anything starts: one line with a code, the right exit status, no process, no traceback."""

from __future__ import annotations

import io
import json
import subprocess
import tomllib
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from engine.cli.main import run
from engine.errors import BadFile
from engine.governance.binding import bind
from engine.local import children

CATALOGUE = """
federation: mine
datasets:
  people:
    hosts: [a, b]
    person: person_id
    rows_per_person: 1
    columns: {person_id: {type: text}, region: {type: text, domain: [N, S]}, income: {type: integer, bounds: [0, 9]}}
"""
SQL = "SELECT region, COUNT(*) AS n FROM people GROUP BY region"
ROWS = "person_id,region,income\n1,N,3\n2,S,4\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of two nodes; starting any process of a federation fails the test."""
    for node in "ab":
        (tmp_path / node).mkdir()
        (tmp_path / node / "people.csv").write_text(ROWS)
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    for ending in ("csv", "parquet"):
        (tmp_path / "two" / f"people.{ending}").touch()
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    (tmp_path / "broken.yaml").write_text("federation: mine\ndatasets:\n  people: {hosts: [a, b], rows: 1}\n")
    (tmp_path / "notyaml.yaml").write_text("federation: [mine\n")

    def start(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(children.subprocess, "Popen", start)
    monkeypatch.chdir(tmp_path)
    return tmp_path


GOOD = ["--catalog", "c.yaml", "--data", "a=a", "--data", "b=b"]
CASES = {
    "no catalogue": (["try", "--catalog", "none.yaml", "--data", "a=a", SQL], 2, "FILE_MISSING"),
    "broken catalogue": (["try", "--catalog", "broken.yaml", "--data", "a=a", SQL], 2, "FILE_CATALOGUE_UNKNOWN_KEY"),
    "not YAML": (["try", "--catalog", "notyaml.yaml", "--data", "a=a", SQL], 2, "FILE_CATALOGUE_UNREADABLE"),
    "host without data": (["try", "--catalog", "c.yaml", "--data", "a=a", SQL], 2, "FILE_DATA_MISSING"),
    "data without host": (["try", *GOOD, "--data", "c=b", SQL], 2, "FILE_DATA_NOT_A_HOST"),
    "data twice": (["try", *GOOD, "--data", "b=a", SQL], 2, "FILE_DATA_OPTION"),
    "data without name": (["try", "--catalog", "c.yaml", "--data", "a", SQL], 2, "FILE_DATA_OPTION"),
    "no folder": (["try", "--catalog", "c.yaml", "--data", "a=a", "--data", "b=x", SQL], 2, "FILE_DATA_NO_FOLDER"),
    "no table": (["try", "--catalog", "c.yaml", "--data", "a=a", "--data", "b=empty", SQL], 2, "FILE_DATA_NO_TABLE"),
    "no home": (["submit", "--home", "none", SQL], 2, "FILE_HOME_MISSING"),
    "nobody to hand in to": (["hand-in", "c.yaml"], 2, "give --home, --node-home, or both"),
    "no record": (["hand-in", "c.yaml", "--node-home", "none"], 2, "FILE_RECORD"),
    "no home to check by": (["check", "--home", "none", SQL], 2, "FILE_HOME_MISSING"),
    "no node to cut for": (["node", "snapshot", "--home", "none"], 2, "FILE_HOME_MISSING"),
    "no binding file": (["node", "prepare", "none/node.toml"], 2, "FILE_MISSING"),
    "rows asked for": (["try", *GOOD, "SELECT * FROM people LIMIT 5"], 3, "SQL_"),
    "unknown column": (["try", *GOOD, "SELECT COUNT(wage) FROM people"], 3, "SQL_UNKNOWN_COLUMN"),
    "unknown dataset": (["try", *GOOD, "SELECT COUNT(*) FROM peple"], 3, "SQL_UNKNOWN_DATASET"),
    "not SQL": (["try", *GOOD, "SELEC"], 3, "SQL_"),
    "no option": (["try", SQL], 2, "Error: Missing option '--catalog'"),
    "negative epsilon": (["try", *GOOD, "--epsilon", "-1", SQL], 2, "must be above 0"),
    "delta of one": (["try", *GOOD, "--delta", "1", SQL], 3, "SQL_DELTA_RANGE"),
    "delta too large": (["try", *GOOD, "--delta", "0.0011", SQL], 3, "SQL_DELTA_RANGE"),
    "delta too small": (["try", *GOOD, "--delta", "9e-16", SQL], 3, "SQL_DELTA_RANGE"),
    "a delta of the founders": (
        ["federation", "init", "f", "--catalog", "c.yaml", "--cap-delta", "0.1"],
        3,
        "SQL_DELTA_RANGE",
    ),
    "more nodes than hosts": (["try", *GOOD, "--n-min", "3", SQL], 3, "POLICY_N_MIN_HOSTS"),
    "a folder as catalogue": (["try", "--catalog", "a", "--data", "a=a", SQL], 2, "FILE_FOLDER"),
    "a folder as statement": (["check", "--catalog", "c.yaml", "a"], 2, "FILE_FOLDER"),
    "two tables": (["try", "--catalog", "c.yaml", "--data", "a=a", "--data", "b=two", SQL], 2, "FILE_DATA_TWO_TABLES"),
    "epsilon in words": (["try", *GOOD, "--epsilon", "much", SQL], 2, "is not a number"),
    "huge epsilon": (["try", *GOOD, "--epsilon", "5000", SQL], 3, "SQL_EPSILON_RANGE"),
    "no command": (["tri"], 2, "No such command"),
}


@pytest.mark.parametrize(("arguments", "status", "words"), CASES.values(), ids=CASES.keys())
def test_it_is_said_in_one_line_with_the_right_status(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, words: str
) -> None:
    assert run(arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert "Traceback" not in err
    if words.isupper():
        assert err.startswith(words)
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message", "command"),
    [
        (["try", SQL], "Missing option '--catalog'.", "splittally try"),
        (["try", *GOOD], "Missing argument 'SQL'.", "splittally try"),
        (
            ["try", *GOOD, "--epsilon", "much", SQL],
            "Invalid value for '--epsilon': 'much' is not a number",
            "splittally try",
        ),
        (["try", *GOOD, "--epsilom", "1", SQL], "No such option: --epsilom", "splittally try"),
        (["tri"], "No such command 'tri'", "splittally"),
        (["journal", "verify"], "give FILE and --roots, or --home", "splittally journal verify"),
    ],
)
def test_wrong_use_is_json_where_json_is_asked_for(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, command: str
) -> None:
    assert run([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    error = json.loads(err)["error"]
    assert (out, error["code"], set(error)) == ("", "FILE_USAGE", {"code", "message", "hint"})
    assert message in error["message"]
    assert f"`{command} --help`" in error["hint"]


def test_more_nodes_than_hosts_is_said_with_the_hosts(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["try", *GOOD, "--n-min", "3", SQL])
    assert "At least 3 nodes are to answer, and the statement has 2: a, b." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        ("person_id,region\n1,N\n", "FILE_DATA_NO_COLUMN", "has no column income"),
        ("person_id;region;income\n1;N;3\n", "FILE_DATA_HEADER", "it is 'person_id;region;income'"),
        ('"person_id"\t"region"\t"income"\n1\tN\t3\n', "FILE_DATA_HEADER", "region"),
        ("", "FILE_DATA_HEADER", "it is empty"),
        ("c4n4ry;N;3\n", "FILE_DATA_NO_COLUMN", "has no column person_id"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_and_a_row_is_not_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str, code: str, words: str
) -> None:
    assert bound(tmp_path, capsys, rows.encode(), "csv").startswith(f"{code}: ")
    err = bound(tmp_path, capsys, rows.encode(), "csv")
    assert words in err
    assert "node b" in err
    assert "c4n4ry" not in err


def test_a_column_of_a_type_that_is_not_supported_is_not_called_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pyarrow.table({"person_id": ["1"], "region": ["N"], "income": [[1, 2]]})
    parquet.write_table(table, tmp_path / "list.parquet")
    err = bound(tmp_path, capsys, (tmp_path / "list.parquet").read_bytes(), "parquet")
    assert err.startswith("FILE_DATA_COLUMN_TYPE: The column income of ")
    assert "not supported" in err


def bound(folder: Path, capsys: pytest.CaptureFixture[str], content: bytes, ending: str) -> str:
    """What is said when the node b is bound to a folder with this file of people."""
    (folder / "b").mkdir(exist_ok=True)
    (folder / "b" / f"people.{ending}").write_bytes(content)
    if not (folder / "f").exists():
        (folder / "c.yaml").write_text(CATALOGUE)
        assert run(["federation", "init", str(folder / "f"), "--catalog", str(folder / "c.yaml"), "--json"]) == 0
    with pytest.raises(BadFile) as refused:
        bind(folder / "f" / "b", folder / "b")
    capsys.readouterr()
    return str(refused.value)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"splittally {project['version']}\n"


def test_with_json_an_error_is_json_on_standard_error(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--catalog", "c.yaml", "--json", "SELECT COUNT(nothing) FROM people"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    error = json.loads(told.err)["error"]
    assert error["code"] == "SQL_UNKNOWN_COLUMN"
    assert error["message"].startswith("There is no column `nothing`")
    assert error["hint"]
    assert error["at"] == {"line": 1, "column": 14}
    assert run(["try", "--catalog", "none.yaml", "--data", "a=a", SQL, "--json"]) == 2
    error = json.loads(capsys.readouterr().err)["error"]
    assert error == {"code": "FILE_MISSING", "message": "There is no file none.yaml.", "hint": "Check the path."}


def test_an_error_is_json_whatever_letters_a_terminal_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    body = io.BytesIO()
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(body, "ascii", errors="backslashreplace", write_through=True))
    assert run(["try", "--catalog", "Überlingen.yaml", "--data", "a=a", SQL, "--json"]) == 2
    assert json.loads(body.getvalue())["error"]["message"] == "There is no file Überlingen.yaml."


@pytest.mark.parametrize("member", ["analyst", "coordinator", "guardian-a"])
def test_a_budget_is_read_in_a_nodes_home_only(tmp_path: Path, capsys: pytest.CaptureFixture[str], member: str) -> None:
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    assert run(["federation", "init", str(tmp_path / "f"), "--catalog", str(tmp_path / "c.yaml"), "--json"]) == 0
    capsys.readouterr()
    assert run(["budget", "--home", str(tmp_path / "f" / member)]) == 2
    assert capsys.readouterr().err.startswith("FILE_HOME_NOT_A_NODE")
    assert run(["budget", "--home", str(tmp_path / "f" / "a")]) == 0
    assert "Nothing has been charged yet." in capsys.readouterr().out
    (tmp_path / "f" / "a" / "state.db").write_text("damaged, and longer than a page of zeros" * 200)
    assert run(["budget", "--home", str(tmp_path / "f" / "a")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("FILE_LEDGER_BROKEN")
    assert "anew" not in err


def test_our_own_mistakes_show_a_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("secret of a row")

    monkeypatch.setattr("engine.governance.budget.balances", fail)
    monkeypatch.setattr("engine.trusted.home.Home.load", lambda _: None)
    monkeypatch.delenv("SPLITTALLY_DEBUG", raising=False)
    assert run(["budget", "--home", "x"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("BUG_UNEXPECTED")
    assert "secret" not in err
    monkeypatch.setenv("SPLITTALLY_DEBUG", "1")
    with pytest.raises(KeyError):
        run(["budget", "--home", "x"])


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    heavy = ["sqlglot", "sqlalchemy", "duckdb", "pyarrow", "grpc", "numpy", "yaml", "opendp", "cryptography"]
    script = (
        "import sys; from engine.cli.main import run; status = run(['--help']);"
        f"sys.stderr.write(str(status) + ' '.join(m for m in {heavy} if m in sys.modules))"
    )
    done = subprocess.run([children.sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "0"
    people = ("requests", "approve", "revoke", "withdraw")
    for command in ("try", "demo", "check", "explain", "submit", "watch", "result", "budget", "federation", *people):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize(
    "command",
    ["try", "demo", "submit", "budget", "federation init", "agreement sign", "node prepare", "node pause", "approve"],
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"Usage: splittally {command}" in capsys.readouterr().out
