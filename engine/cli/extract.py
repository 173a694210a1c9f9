"""Reading a department's databases, as `node extract` and `node snapshot` show it."""

from __future__ import annotations

from engine.cli.show import console, print_json, progress
from engine.extract.run import Extracted, extract
from engine.trusted.home import Home


def read_databases(home: Home, as_json: bool, told: bool = True) -> None:
    """Reads all databases of a home, if it names any; ``told``: says what was read. Raises what ``extract`` raises."""
    with progress() as show:
        found = extract(home, lambda dataset, rows: show(f"reading {dataset}: {rows:,} rows"))
    if as_json:
        print_json({"node": home.name, "datasets": [_document(one) for one in found]})
    elif told:
        for one in found:
            _print(one)


def _document(one: Extracted) -> dict[str, object]:
    return {
        "dataset": one.dataset,
        "table": one.table,
        "rows": one.rows,
        "lost": dict(one.lost),
        "may_write": one.may_write,
    }


def _print(one: Extracted) -> None:
    console().print(f"{one.dataset}: {one.rows:,} rows from {one.table}", soft_wrap=True, markup=False)
    for column, lost in one.lost.items():
        words = f"  {column}: {lost:,} values are of another type, or dates beyond the calendar, and came as NULL"
        console().print(words, style="yellow", soft_wrap=True, markup=False)
    if one.may_write:
        words = f"  the account may change {one.table}; give the node one that may only SELECT from it"
        console().print(words, style="yellow", soft_wrap=True, markup=False)
