"""`python -m nodes schema`: names and types, never a value."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from engine.errors import BadFile
from nodes.schema import main

CANARY = "c4n4ry"


def test_schema_shows_names_and_types_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.parquet"
    select = (
        f"SELECT '{CANARY}' AS name, 1::DECIMAL(9, 2) AS pay, DATE '2020-01-01' AS day, 1::TINYINT AS n, [1] AS list,"
        " [1::DECIMAL(9, 2)] AS prices"
    )
    duckdb.connect().execute(f"COPY ({select}) TO '{file}' (FORMAT parquet)")
    main([str(file)])
    assert json.loads(capsys.readouterr().out) == [
        {"name": "name", "type": "TEXT"},
        {"name": "pay", "type": "DECIMAL"},
        {"name": "day", "type": "DATE"},
        {"name": "n", "type": "INTEGER"},
        {"name": "list", "type": None},
        {"name": "prices", "type": None},
    ]


def test_csv_columns_are_text_and_shared_by_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text(f'\ufeffid,"pay, net",x\n{CANARY},1,2\n', encoding="utf-8")
    (tmp_path / "b.csv").write_text(f'x,"pay, net"\n{CANARY},1\n')
    main([str(tmp_path / "*.csv")])
    out = capsys.readouterr().out
    assert json.loads(out) == [{"name": "pay, net", "type": "TEXT"}, {"name": "x", "type": "TEXT"}]
    assert CANARY not in out


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="FILE_MISSING"):
        main([str(tmp_path / "none.csv")])
