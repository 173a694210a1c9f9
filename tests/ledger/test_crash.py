"""Kill -9 at any moment: what was told to the caller is on disk, and nothing was given without a charge."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Refused, Unavailable
from engine.trusted import wire
from engine.trusted.records import AccountScope, JournalEntry, JournalKind

CHILD = Path(__file__).with_name("child.py")
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": ""}
NINO = (AccountScope.IDENTIFIER, "nino")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHILD), *(str(a) for a in arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)


def require_sound(bench: Any, make: Any, path: Path) -> int:
    """Opens what a killed process left and checks it against what that process had told. Returns rounds charged."""
    told = Path(f"{path}.done").read_text().splitlines()
    done = {
        word: [int(t.split()[1]) for t in told if t.startswith(word)] for word in ("charged", "replied", "answered")
    }
    bench.path = path
    ledger = bench.open()  # recomputes the whole journal
    entries = [wire.decode(JournalEntry, ledger.entry(at)) for at in range(ledger.head().size)]
    kinds = [entry.kind for entry in entries]
    charged = [entry.round for entry in entries if entry.kind is JournalKind.CHARGED]
    assert len(charged) - len(done["charged"]) in (0, 1)
    assert len(set(charged)) == len(charged)
    assert bench.spent(ledger, NINO) == 10 * len(charged)
    assert kinds.count(JournalKind.REPLIED) - len(done["replied"]) in (0, 1)
    for number in range(len(charged) + 1):
        round_ = make("round", number)
        replied = [e for e in entries if e.round == round_ and e.kind is JournalKind.REPLIED]
        if replied:
            assert ledger.reply(round_) == f"reply {number}".encode()
        elif round_ in charged:
            with pytest.raises(Unavailable, match="NODE_ROUND_LOST"):
                ledger.reply(round_)
            with pytest.raises(Unavailable, match="ROUND_ALREADY_CHARGED"):
                bench.charge(ledger, number)
        else:
            assert number not in done["charged"]
            assert ledger.reply(round_) is None
    answered = [entry.round for entry in entries if entry.kind is JournalKind.ANSWERED_AS_HELPER]
    assert len(answered) - len(done["answered"]) in (0, 1)
    for round_ in answered:
        with pytest.raises(Refused, match="POLICY_ROUND_ANSWERED"):
            ledger.mark_answered(make("request"), make("entry", round=round_))
    bench.charge(ledger, "life goes on")
    ledger.close()
    return len(charged)


def test_a_kill_at_any_statement_loses_no_charge_and_gives_no_free_reply(bench: Any, make: Any, tmp_path: Path) -> None:
    child = start("die", tmp_path, "1")
    child.communicate(timeout=120)
    assert child.returncode == 0
    left = sorted(tmp_path.glob("*.db"), key=lambda p: int(p.stem))
    assert len(left) > 40
    charged = [require_sound(bench, make, path) for path in left]
    assert charged == sorted(charged)
    assert (charged[0], charged[-1]) == (0, 2)


@pytest.mark.parametrize("moment", [0.02, 0.05, 0.1, 0.15])
def test_a_kill_at_any_moment(bench: Any, make: Any, tmp_path: Path, moment: float) -> None:
    path = tmp_path / "state.db"
    child = start("work", path)
    told = Path(f"{path}.done")
    for _ in range(1000):
        if told.exists() and told.stat().st_size:
            break
        time.sleep(0.01)
    time.sleep(moment)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert require_sound(bench, make, path) >= 1


def test_exactly_k_of_many_attempts_of_many_processes_succeed(bench: Any) -> None:
    """4 processes, 200 charges of 10 against a cap of 379: exactly 37."""
    children = [start("race", bench.path, str(i), "379") for i in range(4)]
    done = [int(child.communicate(timeout=120)[0]) for child in children]
    assert sum(done) == 37
    ledger = bench.open()
    assert bench.spent(ledger, NINO) == 370
    assert ledger.head().size == 38
