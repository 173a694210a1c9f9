"""``splittally node``: becomes a node's process, or compiles what a department wrote for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import NODE_HOME, Json

if TYPE_CHECKING:
    from engine.trusted.home import Home

app = typer.Typer(help="Run a node or helper, or prepare its binding.")
TAKEN_SECONDS = 15.0  # until a running node has surely taken a record

_Home = Annotated[Path, typer.Option(metavar="DIR", help="Default: ~/.splittally/node.", show_default=False)]
_Coordinator = Annotated[str, typer.Option(metavar="HOST:PORT", help="Default: as in the home.", show_default=False)]


@app.callback(invoke_without_command=True)
def node(context: typer.Context, home: _Home = NODE_HOME, coordinator: _Coordinator = "") -> None:
    """Run a node or helper until it is stopped; it dials the coordinator and opens no port."""
    if context.invoked_subcommand is None:
        _become(home, coordinator)


@app.command()
def run(home: _Home = NODE_HOME, coordinator: _Coordinator = "") -> None:
    """The same as `splittally node --home DIR`."""
    _become(home, coordinator)


@app.command()
def prepare(
    file: Annotated[Path, typer.Argument(metavar="NODE.TOML", help="What the department wrote.")],
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Default: the file's `home`, else its folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compile node.toml: check its columns against the department's files and store the typed form for the node."""
    from engine.cli.show import console, print_json
    from engine.governance.binding import home_of
    from engine.governance.binding import prepare as compile_file
    from engine.trusted.home import Home

    binding = compile_file(Home.load(home or home_of(file)), file)
    shown = [
        {"dataset": d.dataset, "files": list(d.files), "columns": [c.name for c in d.columns]} for d in binding.datasets
    ]
    if as_json:
        print_json({"node": binding.node, "datasets": shown})
        return
    for dataset in binding.datasets:
        console().print(f"{dataset.dataset}: {len(dataset.columns)} columns from {', '.join(dataset.files)}")


@app.command()
def deploy(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
    as_json: Json = False,
) -> None:
    """Write systemd units and a container file, hardened, to be read and put in place; nothing is installed."""
    from importlib.util import find_spec

    from engine.cli.show import console, print_json
    from engine.errors import BadFile

    nodes = find_spec("nodes")
    if nodes is None or not nodes.submodule_search_locations:
        raise BadFile("FILE_PACKAGE", package="nodes")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for source in sorted((Path(nodes.submodule_search_locations[0]) / "deploy").iterdir()):
        target = folder / source.name
        target.write_bytes(source.read_bytes())
        written.append(str(target))
    if as_json:
        print_json({"files": written})
        return
    for name in written:
        console().print(name, soft_wrap=True)


_GuardianHome = Annotated[Path, typer.Option("--home", metavar="DIR", help="The guardian's home.")]
_NodeHome = Annotated[
    Path | None,
    typer.Option("--node-home", metavar="DIR", help="Give it to this node itself, without the coordinator."),
]
_Reason = Annotated[str, typer.Option(help="Why; it is journalled and public.")]


@app.command()
def pause(home: _GuardianHome, reason: _Reason, node_home: _NodeHome = None, as_json: Json = False) -> None:
    """Stop a node: no plan runs, and rounds under way are dropped before anything is sent. Signed by its guardian."""
    _sign_pause(home, True, reason, node_home, as_json)


@app.command()
def resume(home: _GuardianHome, reason: _Reason, node_home: _NodeHome = None, as_json: Json = False) -> None:
    """Let a paused node go on. Signed by its guardian."""
    _sign_pause(home, False, reason, node_home, as_json)


@app.command()
def extract(home: _Home = NODE_HOME, as_json: Json = False) -> None:
    """Read the databases that node.toml names into the node's home; the next snapshot is cut from that.

    `node snapshot` does this first. What is read stays in the home, for the node alone, until it is read again.
    """
    from engine.cli.extract import document, print_words, read_databases
    from engine.cli.show import print_json
    from engine.errors import BadFile
    from engine.extract.source import stored

    opened = _node_home(home)
    if not stored(opened):
        raise BadFile("FILE_EXTRACT_NONE", home=str(home))
    found = read_databases(opened)
    if as_json:
        print_json({"node": opened.name, "datasets": document(found)})
    else:
        print_words(found)


@app.command()
def snapshot(
    home: _Home = NODE_HOME,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait until they are cut; 0 only asks for them.")
    ] = 600.0,
    as_json: Json = False,
) -> None:
    """Have a running node cut new snapshots: later answers come from today's rows, and are charged anew.

    Databases that node.toml names are read first. Run it on a schedule, not when the data change: that they changed
    must not show.
    """
    from engine.cli.extract import print_words, read_databases
    from engine.cli.show import console, print_json
    from engine.errors import Unavailable

    opened = _node_home(home)
    opened.binding()
    found = read_databases(opened)
    if not as_json:
        print_words(found)
    asked = opened.path / "inbox/snapshot"
    asked.parent.mkdir(mode=0o700, exist_ok=True)
    before = set() if asked.exists() else _snapshots(opened)
    opened.write("inbox/snapshot", b"")
    cut = _within(lambda: not asked.exists(), wait)
    if not cut and wait:
        raise Unavailable("NODE_SNAPSHOT_WAITS", name=opened.name)
    if cut and before & _snapshots(opened):
        raise Unavailable("NODE_SNAPSHOT_NOT_CUT", name=opened.name)
    if as_json:
        print_json({"node": opened.name, "cut": cut})
    else:
        console().print(f"{opened.name}: {'cut' if cut else 'asked for; the node cuts them once it runs'}.")


