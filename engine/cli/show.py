"""What people see: errors, answers as tables with their intervals, answers as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.errors import SplittallyError
from engine.figures import Value, decimals, interval_words
from engine.figures import percent as percent
from engine.figures import plain as plain
from engine.figures import text as text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from engine.sql.finish import Answer

UNLIMITED = 10_000  # columns


def console(*, error: bool = False) -> Console:
    """Standard output or error; tables keep their full width when nobody's terminal limits them."""
    from rich.console import Console

    wide = None if (sys.stderr if error else sys.stdout).isatty() else UNLIMITED
    return Console(stderr=error, highlight=False, soft_wrap=False, width=wide, markup=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on one line of the terminal's standard error; silent elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with console(error=True).status("starting") as status:
        yield lambda words: status.update(f"{words} ...") if words else status.stop()


def agreed(question: str) -> bool:
    """Asks on standard error; only a typed y or yes is agreement, the end of the input is none."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show_error(error: SplittallyError, as_json: bool = False) -> None:
    """``CODE (where): sentence hint`` on standard error, or one line of JSON; what is for the operator's eyes only
    when debugging."""
    if as_json:
        # In ASCII: what a terminal cannot show, standard error writes in a way that is no JSON.
        sys.stderr.write(json.dumps({"error": error_document(error)}) + "\n")
    elif sys.stderr.isatty():
        from rich.text import Text

        where = f" ({error.at})" if error.at else ""
        head = Text.assemble((error.code, "bold red"), f"{where}: {error.message}")
        shown = console(error=True)
        shown.print(head)
        if error.hint:
            shown.print(Text(error.hint, style="dim"))
    else:
        sys.stderr.write(f"{error}\n")
    if os.environ.get("SPLITTALLY_DEBUG") and error.internal:
        sys.stderr.write(f"internal: {error.internal}\n")


def error_document(error: SplittallyError) -> dict[str, object]:
    """An error as JSON has it; ``at``, where it has a place in a text."""
    at = {"at": {"line": error.at.line, "column": error.at.column}} if error.at else {}
    return {"code": error.code, "message": error.message, "hint": error.hint, **at}


def print_json(document: object, *, indent: int | None = 2) -> None:
    sys.stdout.write(json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def print_written(file: object, as_json: bool, **facts: object) -> None:
    """The file that a command wrote, and with --json what else is to say about it."""
    if as_json:
        print_json({"file": str(file), **facts})
    else:
        console().print(str(file), soft_wrap=True)


def rows_json(columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> list[dict[str, object]]:
    return [dict(zip(columns, map(plain, row), strict=True)) for row in rows]


def intervals_json(answer: Answer) -> list[dict[str, list[object]]]:
    """One entry a row, in row order: column -> [low, high] at 95 %."""
    return [{name: [plain(low), plain(high)] for name, (low, high) in row.items()} for row in answer.intervals]


def answer_json(answer: Answer, nodes: Sequence[str], cost: Mapping[str, object]) -> dict[str, object]:
    document: dict[str, object] = {
        "columns": list(answer.columns),
        "rows": rows_json(answer.columns, answer.rows),
        "intervals": intervals_json(answer),
        "nodes": list(nodes),
        "cost": dict(cost),
    }
    if any(answer.units):
        document["units"] = {name: unit for name, unit in zip(answer.columns, answer.units, strict=True) if unit}
    if answer.notes:
        document["notes"] = list(answer.notes)
    return document


def new_table() -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)


def answer_table(answer: Answer, exact: Sequence[Mapping[str, Value]] | None = None) -> Table:
    """One line a row; beside each estimate its 95 % interval and, where given, the exact value."""
    from engine.client.units import heading

    table = new_table()
    whole = [name for name, type_ in zip(answer.columns, answer.types, strict=True) if type_.name == "INTEGER"]
    estimates = [name for name in answer.columns if any(name in row for row in answer.intervals)]
    for place, (name, type_) in enumerate(zip(answer.columns, answer.types, strict=True)):
        number = type_.name in ("INTEGER", "DECIMAL")
        table.add_column(heading(name, answer.unit_of(place)), justify="right" if number else "left", no_wrap=number)
        if name in estimates:
            table.add_column("95 %", style="dim", no_wrap=True)
            if exact is not None:
                table.add_column("exact", justify="right", style="cyan", no_wrap=True)
    for index, row in enumerate(answer.rows):
        cells: list[str] = []
        for name, value in zip(answer.columns, row, strict=True):
            interval = answer.intervals[index].get(name)
            places = decimals(interval)
            own = 0 if name in whole and interval else places
            cells.append(text(value, own))
            if name in estimates:
                cells.append(interval_words(value, interval, places))
                if exact is not None:
                    cells.append(text(exact[index].get(name), own))
        table.add_row(*cells)
    return table


def footer(nodes: Sequence[str], cost: Mapping[str, object]) -> str:
    """Who answered and what it cost; one line."""
    spent = f"cost epsilon {cost['epsilon']:g} at delta {cost['delta']:g}"
    return f"answered by {', '.join(nodes)}; {spent if cost['rho_billionths'] else 'free of charge'}"
