"""Every statement of the table is refused with its code, a place and a hint."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Refused
from engine.sql import Context, prepare

TABLE = "refused.yaml"
PLACELESS = ("SQL_NOT_ONE_STATEMENT", "SQL_TOO_COMPLEX", "SQL_OVERLAP_PERSONS", "SQL_NO_ROW")


def test_a_dangerous_statement_is_refused_with_place_and_hint(row: dict[str, Any], context: Context) -> None:
    with pytest.raises(Refused) as caught:
        prepare(str(row["sql"]), context.catalogue, context.rules)
    error = caught.value
    assert error.code == row["code"], str(error)
    assert error.hint
    assert "…" not in error.message + error.hint
    assert error.at is not None or error.code in PLACELESS
    if "at" in row:
        assert f"{error.at.line}:{error.at.column}" == row["at"]
    assert row.get("hint", "") in error.hint
