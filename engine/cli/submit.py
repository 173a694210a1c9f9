"""``splittally submit``, ``watch``, ``result`` and ``requests``: an analyst's questions to a running federation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import ANALYST_HOME, DELTA, EPSILON, AnalystHome, Delta, Epsilon, Json, NMin

if TYPE_CHECKING:
    from engine.client.release import Release
    from engine.trusted.messages import RequestStatus

_Request = Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The request id that `submit` printed.")]
_Wait = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the answer.")]


def submit(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="The statement; - reads it from standard input.")],
    home: AnalystHome = ANALYST_HOME,
    epsilon: Epsilon = EPSILON,
    delta: Delta = DELTA,
    agreement: Annotated[str | None, typer.Option(help="Its name, or the start of its digest.")] = None,
    n_min: NMin = None,
    purpose: Annotated[str, typer.Option(help="Why this is asked, for the record.")] = "",
    wait: _Wait = 60.0,
    as_json: Json = False,
) -> None:
    """Sign a statement, hand it in, and show the answer when there is one (exit 4 or 5 when there is none yet)."""
    import sys

    from engine.cli.show import progress
    from engine.client.session import connect

    statement = sys.stdin.read() if sql == "-" else sql
    with connect(home) as session, progress() as report:
        query = session.query(statement, agreement, epsilon, delta, n_min, purpose)
        report("submitting")
        request = query.submit()
        sys.stderr.write(f"request id {request}\n")
        release = query.wait(wait, lambda status: report(_words(status)))
    _show(release, as_json)


def watch(
    request: _Request,
    home: AnalystHome = ANALYST_HOME,
    wait: _Wait = 600.0,
    as_json: Json = False,
) -> None:
    """Follow a request until it ends, one line a change; exits with the status of its refusal, if it is refused."""
    from engine.cli.show import console, print_json
    from engine.client.session import connect
    from engine.client.states import check_ended_well

    with connect(home) as session:
        for status in session.watch(request, wait):
            if as_json:
                print_json(_document(status), indent=None)
            else:
                console().print(_words(status))
            check_ended_well(status)


def result(request: _Request, home: AnalystHome = ANALYST_HOME, as_json: Json = False) -> None:
    """Show the answer of a request, now or long after it was released; always free."""
    from engine.client.session import connect

    with connect(home) as session:
        release = session.result(request)
    _show(release, as_json)


def requests(
    home: AnalystHome = ANALYST_HOME,
    most: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List this analyst's requests, newest first."""
    from engine.cli.show import console, new_table, print_json
    from engine.client.session import connect
    from engine.client.states import state_word

    with connect(home) as session:
        found = session.requests(most)
    if as_json:
        print_json([_document(status) for status in found])
        return
    table = new_table()
    for heading in ("changed", "request id", "state"):
        table.add_column(heading, overflow="fold")
    for status in found:
        state = f"{state_word(status.state)} {status.code}".strip()
        table.add_row(_time(status.changed_ms), status.request_digest.hex(), state)
    console().print(table)


def _show(release: Release, as_json: bool) -> None:
    from engine.cli.show import answer_json, answer_table, console, footer, print_json

    if as_json:
        document = answer_json(release.answer, release.survivors, release.cost)
        print_json({"request": release.request_id, **document})
        return
    shown = console()
    shown.print(answer_table(release.answer))
    for note in release.answer.notes:
        shown.print(f"Note: {note}", style="dim")
    shown.print(footer(release.survivors, release.cost))


def _words(status: RequestStatus) -> str:
    from engine.client.states import state_word

    waiting = f" for {', '.join(status.waiting_for)}" if status.waiting_for else ""
    replied = f", {len(status.replied)} of {len(status.participants)} replied" if status.participants else ""
    return f"{state_word(status.state)}{waiting}{replied}{' ' + status.code if status.code else ''}"


def _document(status: RequestStatus) -> dict[str, object]:
    from engine.client.states import state_word

    return {
        "request": status.request_digest.hex(),
        "state": state_word(status.state),
        "code": status.code,
        "waiting_for": list(status.waiting_for),
        "attempt": status.attempt,
        "nodes": list(status.participants),
        "replied": list(status.replied),
        "changed": _time(status.changed_ms),
    }


def _time(ms: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(ms // 1000, UTC).isoformat().replace("+00:00", "Z")
