"""The fuzzers, short: the same cases with every change. ``make fuzz`` goes on from other seeds."""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import corpus
import fuzz
import plans
import texts

from engine.trusted import wire

TEXTS, PLANS = 500, 60


@pytest.fixture(scope="module")
def bench() -> Iterator[plans.Bench]:
    with TemporaryDirectory(dir=fuzz.MEMORY if fuzz.MEMORY.exists() else None) as folder:
        bench = plans.Bench(Path(folder))
        yield bench
        bench.close()


def test_a_damaged_statement_gets_a_verdict() -> None:
    told = Counter[str]()
    for seed in range(TEXTS):
        texts.attack(random.Random(seed), told)
    assert sum(told.values()) == TEXTS
    assert len(told) >= 10, "most cases end at the same place"


def test_statements_that_once_broke_it() -> None:
    """Each was found by the long form."""
    seed = corpus.seeds()[0]
    for sql in (
        "SELECT QUANTILE_CONT(, 0.25) FROM people",
        "SELECT COUNT(*) FROM people AS a " + "LEFT JOIN " * 40 + "f ON a.person_id = f.person_id",
    ):
        assert texts.judged(sql, seed)["verdict"] == "refuse"


def test_a_bent_plan_is_refused_or_sound(bench: plans.Bench) -> None:
    told = Counter[str]()
    for seed in range(PLANS):
        plans.attack(random.Random(seed), told, bench)
    assert sum(told.values()) == PLANS
    assert told["ran, moved"] >= PLANS // 5, "too few of the cases reach the engine"


def test_every_plan_that_is_started_from_passes_through_the_wire() -> None:
    assert len(plans.seeds()) > 100
    for plan in plans.seeds()[::10]:
        assert wire.decode(type(plan), wire.encode(plan)) == plan


def test_the_fuzzer_sees_what_it_looks_for(bench: plans.Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict of a bug, and noise for a tenth of what a person moves."""
    monkeypatch.setattr(texts, "_judge_line", lambda *_: {"verdict": "refuse", "code": "BUG_UNEXPECTED"})
    with pytest.raises(texts.Found, match="BUG_UNEXPECTED"):
        texts.judged("SELECT 1", corpus.seeds()[0])
    real = plans.calibrate

    def quiet(*given: object) -> object:
        found = real(*given)  # type: ignore[arg-type]
        return plans.replace(found, sigma=found.sigma // 10)

    monkeypatch.setattr(plans, "calibrate", quiet)
    counted = next(p for p in plans.seeds() if len(p.aggregate.measures) == 1)
    with pytest.raises(texts.Found, match="further than the noise bears"):
        plans.judged(wire.encode(counted), random.Random(1), bench)
