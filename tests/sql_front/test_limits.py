"""Limits on statements, and that no text whatever does anything but be accepted or refused."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Refused
from engine.sql import Context, prepare
from engine.sql.bound import located
from engine.sql.scan import scan

SPREAD = "SELECT region, COUNT(*) AS n, SUM(CASE WHEN sex = 'F' THEN income ELSE 0 END) / COUNT(*) AS r FROM people "
SPREAD += "WHERE income BETWEEN 1 AND 20 AND sex IN ('F', 'M') GROUP BY region HAVING n > 3 ORDER BY n DESC LIMIT 3"
PIECES = [
    *SPREAD.split(),
    "(",
    ")",
    ",",
    "'",
    '"',
    ";",
    "--",
    "/*",
    "*/",
    "person_id",
    "OVER",
    "JOIN",
    "1e9",
    "::",
    "NOT",
]


def nested(depth: int, opening: str, closing: str, core: str = "income") -> str:
    return f"SELECT SUM({opening * (depth - 1)}{core}{closing * (depth - 1)}) FROM people"


def code_of(sql: str, context: Context) -> str:
    try:
        prepare(sql, context.catalogue, context.rules)
    except Refused as error:
        return error.code
    return "accepted"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (nested(64, "(", ")"), "accepted"),
        (nested(65, "(", ")"), "SQL_TOO_DEEP"),
        (nested(36, "abs(", ")"), "accepted"),
        (nested(45, "abs(", ")"), "SQL_TOO_DEEP"),
        (nested(65, "abs(", ")"), "SQL_TOO_DEEP"),
        (nested(36, "CASE WHEN consent THEN ", " END"), "accepted"),
        (nested(66, "CASE WHEN consent THEN ", " END"), "SQL_TOO_DEEP"),
        (nested(3_000, "(", ")"), "SQL_TOO_DEEP"),
        ("SELECT COUNT(*) FROM " + "(SELECT * FROM " * 60 + "people" + ")" * 60, "accepted"),
        ("SELECT COUNT(*) FROM " + "(SELECT * FROM " * 65 + "people" + ")" * 65, "SQL_TOO_DEEP"),
        ("SELECT COUNT(*) FROM people WHERE " + "NOT " * 1_000 + "consent", "SQL_TOO_DEEP"),
        ("SELECT SUM(" + "- " * 100 + "income) FROM people", "SQL_TOO_DEEP"),
        ("SELECT SUM(income" + " + 1" * 36 + ") FROM people", "accepted"),
        ("SELECT SUM(income" + " + 1" * 60 + ") FROM people", "SQL_TOO_DEEP"),
        ("SELECT SUM(income" + " + 1" * 70 + ") FROM people", "SQL_TOO_DEEP"),
        ("SELECT COUNT(*) FROM people WHERE consent" + " AND consent" * 500, "accepted"),
        ("SELECT COUNT(*) FROM people WHERE consent" + " AND consent" * 1_000, "SQL_TOO_MANY_PARTS"),
        (
            "SELECT COUNT(*) FROM people WHERE serial IN (" + ", ".join(map(str, range(1_500))) + ")",
            "accepted",
        ),
        (
            "SELECT COUNT(*) FROM people WHERE birth_year IN (" + ", ".join(map(str, range(2_100))) + ")",
            "SQL_TOO_MANY_PARTS",
        ),
        ("SELECT COUNT(*) FROM people WHERE region = '" + "x" * 1_001 + "'", "SQL_LITERAL"),
        ("SELECT COUNT(*) FROM people LIMIT " + "1" * 40, "SQL_LITERAL"),
        ("SELECT COUNT(*) FROM people LIMIT " + "1" * 5_000, "SQL_LITERAL"),
        ("SELECT COUNT(*) FROM people LIMIT 1 OFFSET " + "1" * 17, "SQL_LITERAL"),
        ("SELECT SUM(income::DECIMAL(" + "1" * 5_000 + ",1)) FROM people", "SQL_LITERAL"),
        ("SELECT SUM(income::DECIMAL(" + "1" * 40 + ",1)) FROM people", "SQL_NOT_SUPPORTED"),
        ("SELECT SUM(income::DECIMAL(99999999,99999999)) FROM people", "SQL_NOT_SUPPORTED"),
        ("SELECT SUM(income * 1e-9999999) FROM people", "SQL_LITERAL"),
        ("SELECT SUM(income * 1e9999999) FROM people", "SQL_LITERAL"),
        ("SELECT SUM(income * 1e999) FROM people", "SQL_LITERAL"),
        ("SELECT SUM(income * 0." + "1" * 5_000 + ") FROM people", "SQL_LITERAL"),
        ("SELECT SUM(income * 1.50e+01) FROM people", "accepted"),
        ("SELECT COUNT(*) FROM people" + " JOIN people" * 1_000, "SQL_TOO_COMPLEX"),
        ("SELECT COUNT(*) FROM people" + " LEFT JOIN (SELECT 1)" * 40, "SQL_TOO_COMPLEX"),
        ("SELECT COUNT(*) FROM people" + " " * 16_400, "SQL_TEXT_TOO_LONG"),
        ("SELECT COUNT(*) FROM people WHERE clinic = '" + "é" * 8_200 + "'", "SQL_TEXT_TOO_LONG"),
        ("SELECT " + ", ".join(f"SUM(income + {i})" for i in range(32)) + " FROM people", "accepted"),
        ("SELECT " + ", ".join(f"SUM(income + {i})" for i in range(33)) + " FROM people", "SQL_TOO_COMPLEX"),
    ],
)
def test_limits(sql: str, code: str, context: Context) -> None:
    begun = time.monotonic()
    assert code_of(sql, context) == code
    assert time.monotonic() - begun < 5


def test_doubling_through_common_tables_is_stopped(context: Context) -> None:
    """Each table doubles the expression of the one before: written out it would have 2^50 parts."""
    tables = ["t0 AS (SELECT income AS c0 FROM people)"]
    tables += [f"t{i} AS (SELECT c{i - 1} + c{i - 1} AS c{i} FROM t{i - 1})" for i in range(1, 51)]
    begun = time.monotonic()
    assert code_of(f"WITH {', '.join(tables)} SELECT SUM(c50) FROM t50", context) == "SQL_TOO_MANY_PARTS"
    assert time.monotonic() - begun < 2


def test_refusals_keep_their_place_and_gain_one_only_if_they_have_none() -> None:
    with pytest.raises(Refused) as caught:
        scan("SELECT\n  `a`")
    assert str(caught.value.at) == "line 2, column 3"
    with pytest.raises(Refused) as again, located(None):  # type: ignore[arg-type]
        raise caught.value
    assert again.value.at == caught.value.at


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.integers(9, 126), st.integers(0, 0x10FFFF)), max_size=80))
def test_any_text_is_accepted_or_refused(context: Context, characters: list[int]) -> None:
    code_of("".join(map(chr, characters)), context)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_any_mixture_of_words_is_accepted_or_refused(context: Context, pieces: list[str]) -> None:
    code_of("SELECT " + " ".join(pieces), context)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SPREAD)), st.integers(0, 12), st.sampled_from([*PIECES, ""]))
def test_any_damaged_statement_is_accepted_or_refused(context: Context, start: int, length: int, put: str) -> None:
    code_of(SPREAD[:start] + put + SPREAD[start + length :], context)


DOUBLED = {
    "unions": "SELECT sex FROM t{0} UNION ALL SELECT sex FROM t{0}",
    "joins": "SELECT a.sex, a.person_id FROM t{0} AS a JOIN t{0} AS b ON a.person_id = b.person_id",
    "windows": "SELECT sex, SUM(n) OVER () + SUM(n) OVER () AS n FROM t{0}",
    "figures": "SELECT sex, n_{0} + n_{0} AS n_{1} FROM t{0}",
}
HOSTILE = {
    "literals": "SELECT COUNT(*) FROM people WHERE birth_year IN (" + ",".join(["1"] * 8_000) + ")",
    "additions": "SELECT SUM(income" + "+1" * 7_900 + ") FROM people",
    "signs": "SELECT SUM(" + "- " * 8_000 + "income) FROM people",
    "negations": "SELECT COUNT(*) FROM people WHERE " + "NOT " * 4_000 + "consent",
    "unions in each other": (
        "SELECT COUNT(*) FROM " + "(SELECT sex FROM people UNION ALL SELECT sex FROM " * 60 + "people" + ")" * 60
    ),
    "formats": "SELECT strftime(joined, '" + "%B" * 400 + "'), COUNT(*) FROM people GROUP BY 1",
    "paddings": "SELECT " + "lpad(" * 30 + "region" + ", 40, 'x')" * 30 + ", COUNT(*) FROM people GROUP BY 1",
    "powers": "SELECT SUM(" + "pow(" * 40 + "children" + ", 4)" * 40 + ") FROM people",
    **{
        f"doubled {name}": "WITH t0 AS (SELECT sex, person_id FROM people), "
        + ", ".join(f"t{i} AS ({query.format(i - 1, i)})" for i in range(1, 40))
        + " SELECT COUNT(*) FROM t39"
        for name, query in list(DOUBLED.items())[:2]
    },
    **{
        f"doubled {name}": "WITH t0 AS (SELECT sex, COUNT(*) AS n, COUNT(*) AS n_0 FROM people GROUP BY sex), "
        + ", ".join(f"t{i} AS ({query.format(i - 1, i)})" for i in range(1, 40))
        + " SELECT * FROM t39"
        for name, query in list(DOUBLED.items())[2:]
    },
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_refused_soon(name: str, context: Context) -> None:
    """In a tenth of a second of one processor, ten times as much for a busy machine and the first import."""
    begun = time.process_time()
    code = code_of(HOSTILE[name], context)
    assert time.process_time() - begun < 1
    assert code != "accepted" or name == "doubled windows"  # equal ones are one
