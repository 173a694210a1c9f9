"""Reading a department's databases, as `node extract` and `node snapshot` show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from engine.cli.show import console, progress
from engine.extract.run import Extracted, extract
from engine.trusted.home import Home


def read_databases(home: Home) -> tuple[Extracted, ...]:
    """Reads all databases of a home, if it names any, and shows how far it is. Raises what ``extract`` raises."""
    with progress() as show:
        return extract(home, lambda dataset, rows: show(f"reading {dataset}: {rows:,} rows"))


def document(found: Sequence[Extracted]) -> list[dict[str, object]]:
    """What was read, as JSON has it."""
    return [asdict(one) for one in found]


def print_words(found: Sequence[Extracted]) -> None:
    """What was read, what of it was lost, and who could change what should only be read."""
    shown = console()
    for one in found:
        shown.print(f"{one.dataset}: {one.rows:,} rows from {one.table}", soft_wrap=True)
        for column, lost in one.lost.items():
            words = f"  {column}: {lost:,} values are of another type, or dates beyond the calendar, and came as NULL"
            shown.print(words, style="yellow", soft_wrap=True)
        if one.may_write:
            words = f"  the account may change {one.table}; give the node one that may only SELECT from it"
            shown.print(words, style="yellow", soft_wrap=True)
