"""``splittally submit``, ``watch`` and ``result``: an analyst's questions to a running federation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import ANALYST_HOME, DELTA, EPSILON, AnalystHome, Delta, Epsilon, Json, NMin

if TYPE_CHECKING:
    from engine.client.release import Release

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
    runs: Annotated[
        int, typer.Option(min=1, max=1000, help="How often it is answered, each time from new snapshots of all nodes.")
    ] = 1,
    valid_days: Annotated[int, typer.Option(min=1, max=3660, help="How long the signed request is valid.")] = 1,
    wait: _Wait = 60.0,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Hand it in and leave; `result` shows the answer.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sign a statement, hand it in, and show the answer when there is one (exit 4 or 5 when there is none yet)."""
    import sys

    from engine.cli.requests import status_document
    from engine.cli.show import print_json, progress
    from engine.client.session import connect
    from engine.client.states import require_nobody_awaited, status_words

    statement = sys.stdin.read() if sql == "-" else sql
    with connect(home) as session, progress() as report:
        query = session.query(statement, agreement, epsilon, delta, n_min, purpose, runs, valid_days)
        sys.stderr.write(f"{query.cost_words()}\n")
        report("submitting")
        request = query.submit()
        sys.stderr.write(f"request id {request}\n")
        if no_wait:
            status = next(session.watch(request))
            if as_json:
                print_json(status_document(status))
            session.check_ended_well(status)
            return require_nobody_awaited(status, session.home.name)
        release = query.wait(wait, lambda status: report(status_words(status)))
    return _show(release, as_json)


def watch(
    request: _Request,
    home: AnalystHome = ANALYST_HOME,
    wait: _Wait = 600.0,
    as_json: Json = False,
) -> None:
    """Follow a request until it ends, one line a change; exits with the status of its refusal, if it is refused."""
    from engine.cli.requests import status_document
    from engine.cli.show import console, print_json
    from engine.client.session import connect
    from engine.client.states import named_if_late, status_words

    with connect(home) as session, named_if_late(session.home.name) as latest:
        for status in session.watch(request, wait):
            latest.append(status)
            if as_json:
                print_json(status_document(status), indent=None)
            else:
                console().print(status_words(status))
            session.check_ended_well(status)


def result(
    request: _Request,
    home: AnalystHome = ANALYST_HOME,
    run: Annotated[int, typer.Option(min=0, help="Of a standing request; 0: the newest.")] = 0,
    as_json: Json = False,
) -> None:
    """Show the answer of a request, now or as long after its release as the agreement stands; always free."""
    from engine.client.session import connect

    with connect(home) as session:
        release = session.result(request, run)
    _show(release, as_json)


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
