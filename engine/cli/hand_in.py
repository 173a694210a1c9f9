"""``splittally hand-in``: gives a signed file to those who act upon it, the coordinator or one's own node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json


def hand_in(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Signed: .agreement, federation.manifest, .record; in this order."),
    ],
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your home: goes to the coordinator, and by it to all members.")
    ] = None,
    node_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your node's home: goes to this node, without the coordinator.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hand in agreements, manifests and other signed records; they take effect at once, without a restart.

    Whoever receives one verifies it. Handed in again, it changes nothing.
    """
    from engine.cli.decide import hand
    from engine.cli.show import console, print_json
    from engine.governance.homes import put_into_inbox
    from engine.governance.manifests import read_signed
    from engine.trusted.home import Home
    from engine.trusted.wire import digest

    if home is None and node_home is None:
        raise typer.BadParameter("give --home, --node-home, or both")
    opened, records = Home.load(home) if home else None, [(file, read_signed(file)) for file in files]
    taken = []
    for file, record in records:
        if node_home is not None:
            put_into_inbox(Home.load(node_home), record)
        if opened is not None:
            hand(opened, record)
        kind = record.kind.name.lower().replace("_", " ")
        taken.append({"file": str(file), "kind": kind, "digest": digest(record.payload).hex()})
    if as_json:
        print_json(taken)
        return
    for one in taken:
        console().print(f"{one['file']}: {one['kind']} {one['digest'][:12]} handed in", soft_wrap=True)
    if node_home is not None:
        console().print("The node takes what lies in its inbox within a second; what it refuses ends in .refused.")
