"""``splittally check`` and ``explain`` as people call them: files, standard input, many lines, exit statuses."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer

import engine.sql
from engine.cli.check import check
from engine.cli.explain import explain
from engine.errors import SplittallyError

CATALOGUE = Path(__file__).parent.parent / "plans" / "catalogue.yaml"
GOOD = "SELECT region, COUNT(*) AS n FROM people GROUP BY region"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str, stdin: bytes = b"") -> int:
    """The exit status of ``check`` or ``explain`` with these arguments, errors drawn as their statuses."""
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command("check")(check)
    app.command("explain")(explain)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    try:
        app(args=[arguments[0], "--catalog", str(CATALOGUE), *arguments[1:]])
    except SystemExit as stop:
        return int(stop.code or 0)
    except SplittallyError as error:
        sys.stderr.write(str(error))
        return error.exit_status
    return 0


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_statement_from_each_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "q.sql"
    file.write_text(GOOD, encoding="utf-8")
    shown = []
    for arguments, stdin in (([str(file)], b""), (["-"], GOOD.encode()), ([], GOOD.encode()), ([GOOD], b"")):
        assert run(monkeypatch, "check", *arguments, stdin=stdin) == 0
        shown.append(capsys.readouterr().out)
    assert len(set(shown)) == 1
    assert "columns: region, n" in shown[0]


def test_a_refusal_has_exit_status_3_and_a_bad_file_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "check", "SELECT * FROM people") == 3
    assert "SQL_ROWS (line 1, column 8)" in capsys.readouterr().err
    assert run(monkeypatch, "check", "nothing.sql") == 2
    assert "FILE_MISSING" in capsys.readouterr().err
    (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
    assert run(monkeypatch, "check", str(tmp_path / "latin.sql")) == 2
    assert "FILE_CHECK_ENCODING" in capsys.readouterr().err


def test_json_of_one_statement(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "check", "--json", GOOD) == 0
    accepted = json.loads(capsys.readouterr().out)
    assert (accepted["verdict"], accepted["code"], accepted["columns"]) == ("accept", None, ["region", "n"])
    assert len(accepted["plan_digest"]) == 64
    assert run(monkeypatch, "check", "--json", "SELECT * FROM people") == 3
    refused = json.loads(capsys.readouterr().out)
    assert (refused["verdict"], refused["code"], refused["plan_digest"]) == ("refuse", "SQL_ROWS", None)


def test_every_line_gets_its_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [
        b'{"id": 1, "sql": "SELECT COUNT(*) FROM people"}',
        b'{"id": "two", "sql": "SELECT * FROM people"}',
        b"",
        b"{bad",
        b"[1, 2]",
        b'{"id": 5}',
        b'{"id": 6, "sql": 7}',
        b'{"id": [1], "sql": "SELECT COUNT(*) FROM visits"}',
        b'{"sql": "SELECT COUNT(*) FROM people WHERE region = \'\\ud800\'"}',
        b'{"id": 9, "sql": "\xff"}',
        b"[" * 100_000,
        b'{"id": 11, "sql": ""}',
    ]
    assert run(monkeypatch, "check", "--jsonl", "-", stdin=b"\n".join(asked)) == 0
    judged = lines(capsys.readouterr().out)
    keys = ["id", "verdict", "code", "message", "hint", "plan_digest", "columns"]
    assert all(list(line) == keys for line in judged)
    found = [(line["id"], line["verdict"], line["code"]) for line in judged]
    assert found == [
        (1, "accept", None),
        ("two", "refuse", "SQL_ROWS"),
        (None, "refuse", "FILE_CHECK_LINE"),
        (None, "refuse", "FILE_CHECK_LINE"),
        (5, "refuse", "FILE_CHECK_LINE"),
        (6, "refuse", "FILE_CHECK_LINE"),
        (None, "accept", None),
        (None, "refuse", "SQL_CHARACTER"),
        (None, "refuse", "FILE_CHECK_LINE"),
        (None, "refuse", "FILE_CHECK_LINE"),
        (11, "refuse", "SQL_SYNTAX"),
    ]
    assert all(line["message"] and line["hint"] for line in judged if line["verdict"] == "refuse")


def test_a_bug_is_the_verdict_of_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    judged = engine.sql.prepare

    def failing(sql: str, *rest: Any) -> Any:
        if "visits" in sql:
            raise ValueError(sql)
        return judged(sql, *rest)

    monkeypatch.setattr(engine.sql, "prepare", failing)
    asked = [json.dumps({"id": i, "sql": f"SELECT COUNT(*) FROM {t}"}) for i, t in enumerate(("visits", "people"))]
    assert run(monkeypatch, "check", "--jsonl", "-", stdin="\n".join(asked).encode()) == 0
    found = [(line["id"], line["verdict"], line["code"]) for line in lines(capsys.readouterr().out)]
    assert found == [(0, "refuse", "BUG_UNEXPECTED"), (1, "accept", None)]


def test_500_statements_in_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "many.jsonl"
    sql = GOOD + " HAVING n > 3 AND AVG(income) BETWEEN 1 AND 20 ORDER BY n DESC LIMIT 3"
    file.write_text("".join(json.dumps({"id": i, "sql": sql}) + "\n" for i in range(500)), encoding="utf-8")
    begun = time.process_time()
    assert run(monkeypatch, "check", "--jsonl", str(file)) == 0
    assert time.process_time() - begun < 10
    assert [line["id"] for line in lines(capsys.readouterr().out)] == list(range(500))


def test_explain_in_words_in_stages_and_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "explain", GOOD) == 0
    words = capsys.readouterr().out
    assert "Rows of: people" in words
    assert "GROUP BY region" in words
    assert run(monkeypatch, "explain", "--stages", GOOD) == 0
    staged = capsys.readouterr().out
    assert [line for line in staged.splitlines() if line in ("parse", "bind", "restrict", "decompose", "price")]
    assert staged.endswith(words)
    assert run(monkeypatch, "explain", "--stages", "--json", GOOD) == 0
    document = json.loads(capsys.readouterr().out)
    assert [stage["name"] for stage in document["stages"]] == ["parse", "bind", "restrict", "decompose", "price"]
    assert run(monkeypatch, "explain", "SELECT * FROM people") == 3
