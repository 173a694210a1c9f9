"""``splittally requests``: an analyst's own requests; for a guardian, officer or auditor, those to decide or to see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import ANALYST_HOME, Json

if TYPE_CHECKING:
    from engine.client.queue import Queue, Queued
    from engine.trusted.home import Home
    from engine.trusted.messages import RequestStatus


def requests(
    home: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Your home; default: ~/.splittally/analyst.", show_default=False),
    ] = ANALYST_HOME,
    everything: Annotated[
        bool, typer.Option("--all", help="Guardians, officers, auditors: also what waits for others or has ended.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List requests, newest first: an analyst's own; a guardian's, those that wait for its decision."""
    from engine.trusted.home import Home
    from engine.trusted.records import Role

    opened = Home.load(home)
    if opened.role == Role.ANALYST.name.lower():
        _show_own(opened, most, as_json)
    else:
        _show_queue(opened, everything, most, as_json)


def _show_own(home: Home, most: int, as_json: bool) -> None:
    from engine.cli.show import console, new_table, print_json
    from engine.client.session import connect

    with connect(home) as session:
        found = session.requests(most)
    if as_json:
        print_json([status_document(status) for status in found])
        return
    table = new_table()
    for heading in ("changed", "request id", "state", "waiting for"):
        table.add_column(heading, overflow="fold")
    for status in found:
        table.add_row(moment(status.changed_ms), status.request_digest.hex(), _state(status), _awaited(status))
    console().print(table)


def _show_queue(home: Home, everything: bool, most: int, as_json: bool) -> None:
    from engine.cli.show import console, new_table, print_json

    queue = queue_of(home, everything)
    if as_json:
        print_json([_queued_document(queued) for queued in queue.requests[:most]])
        return
    if not queue.requests:
        hint = "" if everything else " `--all` shows what waits for others and what has ended."
        console().print(f"Nothing waits for your decision.{hint}")
    else:
        table = new_table()
        for heading in ("received", "request id", "analyst", "agreement", "purpose", "at most", "state", "waiting for"):
            table.add_column(heading, overflow="fold")
        for queued in queue.requests[:most]:
            table.add_row(*_row(queued))
        console().print(table)
        console().print("`splittally approve REQUEST_ID` shows one as you would sign it.", style="dim")
    warn_of_unsound(queue)


def queue_of(home: Home, everything: bool) -> Queue:
    """The verified queue of a home."""
    from engine.client.calls import Line
    from engine.client.queue import fetch_queue

    line = Line(home)
    try:
        return fetch_queue(line, home.roster(), everything)
    finally:
        line.close()


def warn_of_unsound(queue: Queue) -> None:
    """Says it on standard error when the coordinator handed out what nobody signed."""
    if queue.unsound:
        from engine.cli.show import console

        console(error=True).print(
            f"{queue.unsound} further requests could not be verified against this home's federation manifest and are"
            " not shown. Install the current manifest; if they remain, tell the federation's auditors."
        )


def _row(queued: Queued) -> tuple[str, ...]:
    from engine.client.page import DELTA, most_of
    from engine.client.price import epsilon_words
    from engine.governance.letters import plain

    request = queued.request
    who = (request.analyst, plain(queued.agreement.name), plain(request.purpose))
    cost = epsilon_words(most_of(request), DELTA)
    where = _state(queued.status), _awaited(queued.status)
    return (moment(queued.received_ms), queued.digest.hex(), *who, cost, *where)


def _queued_document(queued: Queued) -> dict[str, object]:
    from engine.client.page import loss_of, most_of

    request = queued.request
    return {
        **status_document(queued.status),
        "analyst": request.analyst,
        "agreement": queued.agreement.name,
        "purpose": request.purpose,
        "runs": request.runs,
        "attempt_rho_billionths": loss_of(request).rho_billionths,
        "most_rho_billionths": most_of(request).rho_billionths,
        "received": moment(queued.received_ms),
        "expires": moment(request.expires_ms),
        "decisions": [
            {"guardian": d.guardian, "node": d.node, "decision": d.decision.name.lower(), "reason": d.reason}
            for d in queued.decisions
        ],
    }


def status_document(status: RequestStatus) -> dict[str, object]:
    from engine.client.states import state_word

    return {
        "request": status.request_digest.hex(),
        "state": state_word(status.state),
        "code": status.code,
        "reason": status.reason,
        "waiting_for": list(status.waiting_for),
        "run": status.run,
        "attempt": status.attempt,
        "nodes": list(status.participants),
        "replied": list(status.replied),
        "relayed_bytes": status.relayed_bytes,
        "changed": moment(status.changed_ms),
    }


def _state(status: RequestStatus) -> str:
    from engine.client.states import state_word
    from engine.governance.letters import plain

    return f"{state_word(status.state)} {status.code} {plain(status.reason)}".strip()


def _awaited(status: RequestStatus) -> str:
    from engine.governance.letters import plain

    return ", ".join(map(plain, status.waiting_for))


def moment(ms: int) -> str:
    """A time in UTC, to the second."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms // 1000, UTC).isoformat().replace("+00:00", "Z")
