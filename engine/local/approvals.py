"""What nobody else can do in a throw-away federation: its guardians approve a private join, by the keys made for them.

The path is that of any guardian: the queue is fetched and verified, the page made from the plan, the decision signed
over both and handed in. Whoever owns all the files has read the statement: it is their own.
"""

from __future__ import annotations

from engine.client.calls import Line
from engine.client.page import page_of
from engine.client.query import Query
from engine.client.queue import decide, fetch_queue
from engine.client.release import Release
from engine.local.federation import LocalFederation
from engine.trusted.home import Home
from engine.trusted.records import Role


def answered(local: LocalFederation, query: Query) -> Release:
    """The release of a question, which the owners' guardians approve if it is a private join."""
    request = query.submit()
    if query.joins:
        local.progress("approving the plan for both owners")
        approve(local, request)
        local.progress("asking the nodes")
    return query.wait()


def approve(local: LocalFederation, request: str) -> None:
    """Every guardian for whom the request waits says yes to it."""
    for name in local.federation.names(Role.GUARDIAN):
        home = Home.load(local.federation.home(name))
        line = Line(home)
        try:
            for queued in fetch_queue(line, home.roster()).requests:
                if queued.digest.hex() == request and name in queued.status.waiting_for:
                    line.hand(decide(queued, home, local.clock, page_of(queued, home.roster()), None))
        finally:
            line.close()
