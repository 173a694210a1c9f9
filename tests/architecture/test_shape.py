"""The shape of the project, kept by a machine: sizes, spines, claims, and what trusted code may not touch."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRUSTED = sorted([*(ROOT / "engine/trusted").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")])
OURS = sorted(p for top in ("engine", "nodes", "protos") for p in (ROOT / top).rglob("*.py") if "_pb2" not in p.name)
NODE_BUDGET = 5_450
PAGE_BUDGET = 450
LONGEST_FILE = 400
SPINES = ("nodes/answer.py", "engine/coordinator/run.py")
FORBIDDEN_IN_A_NODE = (
    *("sqlglot", "typer", "rich", "yaml", "starlette", "uvicorn", "sqlalchemy", "pg8000"),
    *("engine.sql", "engine.extract", "engine.catalogue", "engine.governance"),
    *("engine.coordinator", "engine.client", "engine.cli", "engine.desk", "engine.local"),
    *("protos.arrow", "pyarrow.flight", "adbc_driver_manager"),
    *("engine.trusted.describe", "engine.trusted.wording", "engine.trusted.epsilon", "nodes.subjects"),
)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def code_lines(path: Path) -> int:
    """Lines that hold code: not blank, not comment, not docstring."""
    text = path.read_text()
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            docstrings.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    held: set[int] = set()
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skip:
            held.update(range(token.start[0], token.end[0] + 1))
    return len(held - docstrings)


# Declarations made from the .proto files; an auditor reads those.
GENERATED = {f"engine/trusted/{name}.py" for name in ("plan", "catalogue", "records", "messages")}
# What guardians read and sign is made here; a node's process never loads it (decision 0013). Nor does it load what
# answers a person's own question, in a process beside it (decision 0015).
PAGE = {f"engine/trusted/{name}.py" for name in ("describe", "wording", "epsilon")} | {"nodes/subjects.py"}


def test_the_trusted_base_stays_small() -> None:
    lines = {name_of(path): code_lines(path) for path in TRUSTED if name_of(path) not in GENERATED}
    page = sum(count for name, count in lines.items() if name in PAGE)
    node = sum(lines.values()) - page
    assert node <= NODE_BUDGET, f"{node} code lines that a node may load"
    assert page <= PAGE_BUDGET, f"{page} code lines that make a guardian's page"


@pytest.mark.parametrize("spine", SPINES)
def test_a_spine_is_one_short_file_with_numbered_steps(spine: str) -> None:
    text = (ROOT / spine).read_text()
    assert len(text.splitlines()) < 150
    steps = [int(n) for n in re.findall(r"#\s*\((\d+)\)", text)]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 8


@pytest.mark.parametrize("path", [p for p in OURS if name_of(p) not in GENERATED], ids=name_of)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("path", [p for p in TRUSTED if p.name != "__init__.py"], ids=name_of)
def test_trusted_files_claim_and_name_a_test_that_exists(path: Path) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", path.read_text())
    for file, test in named:
        assert (ROOT / file).exists(), f"{file} does not exist"
        assert f"def {test}(" in (ROOT / file).read_text(), f"{file} has no {test}"
    if code_lines(path) > 40 and path.name not in ("plan.py", "catalogue.py", "records.py", "messages.py"):
        assert named, "no 'Checked by: tests/...::test_name' in this file"


FORBIDDEN_CALLS = re.compile(
    r"\b(time\.time|time\.monotonic|time\.sleep|datetime\.now|date\.today|random\.random|np\.random|os\.urandom|secrets\.)"
)
MAY_TOUCH_THE_MACHINE = {"engine/trusted/clock.py", "engine/trusted/random.py"}


@pytest.mark.parametrize("path", TRUSTED, ids=name_of)
def test_time_and_randomness_are_arguments(path: Path) -> None:
    if name_of(path) not in MAY_TOUCH_THE_MACHINE:
        assert not FORBIDDEN_CALLS.search(path.read_text())


@pytest.mark.parametrize("module", ["nodes.answer", "nodes.server", "nodes.sources.worker"])
def test_a_node_loads_no_parser_web_or_coordinator_code(module: str) -> None:
    script = f"import sys, {module}; print(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    found = [m for m in loaded.stdout.split() if any(m == f or m.startswith(f + ".") for f in FORBIDDEN_IN_A_NODE)]
    assert not found


ERROR_TABLES = ROOT / "engine/error_codes"


@pytest.mark.parametrize("path", sorted(ERROR_TABLES.glob("*.py")), ids=name_of)
def test_a_code_stands_in_the_table_of_its_prefix_and_nowhere_else(path: Path) -> None:
    rows = re.findall(r"""^    "([A-Z_]+)": ErrorCode\(""", path.read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert all(code.startswith(f"{path.stem.upper()}_") for code in rows)
    assert rows or path.stem in ("__init__", "row")


def test_every_error_code_is_raised_somewhere_and_tested() -> None:
    from engine.error_codes import CODES

    code = "\n".join(p.read_text() for p in OURS if p.parent != ERROR_TABLES)
    unused = [c for c in CODES if f'"{c}"' not in code]
    assert not unused, f"codes nobody raises: {unused}"
    for name in re.findall(r"""(?:Refused|BadFile|Waiting|Unavailable|Bug)\(\s*"([A-Z_]+)\"""", code):
        assert name in CODES
