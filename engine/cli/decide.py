"""``splittally approve``, ``revoke`` and ``withdraw``: what people sign about a request or an agreement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import ANALYST_HOME, HOMES, AnalystHome, Json

if TYPE_CHECKING:
    from engine.client.queue import Queued
    from engine.governance.budget import Balance
    from engine.trusted.home import Home
    from engine.trusted.records import SignedRecord

_Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking.")]
_Reason = Annotated[str, typer.Option(help="Why; it is kept and shown.")]


def approve(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="Its id, or at least six letters of its start.")],
    home: Annotated[
        Path,
        typer.Option(metavar="DIR", help="The guardian's home; default: ~/.splittally/guardian.", show_default=False),
    ] = HOMES / "guardian",
    refuse: Annotated[bool, typer.Option("--refuse", help="Refuse it; needs --reason.")] = False,
    reason: _Reason = "",
    days: Annotated[
        int | None, typer.Option(min=1, max=3660, help="How long the approval holds; default: as the request.")
    ] = None,
    node_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your node's home, to show what is left of its budget.")
    ] = None,
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """Show a request as it would be signed, ask, and sign the decision: yes, or with --refuse no.

    The signature covers the request and the page shown. A later decision of the same guardian replaces this one.
    """
    from engine.cli.requests import queue_of
    from engine.cli.show import console, print_json
    from engine.client.page import page_of
    from engine.client.queue import decide
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home
    from engine.trusted.wire import digest

    if refuse != bool(reason.strip()):
        raise typer.BadParameter("--refuse and --reason go together: a refusal says why, an approval needs no reason")
    opened, clock = Home.load(home), SystemClock()
    queued = queue_of(opened, everything=True).find(request)
    page = page_of(queued, opened.roster(), _balances(node_home))
    console(error=as_json).print(page)
    if not yes and not _asked(f"{'Refuse' if refuse else 'Approve'} this as {opened.name}?"):
        raise typer.Exit(2)
    record = decide(queued, opened, clock, page, days, reason)
    hand(opened, record)
    if as_json:
        said = {"request": queued.digest.hex(), "decision": "refused" if refuse else "approved", "reason": reason}
        print_json({**said, "shown": digest(page.encode()).hex(), "record": digest(record.payload).hex()})
    else:
        console().print(f"{'Refused' if refuse else 'Approved'}: {queued.digest.hex()}{_left(queued, opened, refuse)}")


def revoke(
    agreement: Annotated[
        str,
        typer.Argument(metavar="AGREEMENT", help="Its name or the start of its digest."),
    ],
    reason: Annotated[str, typer.Option(help="Why; it is kept and shown.")],
    home: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="A policy officer's or guardian's home; default: ~/.splittally/policy.",
            show_default=False,
        ),
    ] = HOMES / "policy",
    node_home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Your node's home: it gets the record first, by its inbox.")
    ] = None,
    yes: _Yes = False,
    as_json: Json = False,
) -> None:
    """End an agreement for good: nothing runs under it any more, and no answer is given again."""
    from engine.cli.show import console, print_json
    from engine.client.papers import find_agreement
    from engine.governance.homes import put_into_inbox
    from engine.governance.letters import plain
    from engine.governance.revocation import revocation_record
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    opened = Home.load(home)
    if node_home is not None and re.fullmatch("[0-9a-f]{64}", agreement):
        digest, name = bytes.fromhex(agreement), agreement  # one that came over the line, named by its whole digest
    else:
        held = _agreements(opened) if node_home is None else Home.load(node_home).agreements()
        digest, found = find_agreement(held, opened, agreement)
        name = found.name
        console(error=as_json).print(f"{plain(name)}, edition {found.edition}: {plain(found.title)}")
    if not yes and not _asked("End it for good? This cannot be taken back."):
        raise typer.Exit(2)
    record = revocation_record(opened, digest, reason, SystemClock())
    if node_home is not None:
        file = put_into_inbox(Home.load(node_home), record)
        console(error=as_json).print(f"{file}; the node takes it within a second.")
    hand(opened, record)
    if as_json:
        print_json({"agreement": name, "digest": digest.hex(), "revoked": True})
    else:
        console().print(f"{plain(name)} ({digest.hex()[:12]}) is revoked.")


def withdraw(
    request: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The request id that `submit` printed.")],
    home: AnalystHome = ANALYST_HOME,
    reason: _Reason = "",
    as_json: Json = False,
) -> None:
    """Take a request back before it is answered; what an open round has charged stays charged."""
    from engine.cli.show import console, print_json
    from engine.errors import Refused
    from engine.governance.revocation import withdrawal_record
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    try:
        digest = bytes.fromhex(request)
    except ValueError:
        raise Refused("POLICY_REQUEST_UNKNOWN") from None
    opened = Home.load(home)
    hand(opened, withdrawal_record(opened, digest, reason, SystemClock()))
    if as_json:
        print_json({"request": request, "withdrawn": True})
    else:
        console().print(f"Withdrawn: {request}")


def _agreements(home: Home) -> tuple[SignedRecord, ...]:
    from engine.client.calls import Line

    line = Line(home)
    try:
        return line.describe().agreements
    finally:
        line.close()


def hand(home: Home, record: SignedRecord) -> None:
    """Gives a record to the coordinator."""
    from engine.client.calls import Line

    line = Line(home)
    try:
        line.hand(record)
    finally:
        line.close()


def _asked(question: str) -> bool:
    """Whether a person says yes; nobody there is a no."""
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        typer.echo("Nothing was signed; --yes signs without asking.", err=True)
        return False


def _balances(node_home: Path | None) -> tuple[Balance, ...] | None:
    from engine.governance.budget import balances
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    return None if node_home is None else balances(Home.load(node_home), SystemClock())


def _left(queued: Queued, home: Home, refuse: bool) -> str:
    """Who else has to decide."""
    others = [name for name in queued.status.waiting_for if name != home.name]
    return f"; it waited for {', '.join(others)} too" if others and not refuse else ""
