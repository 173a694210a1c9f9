"""What tests run in other processes: ``race`` and ``races``, ``die`` at each statement, ``work`` until killed."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

from conftest import NINO, Bench, cap, make_entry, make_request, round_id

from engine.errors import Refused
from engine.trusted.records import AccountScope
from nodes.ledger import Ledger


def race(path: Path, name: str, lifetime: str) -> None:
    bench = Bench(path, caps=(cap(AccountScope.IDENTIFIER, "", int(lifetime)),))
    ledger, done = bench.open(), 0
    for number in range(50):
        try:
            bench.charge(ledger, f"{name}/{number}", accounts=(NINO,))
            done += 1
        except Refused as refused:
            assert refused.code == "BUDGET_EXHAUSTED"
    print(done)


def races(folder: Path, count: str) -> None:
    """So many races of three forked processes, twelve charges in all; prints what each allowed and what was charged."""
    drawn = random.Random(2)
    for number in range(int(count)):
        allowed, path = drawn.randint(0, 11), folder / f"{number}.db"
        bench = Bench(path, caps=(cap(AccountScope.IDENTIFIER, "", 10 * allowed + drawn.randint(0, 9)),))
        bench.open().close()
        children: list[int] = []
        for process in range(3):
            child = os.fork()
            if child == 0:
                os._exit(_charges(bench, process))
            children.append(child)
        taken = sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
        print(allowed, taken)


def _charges(bench: Bench, process: int) -> int:
    ledger, done = bench.open(), 0
    for number in range(4):
        try:
            bench.charge(ledger, f"{process}/{number}", accounts=(NINO,))
            done += 1
        except Refused as refused:
            assert refused.code == "BUDGET_EXHAUSTED"
    return done


def work(path: Path, rounds: str = "1000000") -> None:
    """Charges, replies and answers round after round; tells what has returned in ``<path>.done``, unbuffered."""
    told = os.open(f"{path}.done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    _rounds(Bench(path).open(), told, int(rounds))


def _rounds(ledger: Ledger, told: int, rounds: int) -> None:
    bench = Bench(Path())
    for number in range(rounds):
        bench.charge(ledger, number, request=make_request(max_attempts=10**9))
        os.write(told, f"charged {number}\n".encode())
        ledger.store_reply(round_id(number), f"reply {number}".encode())
        os.write(told, f"replied {number}\n".encode())
        ledger.mark_answered(make_request(max_attempts=10**9), make_entry(round=round_id(number)))
        os.write(told, f"answered {number}\n".encode())


def die(folder: Path, step: str) -> None:
    """For n = 1, 1 + step, ...: a child on ``<n>.db`` kills itself before its n-th statement; ends when one lives."""
    number = 1
    while True:
        child = os.fork()
        if child == 0:
            _die_at(folder / f"{number}.db", number)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
            return
        number += int(step)


def _die_at(path: Path, last: int) -> None:
    told = os.open(f"{path}.done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ledger, count = Bench(path).open(), 0

    def trace(statement: str) -> None:
        nonlocal count
        count += 1
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger._db.set_trace_callback(trace)
    _rounds(ledger, told, 2)


if __name__ == "__main__":
    {"race": race, "races": races, "die": die, "work": work}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