@app.command()
def health(home: _Home = NODE_HOME, coordinator: _Coordinator = "", as_json: Json = False) -> None:
    """See whether this node or helper attends at its coordinator: for monitors, exit status 0 if so and 1 if not."""
    from engine.cli.health import report

    report(home, coordinator, as_json, attends=True)


@app.command()
def subjects(home: _Home = NODE_HOME, as_json: Json = False) -> None:
    """List the rounds that could have counted one person's rows; the id is read from the terminal, never shown."""
    from datetime import UTC, datetime

    from engine.cli.show import console, new_table, print_json
    from engine.governance.subjects import ask_node
    from engine.trusted.home import Home

    if sys.stdin.isatty():
        person = str(typer.prompt("The person's id", hide_input=True, err=True))
    else:
        person = sys.stdin.readline().rstrip("\n")
    told = ask_node(Home.load(home), person)
    if as_json:
        print_json(told.document)
        return
    table = new_table()
    for heading in ("when", "analyst", "rows of the person in", "request"):
        table.add_column(heading, overflow="fold")
    for found in told.rounds:
        at = datetime.fromtimestamp(found.at_ms // 1000, UTC).isoformat(" ", "minutes")
        rows = ", ".join(f"{name}: {count}" for name, count in found.rows)
        table.add_row(at, found.analyst, rows, found.request)
    console().print(table if told.rounds else "No round could have counted rows of this person.")
    console().print(f"Rounds over snapshots that are no longer kept: {told.unknown}.")
    for sentence in told.cannot_know:
        console().print(sentence, style="dim")


def _node_home(path: Path) -> Home:
    from engine.errors import BadFile
    from engine.trusted.home import Home

    opened = Home.load(path)
    if opened.role != "node":
        raise BadFile("FILE_HOME_NOT_A_NODE", path=str(path), name=opened.name, role=opened.role)
    return opened


def _sign_pause(home: Path, paused: bool, reason: str, node_home: Path | None, as_json: bool) -> None:
    from engine.cli.decide import hand
    from engine.cli.show import console, print_json
    from engine.errors import require
    from engine.governance.homes import put_into_inbox
    from engine.governance.revocation import pause_record
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    opened = Home.load(home)
    record = pause_record(opened, paused, reason, SystemClock())
    word = "paused" if paused else "resumed"
    node = opened.roster().member(opened.name).department
    if node_home is None:
        hand(opened, record)
        taken = _within(lambda: _says(opened, paused))
    else:
        file = put_into_inbox(Home.load(node_home), record)
        taken = _within(lambda: not file.exists())
        require(not file.with_suffix(".refused").exists(), "POLICY_RECORD_OLD")
    if as_json:
        print_json({"node": node, "paused": paused, "taken": taken})
    elif not taken:
        console().print(f"Signed, but {node} has not said so yet: it is {word} as soon as it takes the record.")
    else:
        console().print(f"{node} is {word}.")
    if not taken:
        raise typer.Exit(5)


def _snapshots(home: Home) -> set[tuple[str, str]]:
    """Dataset and id of what the node answers from. What a node has no file of, or a broken one, it cuts anew; files
    of datasets that it is bound to no more are none of its answers."""
    import json
    from contextlib import suppress

    found = set()
    for bound in home.binding().datasets:
        with suppress(OSError, ValueError, KeyError, TypeError):
            body = (home.path / "snapshots" / f"{bound.dataset}.json").read_bytes()
            found.add((bound.dataset, str(json.loads(body)["snapshot"])))
    return found


def _within(done: Callable[[], bool], seconds: float = TAKEN_SECONDS) -> bool:
    import time

    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(0.1)
    return True


def _says(home: Home, paused: bool) -> bool:
    """Whether the guardian's node says of itself that it is paused, or not."""
    from engine.client.calls import Line

    node, line = home.roster().member(home.name).department, Line(home)
    try:
        return any(state.node == node and state.paused is paused for state in line.describe().nodes)
    finally:
        line.close()


def _become(home: Path, coordinator: str) -> None:
    import os

    from engine.extract.source import require_read
    from engine.trusted.home import Home

    require_read(Home.load(home))
    options = ["--coordinator", coordinator] if coordinator else []
    os.execv(sys.executable, [sys.executable, "-m", "nodes", "--home", str(home), *options])  # noqa: S606
