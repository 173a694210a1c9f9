"""``splittally check``: would a statement be accepted? Nothing is sent, read or spent."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import ANALYST_HOME, ANY_HOME, Json
from engine.errors import BadFile, Bug, SplittallyError

if TYPE_CHECKING:
    from engine.sql import Context

OwnCatalogue = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="A catalogue (YAML) instead of a home.")
]
OwnHome = Annotated[Path, typer.Option("--home", metavar="DIR", help=ANY_HOME, show_default=False)]
STATEMENT_HELP = "A file with one statement, the statement itself, or - for standard input."


def check(
    file: Annotated[str, typer.Argument(metavar="[FILE|-]", help=STATEMENT_HELP, show_default=False)] = "-",
    catalog: OwnCatalogue = None,
    home: OwnHome = ANALYST_HOME,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Judge many: lines {"id", "sql"} in, one verdict a line out.')
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether a statement can be planned under a catalogue or a home's, and if not, why and what would work.

    With --jsonl every line gets a verdict and the exit status is 0; without, it is that of the verdict.
    """
    context = context_of(catalog, home)
    if jsonl:
        for line in _lines(file):
            sys.stdout.write(json.dumps(_judge_line(line, context)) + "\n")
        return
    verdict, error = _judge(None, statement_text(file), context)
    if as_json:
        sys.stdout.write(json.dumps({k: v for k, v in verdict.items() if k != "id"}, indent=2) + "\n")
        raise typer.Exit(error.exit_status if error else 0)
    if error is not None:
        raise error
    columns = verdict["columns"]
    sys.stdout.write(f"accepted: plan {verdict['plan_digest']}\n")
    sys.stdout.write(f"columns: {', '.join(columns) if isinstance(columns, list) else ''}\n")


def context_of(catalog: Path | None, home: Path = ANALYST_HOME) -> Context:
    """The catalogue of a file under the rules of a federation that sets none of its own; without one, both as a home's
    manifest has them.
    """
    from engine.catalogue import load_catalogue
    from engine.governance.federation import default_rules
    from engine.sql import Context
    from engine.trusted.home import Home

    if catalog is None:
        manifest = Home.load(home).manifest()
        return Context(manifest.catalogue, manifest.rules)
    return Context(load_catalogue(catalog), default_rules())


def statement_text(source: str) -> str:
    """The statement in a file, on standard input (``-``), or given as it is."""
    if source == "-":
        return _decoded(sys.stdin.buffer.read(), "standard input")
    path = Path(source)
    try:
        if path.is_dir():
            raise BadFile("FILE_FOLDER", path=source[:200])
        if path.is_file():
            return _decoded(path.read_bytes(), path.name)
    except OSError:
        raise BadFile("FILE_MISSING", path=source[:200]) from None
    except ValueError:  # a NUL in the name
        return source
    if any(c.isspace() for c in source.strip()):
        return source
    raise BadFile("FILE_MISSING", path=source[:200])


def _decoded(raw: bytes, name: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadFile("FILE_CHECK_ENCODING", path=name) from None


def _lines(source: str) -> Iterator[bytes]:
    """The lines that hold anything."""
    if source == "-":
        yield from (line for line in sys.stdin.buffer if line.strip())
        return
    try:
        with Path(source).open("rb") as opened:
            yield from (line for line in opened if line.strip())
    except OSError:
        raise BadFile("FILE_MISSING", path=source[:200]) from None


def _judge_line(line: bytes, context: Context) -> dict[str, object]:
    try:
        asked = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        asked = None
    name = asked.get("id") if isinstance(asked, dict) else None
    name = name if isinstance(name, str | int) else None
    sql = asked.get("sql") if isinstance(asked, dict) else None
    if not isinstance(sql, str):
        return _refusal(name, BadFile("FILE_CHECK_LINE"))
    try:
        return _judge(name, sql, context)[0]
    except Exception as error:  # one line's bug is that line's verdict; the rest is judged all the same
        return _refusal(name, Bug("BUG_UNEXPECTED", internal=repr(error)))


def _judge(name: str | int | None, sql: str, context: Context) -> tuple[dict[str, object], SplittallyError | None]:
    from engine.sql import prepare
    from engine.sql.explain import plan_digest

    try:
        statement = prepare(sql, context.catalogue, context.rules)
    except SplittallyError as error:
        return _refusal(name, error), error
    return {
        "id": name,
        "verdict": "accept",
        "code": None,
        "message": None,
        "hint": None,
        "plan_digest": plan_digest(statement),
        "columns": [column for column, _ in statement.columns],
    }, None


def _refusal(name: str | int | None, error: SplittallyError) -> dict[str, object]:
    where = f"{str(error.at).capitalize()}: " if error.at else ""
    return {
        "id": name,
        "verdict": "refuse",
        "code": error.code,
        "message": where + error.message,
        "hint": error.hint,
        "plan_digest": None,
        "columns": None,
    }
