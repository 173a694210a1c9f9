"""``splittally federation apply | join | rotate``: what a member does on its own machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from engine.trusted.records import SignedRecord

MemberHome = Annotated[Path, typer.Option("--home", metavar="DIR", help="The member's home.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Default: NAME.application in this folder.")]


def apply(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Where the home goes; must not hold one yet.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="The member's name: letters, digits and hyphens.")],
    role: Annotated[str, typer.Option(metavar="ROLE", help="node, helper, analyst, guardian, policy_officer, ...")],
    body: Annotated[str, typer.Option(metavar="BODY", help="The organisation.")],
    department: Annotated[str, typer.Option(metavar="NODE", help="A guardian's node.")] = "",
    federation: Annotated[str, typer.Option(metavar="NAME", help="Apply to this federation only.")] = "",
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where a coordinator listens.")] = "",
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Draw a member's keys into a home of its own, and write an application to be carried to the root.

    The application holds public keys only. Read its fingerprint to the root's owner by another way, such as by phone.
    """
    from engine.governance.application import apply as make
    from engine.trusted.clock import SystemClock
    from engine.trusted.random import SystemRandomness

    record = make(
        home,
        name,
        role,
        body,
        clock=SystemClock(),
        randomness=SystemRandomness(),
        department=department,
        federation=federation,
        listen=listen,
    )
    _written(record, out or Path(f"{name}.application"), as_json)


def rotate(home: MemberHome, out: Out = None, as_json: Json = False) -> None:
    """Draw a member's next keys and write an application for them, signed with the old key too.

    The old keys serve until the next manifest names the new ones and this home joins with it.
    """
    from engine.governance.application import renew
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home
    from engine.trusted.random import SystemRandomness

    opened = Home.load(home)
    record = renew(opened, SystemClock(), SystemRandomness())
    _written(record, out or Path(f"{opened.name}.application"), as_json)


def join(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="A welcome, manifests, or both.")],
    home: MemberHome,
    fingerprint: Annotated[
        str, typer.Option(metavar="HEX", help="Of the root keys, as the federation told you; asks if left out.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Pin the root keys that come without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Verify and install what the root gave back; the first time, pin the root keys once you agree to them."""
    from engine.cli.show import agreed, console, print_json
    from engine.governance.welcome import join as install
    from engine.governance.welcome import read_any
    from engine.trusted.home import Home

    def agree(found: str) -> bool:
        if fingerprint:
            return "".join(fingerprint.lower().replace(":", " ").split()) == found.replace(" ", "")
        console(error=True).print(f"Root keys of the federation: {found}")
        return yes or agreed("Is that the fingerprint the federation gave you?")

    opened = Home.load(home)
    held = opened.manifest().catalogue if (opened.path / "federation.manifest").exists() else None
    manifest = install(opened, [read_any(file) for file in files], agree)
    if as_json:
        print_json({"federation": manifest.federation, "epoch": manifest.epoch})
        return
    console().print(f"{manifest.federation}, epoch {manifest.epoch}: installed in {home}")
    if opened.role == "node" and held != manifest.catalogue:
        console().print("The catalogue is new here: write node.toml for it, then run `splittally node prepare`.")


def _written(record: SignedRecord, target: Path, as_json: bool) -> None:
    from engine.cli.show import console, print_json
    from engine.governance.application import fingerprint_of
    from engine.trusted.records import Application
    from engine.trusted.sign import decoded
    from engine.trusted.wire import encode

    target.write_bytes(encode(record))
    member = decoded(record, record.kind, Application).member
    if as_json:
        print_json({"file": str(target), "name": member.name, "fingerprint": fingerprint_of(member)})
        return
    console().print(f"{target}: keys {fingerprint_of(member)}")
    console().print("Carry it to the federation's root, and read the fingerprint to its owner by another way.")
