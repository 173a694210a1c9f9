"""The throw-away federation without its processes: how it leaves, and what it says of a child that ended."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.catalogue import parse_catalogue
from engine.cli.main import run
from engine.local.children import Child
from engine.local.federation import LocalFederation, _lost
from tests.cli.test_errors import CATALOGUE


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> LocalFederation:
    for step in ("_found", "_start"):
        monkeypatch.setattr(LocalFederation, step, lambda _: None)
    return LocalFederation(parse_catalogue(CATALOGUE, "c.yaml"), {})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_directory_behind_and_the_handler_as_it_was(
    local: LocalFederation, number: signal.Signals
) -> None:
    outside = signal.signal(number, signal.default_int_handler)  # tests may run where SIGHUP is ignored
    try:
        with pytest.raises(SystemExit) as ended, local:
            (local.directory / "row").write_text("in clear")
            os.kill(os.getpid(), number)
        assert ended.value.code == 128 + number
        assert not local.directory.exists()
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, outside)


def test_a_second_signal_does_not_interrupt_the_leaving(
    local: LocalFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.local.federation.stop", lambda _: os.kill(os.getpid(), signal.SIGHUP))
    outside = signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with local:
            pass
        assert not local.directory.exists()
    finally:
        signal.signal(signal.SIGHUP, outside)


def test_a_federation_under_nohup_outlives_its_terminal(local: LocalFederation) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with local:
            os.kill(os.getpid(), signal.SIGHUP)
            assert local.directory.exists()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def ended(tmp_path: Path, *lines: str) -> Child:
    log = tmp_path / "north.log"
    log.write_text("".join(f"{line}\n" for line in lines))
    process: Any = SimpleNamespace(returncode=2)
    return Child("north", process, log)


def event(code: str, message: str, hint: str = "Mend it.") -> str:
    return json.dumps({"event": "not_started", "code": code, "message": message, "hint": hint})


def test_a_child_that_cannot_read_a_file_ends_in_that_error(tmp_path: Path) -> None:
    error = _lost(ended(tmp_path, "noise", event("FILE_SOURCE_UNREADABLE", 'The file "a" cannot be read.')))
    assert (error.code, error.exit_status) == ("FILE_SOURCE_UNREADABLE", 2)
    assert str(error) == 'FILE_SOURCE_UNREADABLE: At north: The file "a" cannot be read. Mend it.'
    assert _lost(ended(tmp_path, "FILE_HOME_BROKEN (line 1, column 2): The file x cannot be read.")).exit_status == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (event("NODE_LEDGER_FAILED", "The node could not write."), "The node could not write"),
        ("NODE_ADDRESS_TAKEN: It is taken.", "It is taken"),
        (event("FILE_OF_ANOTHER_VERSION", "It is new."), "It is new"),
        ("Segmentation fault", "it ended with status 2"),
        ('{"event": "line_lost"}', "it ended with status 2"),
        ("[1]", "it ended with status 2"),
    ],
)
def test_any_other_end_is_a_process_that_does_not_run(tmp_path: Path, line: str, why: str) -> None:
    error = _lost(ended(tmp_path, line))
    assert (error.code, error.message) == ("NODE_NOT_STARTED", f"north does not run: {why}.")


def test_the_next_commands_can_be_pasted_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CATALOGUE)
    assert run(["federation", "init", "my [new] homes", "--catalog", "c.yaml"]) == 0
    out = capsys.readouterr().out
    assert f"splittally node --home '{tmp_path}/my [new] homes/a'\n" in out
    file = f"'{tmp_path}/my [new] homes/b/node.toml'"
    assert f"edit {file} and run: splittally node prepare {file}\n" in out
    assert out.count(f"--home '{tmp_path}/") == 4


def test_the_owner_is_told_what_a_cut_lost() -> None:
    from engine.local.federation import cut_notes

    report = {
        "": {"rows": 900, "of_no_person": 1200, "surplus": 0},
        "person_id": {"kept": 900},
        "age": {"kept": 0, "lost": 900, "moved": 0},
        "sex": {"kept": 890, "lost": 10, "moved": 0},
        "region": {"kept": 891, "lost": 9, "moved": 0},
        "income": {"kept": 900, "lost": 0, "moved": 10},
    }
    assert cut_notes("people", report) == [
        "people: rows dropped, no person id: 1,200",
        "people.age: all 900 values do not fit its declaration and are NULL",
        "people.sex: 10 of 900 values do not fit its declaration and are NULL",
        "people.income: 10 of 900 values lay outside the bounds and were moved",
    ]
