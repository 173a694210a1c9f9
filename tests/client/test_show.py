"""What stands in a table is what was released: no text is markup."""

from __future__ import annotations

from engine.cli.show import console


def test_brackets_of_data_are_text() -> None:
    """Names of groups may come from data; ``[s.1]`` is not a style, and ``[/]`` closes none."""
    from engine.cli.show import new_table

    shown, table = console(), new_table()
    table.add_column("share [/]")
    for cell in ("Theft [s.1]", "Fraud [/]", "Assault [bold]ABH"):
        table.add_row(cell)
    with shown.capture() as captured:
        shown.print(table)
    text = captured.get()
    assert all(cell in text for cell in ("share [/]", "Theft [s.1]", "Fraud [/]", "Assault [bold]ABH"))
