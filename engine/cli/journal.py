"""``splittally journal``: write a journal to a file, and check one offline with the root keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from engine.governance.journal_file import Journal

app = typer.Typer(help="Export and verify journals.", no_args_is_help=True)
_Home = Annotated[Path, typer.Option(metavar="DIR", help="A node's or helper's home, or a person's with --member.")]


@app.callback()
def journal() -> None:
    """Export and verify journals."""


@app.command()
def export(
    home: _Home,
    member: Annotated[
        str, typer.Option(metavar="NAME", help="Whose: a node, helper or the coordinator, asked of the coordinator.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: NAME.journal here.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a journal, its signed head and the federation's manifest to a file of JSON lines.

    From a node's or helper's own home it is read from the ledger, which may be in use; with --member it comes from
    the coordinator, to whoever's home is given.
    """
    from engine.cli.show import console, print_json
    from engine.governance.journal_file import journal_of_home, written
    from engine.trusted.home import Home

    opened = Home.load(home)
    found = _fetched(opened.path, member) if member else journal_of_home(opened)
    target = out or Path(f"{found.member}.journal")
    target.write_bytes(written(found))
    if as_json:
        print_json({"file": str(target), "member": found.member, "entries": len(found.entries)})
        return
    console().print(f"{target}: {len(found.entries)} entries", soft_wrap=True)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A journal file.", show_default=False)] = None,
    roots: Annotated[
        Path | None,
        typer.Option("--roots", metavar="FILE", help="The root keys you trust: root.keys.", show_default=False),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Instead of FILE: a node's or helper's own.", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="An analyst's home: heads it was shown must fit.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a journal offline: entries, root, signed head and manifest, up to the root keys.

    Exits with 3 and a code for a journal that does not hold.
    """
    from engine.cli.show import console, new_table, print_json
    from engine.client.archive import Archive
    from engine.errors import BadFile
    from engine.governance import journal_file
    from engine.governance.homes import read_roots
    from engine.trusted.home import Home

    if (file is None) == (home is None) or (file is not None and roots is None):
        raise typer.BadParameter("give FILE and --roots, or --home")
    if home is not None:
        own = Home.load(home)
        found, pinned = journal_file.journal_of_home(own), read_roots(roots) if roots else own.roots()
        journal_file.require_continues(found, own.seen_head())
    elif file is not None and roots is not None:
        if not file.is_file():
            raise BadFile("FILE_MISSING", path=str(file))
        found, pinned = journal_file.read(file.read_bytes()), read_roots(roots)
    seen = Archive(Home.load(against)).heads(found.member) if against else ()
    head = journal_file.verify(found, pinned, seen)
    told = journal_file.summary(found.decoded())
    if as_json:
        print_json({"member": head.member, "size": head.size, "root": head.root.hex(), "heads_seen": len(seen), **told})
        return
    table = new_table()
    for heading in ("checked", "how"):
        table.add_column(heading, overflow="fold")
    table.add_row("federation's manifest", f"signed by {', '.join(s.signer for s in found.manifest.signatures)}")
    table.add_row("head", f"size {head.size}, root {head.root.hex()[:16]}…, signed by {head.member}")
    table.add_row("entries", f"{head.size}, in order, give the head's root")
    if against:
        table.add_row("heads seen elsewhere", f"{len(seen)}, each a beginning of this journal")
    shown = console()
    shown.print(table)
    kinds = ", ".join(f"{count} {kind}" for kind, count in told["kinds"].items())
    shown.print(f"{head.member}: {kinds}; rho {told['rho_billionths']}e-9 charged in all.", soft_wrap=True)
    shown.print("The journal holds.", style="bold")


@app.command("list")
def list_(home: _Home, as_json: Json = False) -> None:
    """List the connected nodes, and whether the coordinator found their journals sound."""
    from engine.cli.show import console, new_table, print_json
    from engine.client.session import connect

    with connect(home) as session:
        states = session.describe().nodes
    if as_json:
        print_json([{"node": state.node, "sound": not state.journal, "code": state.journal} for state in states])
        return
    table = new_table()
    for heading in ("node", "journal"):
        table.add_column(heading)
    for state in states:
        table.add_row(state.node, state.journal or "sound, as far as it was collected")
    console().print(table)


def _fetched(home: Path, member: str) -> Journal:
    """A member's journal as the coordinator holds it; whoever verifies it need not trust the coordinator."""
    from engine.client.session import connect
    from engine.governance.journal_file import Journal

    with connect(home) as session:
        head, entries = session.line.journal(member)
        return Journal(session.home.manifest_record(), head, entries)
