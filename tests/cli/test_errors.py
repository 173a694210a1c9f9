"""What goes wrong before anything starts: one line with a code, the right exit status, no process, no traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.cli.main import run
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
    "no binding file": (["node", "prepare", "none/node.toml"], 2, "FILE_MISSING"),
    "rows asked for": (["try", *GOOD, "SELECT * FROM people LIMIT 5"], 3, "SQL_"),
    "unknown column": (["try", *GOOD, "SELECT COUNT(wage) FROM people"], 3, "SQL_UNKNOWN_COLUMN"),
    "unknown dataset": (["try", *GOOD, "SELECT COUNT(*) FROM peple"], 3, "SQL_UNKNOWN_DATASET"),
    "not SQL": (["try", *GOOD, "SELEC"], 3, "SQL_"),
    "no option": (["try", SQL], 2, "Error: Missing option '--catalog'"),
    "negative epsilon": (["try", *GOOD, "--epsilon", "-1", SQL], 2, "must be above 0"),
    "delta of one": (["try", *GOOD, "--delta", "1", SQL], 2, "must be below 1"),
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


def test_a_file_without_a_column_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for node, rows in (("a", ROWS), ("b", "person_id,region\n1,N\n")):
        (tmp_path / node).mkdir()
        (tmp_path / node / "people.csv").write_text(rows)
    (tmp_path / "c.yaml").write_text(CATALOGUE)
    data = [word for node in "ab" for word in ("--data", f"{node}={tmp_path / node}")]
    assert run(["try", "--catalog", str(tmp_path / "c.yaml"), *data, SQL]) == 2
    err = capsys.readouterr().err
    assert err.startswith("FILE_DATA_NO_COLUMN")
    assert "income" in err
    assert "node b" in err


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
    for command in ("try", "demo", "check", "explain", "submit", "watch", "result", "budget", "federation", "node"):
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize(
    "command", ["try", "demo", "submit", "budget", "federation init", "agreement sign", "node prepare"]
)
def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run([*command.split(), "--help"]) == 0
    assert f"Usage: splittally {command}" in capsys.readouterr().out
