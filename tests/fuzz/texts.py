"""Fuzzing of ``splittally check``: damaged statements get a verdict with a known code, quickly, and never a bug.

A statement of the corpus is cut into words and changed by the grammar's own pieces: words of other statements, halves
of two, a table expression in place of a name, brackets in brackets, numbers at their ends; or by bytes that are no SQL.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from functools import cache
from typing import Any

from corpus import Seed, seeds

from engine.cli.check import _judge_line
from engine.error_codes import CODES

SECONDS = 1.0  # of processor time, for one verdict
WORD = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\w+|<=|>=|<>|!=|\|\||::|--[^\n]*|/\*.*?\*/|\s+|.", re.DOTALL)
ENDS = ("0", "-1", "1e308", "1e-320", "9223372036854775808", "0.1", "9007199254740993", "1e", "0x7f", "'\u00e9'")
PIECES = ("(", ")", ",", ";", "NOT", "AND", "OR", "NULL", "DISTINCT", "FILTER (WHERE true)", "OVER ()", "::DATE")
PIECES += ("GROUP BY ALL", "ROLLUP (1)", "CUBE (1, 2)", "GROUPING SETS ((), (1))", "HAVING COUNT(*) > 1", "LIMIT 1")
PIECES += ("UNION", "USING (person_id)", "LEFT JOIN", "SEMI JOIN", "IN (SELECT 1)", "EXISTS (SELECT 1)", "CASE", "END")
PIECES += ("WITH t AS (SELECT 1)", "ORDER BY 1 DESC NULLS LAST", "*", ".", "--", "/*", "'", '"', "\\", "$1", "?", "\0")
BRACKETS = (("(", ")"), ("abs(", ")"), ("CASE WHEN ", " THEN 1 END"), ("(SELECT * FROM ", ") AS w"))


class Found(Exception):
    """A case that broke a promise; the text says which, and gives the case."""


@cache
def words(sql: str) -> tuple[str, ...]:
    return tuple(WORD.findall(sql))


def damaged(seed: Seed, rng: random.Random) -> str:
    """One to four changes."""
    parts = list(words(seed.sql))
    for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 4))):
        parts = rng.choice(CHANGES)(parts or [""], rng)
    return "".join(parts)


def _at(parts: list[str], rng: random.Random) -> int:
    return rng.randrange(len(parts))


def _elsewhere(rng: random.Random) -> tuple[str, ...]:
    return words(rng.choice(seeds()).sql) or ("",)


def _dropped(parts: list[str], rng: random.Random) -> list[str]:
    start = _at(parts, rng)
    return parts[:start] + parts[start + rng.randint(1, 6) :]


def _doubled(parts: list[str], rng: random.Random) -> list[str]:
    start = _at(parts, rng)
    end = start + rng.randint(1, 12)
    return parts[:end] + [" "] + parts[start:end] * rng.choice((1, 1, 1, 40)) + parts[end:]


def _swapped(parts: list[str], rng: random.Random) -> list[str]:
    one, other = _at(parts, rng), _at(parts, rng)
    changed = list(parts)
    changed[one], changed[other] = changed[other], changed[one]
    return changed


def _replaced(parts: list[str], rng: random.Random) -> list[str]:
    changed, word = list(parts), rng.choice(_elsewhere(rng))
    places = [i for i, part in enumerate(parts) if part.strip() and part[0].isalnum() == word[:1].isalnum()]
    changed[rng.choice(places or [0])] = word
    return changed


def _inserted(parts: list[str], rng: random.Random) -> list[str]:
    start = _at(parts, rng)
    return [*parts[:start], " ", rng.choice((*PIECES, *ENDS)), " ", *parts[start:]]


def _spliced(parts: list[str], rng: random.Random) -> list[str]:
    other = _elsewhere(rng)
    start = rng.randrange(len(other))
    return [*parts[: _at(parts, rng)], " ", *other[start : start + rng.choice((3, 10, 200))]]


def _wrapped(parts: list[str], rng: random.Random) -> list[str]:
    start = _at(parts, rng)
    end, times = start + rng.randint(1, 8), rng.choice((1, 1, 2, 50, 300))
    before, after = rng.choice(BRACKETS)
    return [*parts[:start], before * times, *parts[start:end], after * times, *parts[end:]]


def _number(parts: list[str], rng: random.Random) -> list[str]:
    places = [i for i, part in enumerate(parts) if part[:1].isdigit()] or [_at(parts, rng)]
    changed = list(parts)
    changed[rng.choice(places)] = rng.choice(ENDS)
    return changed


def _nested(parts: list[str], rng: random.Random) -> list[str]:
    """A whole statement where a name stands."""
    names = [i for i, part in enumerate(parts) if part.isidentifier()] or [0]
    changed = list(parts)
    changed[rng.choice(names)] = f"({''.join(_elsewhere(rng))}) AS z"
    return changed


def _bytes(parts: list[str], rng: random.Random) -> list[str]:
    text = "".join(parts)
    start = rng.randrange(len(text) + 1)
    noise = "".join(chr(rng.randrange(rng.choice((128, 128, 0x250, 0xD800)))) for _ in range(8))
    return [text[:start], noise[: rng.randint(1, 8)], text[start + rng.randint(0, 3) :]]


CHANGES = (_dropped, _doubled, _swapped, _replaced, _replaced, _inserted, _spliced, _wrapped, _number, _nested, _bytes)


def judged(sql: str, seed: Seed) -> dict[str, Any]:
    """The verdict on one statement; Found if it is none."""
    line = json.dumps({"id": 1, "sql": sql}).encode()
    begun = time.process_time()
    try:
        verdict = _judge_line(line, seed.context())
    except BaseException as error:
        raise Found(f"{error!r} for {sql!r} under {seed.catalogue.name}") from error
    spent = time.process_time() - begun
    code = verdict["code"]
    if spent > SECONDS:
        raise Found(f"{spent:.1f} s for {sql!r} under {seed.catalogue.name}")
    known = code is None if verdict["verdict"] == "accept" else code in CODES and not str(code).startswith("BUG_")
    if not known or "Traceback" in str(verdict):
        raise Found(f"{verdict} for {sql!r} under {seed.catalogue.name}")
    return verdict


def attack(rng: random.Random, told: Counter[str]) -> None:
    """One case; its verdict is counted."""
    seed = rng.choice(seeds())
    verdict = judged(damaged(seed, rng), seed)
    told[str(verdict["code"] or "accepted")] += 1
