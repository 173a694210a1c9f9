"""Parameters become literals: where they stand, how a value is written, and that nothing of a value is read as SQL."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.client.parameters import bind, literal, places
from engine.errors import Refused
from engine.sql.scan import scan


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("", 0),
        ("?", 1),
        ("a = ? AND b = ?", 2),
        ("'?'", 0),
        ("'it''s ?' ?", 1),
        ('"?" ?', 1),
        ("-- ?\n?", 1),
        ("-- '\n?", 1),
        ("/* ? ' */ ?", 1),
        ("'/*' ? '*/'", 1),
        ("'--' ?", 1),
        ("- - ?", 1),
        ("'? unclosed", 0),
        ("/* ? unclosed", 0),
    ],
)
def test_parameters_stand_outside_quotes_and_comments(sql: str, found: int) -> None:
    assert len(places(sql)) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (False, "FALSE"),
        (0, "0"),
        (-5, "(-5)"),
        (np.int64(7), "7"),
        (1.5, "1.5"),
        (-0.25, "(-0.25)"),
        (np.float64(2.5), "2.5"),
        (1e300, "1e+300"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (Fraction(1, 4), "0.25"),
        ("", "''"),
        ("it's", "'it''s'"),
        ("'; DROP TABLE people --", "'''; DROP TABLE people --'"),
        (date(2024, 2, 29), "DATE '2024-02-29'"),
        (datetime(2024, 2, 29), "DATE '2024-02-29'"),
    ],
)
def test_values_are_written_as_sql_has_them(value: object, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        Decimal("NaN"),
        b"x",
        object(),
        [1],
        1j,
        datetime(2024, 1, 1, 12),
        pytest.param(10**5_000, id="huge"),
        Decimal("1e999999"),
    ],
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(Refused, match="SQL_LITERAL"):
        literal(value)


@pytest.mark.parametrize(("sql", "values"), [("?", []), ("?", [1, 2]), ("1", [1]), ("'?'", [1])])
def test_there_is_one_value_for_each(sql: str, values: list[object]) -> None:
    with pytest.raises(Refused, match="SQL_PARAMETERS"):
        bind(sql, values)


def test_two_signs_side_by_side_begin_no_comment() -> None:
    assert [lexeme.text for lexeme in scan(bind("SELECT 1 -? FROM x", [-1]))][-2:] == ["from", "x"]


PLAIN = st.characters(min_codepoint=32, max_codepoint=126)


@given(st.lists(st.text(PLAIN, max_size=20), min_size=1, max_size=4))
def test_a_text_stays_one_text_whatever_is_in_it(values: list[str]) -> None:
    found = scan(bind(" + ".join("?" for _ in values), values))
    assert [lexeme.text for lexeme in found if lexeme.kind == "text"] == values
    assert len(found) == 2 * len(values) - 1


@given(
    st.lists(st.one_of(st.integers(-(10**18), 10**18), st.floats(allow_nan=False, allow_infinity=False)), min_size=1)
)
def test_a_number_stays_one_number(values: list[Any]) -> None:
    found = [lexeme.text for lexeme in scan(bind(", ".join("?" for _ in values), values)) if lexeme.kind == "number"]
    assert [float(text) for text in found] == [abs(float(value)) for value in values]
