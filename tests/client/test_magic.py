"""``%%splittally`` in a real IPython shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from engine.client import magic
from engine.client.forecast import Forecast
from engine.client.release import Release
from tests.client.conftest import Bench
from tests.client.test_session import SQL, fresh, rounds_opened


@pytest.fixture
def shell(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from IPython.core.interactiveshell import InteractiveShell

    opened = bench.session()
    monkeypatch.setattr(magic, "connect", lambda home: opened)
    made = InteractiveShell()
    made.extension_manager.load_extension("engine.client.magic")
    yield made
    opened.close()


def test_a_cell_is_a_question(shell: Any) -> None:
    found = shell.run_cell_magic("splittally", f"epsilon={float(fresh(601))}", SQL)
    assert isinstance(found, Release)
    assert found.answer.rows == (("N", 7), ("S", 70))
    assert "<table>" in found._repr_html_()


def test_an_answer_is_kept_in_a_variable(shell: Any) -> None:
    assert shell.run_cell_magic("splittally", "epsilon=1.602 into=kept", SQL) is None
    assert shell.user_ns["kept"].answer.rows == (("N", 7), ("S", 70))


def test_options_stay_for_the_notebook_or_for_one_cell(shell: Any) -> None:
    shell.run_line_magic("splittally", "somewhere epsilon=1.603")
    assert float(shell.run_cell_magic("splittally", "", SQL).epsilon) == 1.603
    assert float(shell.run_cell_magic("splittally", "epsilon=1.604", SQL).epsilon) == 1.604
    assert float(shell.run_cell_magic("splittally", "", SQL).epsilon) == 1.603


def test_what_is_free_stays_free(bench: Bench, shell: Any) -> None:
    before = rounds_opened(bench)
    assert isinstance(shell.run_cell_magic("splittally", "forecast epsilon=1.605", SQL), Forecast)
    assert "COUNT" in repr(shell.run_cell_magic("splittally", "explain epsilon=1.605", SQL))
    assert rounds_opened(bench) == before


def test_a_table_of_fed_is_a_listing(shell: Any) -> None:
    found = shell.run_cell_magic("splittally", "", "SELECT name, hosts FROM fed.datasets")
    assert repr(found).splitlines()[2] == "people  east, north, west"
    assert "<td>people</td>" in found._repr_html_()
    assert found.table.num_rows == 1


@pytest.mark.parametrize(
    ("line", "cell", "code"),
    [
        ("", "SELECT * FROM people LIMIT 10", "SQL_ROWS"),
        ("colour=blue", SQL, "SQL_OPTION"),
        ("epsilon=much", SQL, "SQL_OPTION"),
        ("into=1x", SQL, "SQL_OPTION"),
        ("somewhere explian", SQL, "SQL_OPTION"),  # not asked, for asking costs
        ("explain forecast", SQL, "SQL_OPTION"),
        ("'unclosed", SQL, "quotation"),
    ],
)
def test_a_refusal_is_a_line_without_a_traceback(shell: Any, line: str, cell: str, code: str) -> None:
    from IPython.core.error import UsageError

    with pytest.raises(UsageError, match=code) as caught:
        shell.run_cell_magic("splittally", line, cell)
    assert caught.value.__suppress_context__


def test_the_package_does_not_need_ipython() -> None:
    """Nor does the analyst's side load pandas, polars, a driver or the desk."""
    script = "import sys, engine.client, engine.client.dbapi, engine.client.magic; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    tops = {name.partition(".")[0] for name in loaded}
    assert not tops & {"IPython", "pandas", "polars", "adbc_driver_manager", "starlette"}
    assert not [name for name in loaded if name.startswith(("engine.desk", "protos.arrow"))]
