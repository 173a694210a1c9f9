"""What is known before anything is asked is refused, with the reason; what some data could tell is not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import Refused
from engine.sql import Context, prepare

TABLE = "idle.yaml"


def test_what_is_known_beforehand_is_refused(row: dict[str, Any], context: Context) -> None:
    statement = prepare(str(row["sql"]), context.catalogue, context.rules, idle=True)
    assert statement.outputs
    if "code" not in row:
        assert statement.idle is None
        statement.require_telling()
        return
    with pytest.raises(Refused) as caught:
        prepare(str(row["sql"]), context.catalogue, context.rules)
    error = caught.value
    assert error.code == row["code"], str(error)
    assert error.hint and "…" not in error.message + error.hint
    assert row.get("why", "") in error.message
