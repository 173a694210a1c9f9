"""The page on drivers, its Python run as it stands there, against a whole federation."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator

import pytest

from engine.client.fed import TABLES
from engine.client.options import OPTIONS
from engine.desk.flight.status import status_of
from engine.error_codes import CODES
from engine.errors import error_for
from tests.desk_flight.councils import councils
from tests.docs.walkthrough import ROOT, differs

PAGE = "engine/docs/manual/drivers.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
TOKEN = "a-token-for-the-page-on-drivers"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, warm_processes: None) -> Iterator[None]:
    """Two councils, a desk that serves drivers, and what the page takes from the environment."""
    served = councils(tmp_path_factory.mktemp("realm"), TOKEN)
    with served as (server, session), pytest.MonkeyPatch.context() as environment:
        environment.setenv("SPLITTALLY_URI", f"grpc://127.0.0.1:{server.port}")
        environment.setenv("SPLITTALLY_TOKEN", TOKEN)
        environment.setenv("SPLITTALLY_HOME", str(session.home.path))
        yield


@pytest.mark.usefixtures("asked")
def test_the_page_runs_as_it_is_written() -> None:
    blocks = BLOCK.findall(TEXT)
    assert len(blocks) == TEXT.count("```python") == TEXT.count("```text") == 7
    known: dict[str, object] = {}
    for code, shown in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, PAGE, "exec"), known)  # noqa: S102 - the page's own code
        assert differs(tuple(shown.splitlines()), printed.getvalue(), {}) == "", code


def test_every_option_and_every_table_is_on_the_page() -> None:
    for name in OPTIONS:
        assert f"`{name}`" in TEXT, name
    for table in TABLES:
        assert f"| `fed.{table}` |" in TEXT


def test_the_kinds_of_errors_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| (`[A-Z_`, ]+) \| .* \| ([A-Z_]+) \|$", TEXT, re.MULTILINE)
    told = {code: status for codes, status in rows for code in re.findall(r"`([A-Z_]+)`", codes)}
    assert {"SQL_", "POLICY_", "BUDGET_", "APPROVAL_", "ROUND_", "NODE_", "BUG_"} <= set(told)
    for code in (code for code in CODES if not code.startswith(("FILE_", "APPROVAL_WAITING", "ROUND_PENDING"))):
        prefix = code[: code.index("_") + 1]
        assert status_of(error_for(code)).name == told.get(code, told[prefix]), code
    for code in ("APPROVAL_WAITING_REQUEST", "ROUND_PENDING_REQUEST"):
        assert status_of(error_for(code)).name == told[code]
