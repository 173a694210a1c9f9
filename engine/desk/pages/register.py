"""The public register, and what has been spent: made from verified journals whenever somebody looks."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from engine.client.price import times
from engine.desk.page import Page
from engine.desk.registers import Made
from engine.desk.visit import Visit
from engine.errors import Unavailable
from engine.governance.budget import NEW_PERIOD, Balance, Guarantee, Total, balances, guarantee, totals
from engine.governance.register.rows import AccountRow

MEDIA = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html"}
PARTS = (("index.html", "Requests"), ("agreements.html", "Agreements"), ("datasets.html", "Datasets and nodes"))
NO_CAP = -1.0


def _current(visit: Visit, *, again: bool = False) -> Made:
    desk = visit.desk
    return desk.registers.current(desk.home, desk.line(), desk.clock, again=again)


def first(visit: Visit) -> Response:
    """To the register's first page."""
    return visit.go("/register/index.html" if _current(visit).whole else "/register/datasets.html")


def page(visit: Visit) -> Response:
    """A page of the register, or one of its files; only what the register itself names is there."""
    made, place = _current(visit), visit.path["place"]
    body = made.bodies.get(place)
    if body is None:
        found = made.files().get(place) if not place.endswith(".html") else None
        if found is None:
            return visit.nowhere()
        return visit.file(found, place.rpartition("/")[2], MEDIA.get(place.rpartition(".")[2], "text/plain"))
    up = "../" * place.count("/")
    own = dict(PARTS).get(place)
    trail = [("/register", "Register")] if own is None else []
    parts = [(words, up + name, name == place) for name, words in PARTS if name in made.bodies]
    return visit.render("register/page.html", body=body, made=made, parts_of=parts, trail=trail)


def anew(visit: Visit) -> Response:
    _current(visit, again=True)
    return visit.go("/register", "The register was made anew from the journals as they are now.")


@dataclass(frozen=True, slots=True)
class Spent:
    """One account at a node: ``share`` of its cap, NO_CAP without one."""

    row: AccountRow
    share: float

    @property
    def span(self) -> str:
        return f"{self.row.period_days} days, until {self.row.period_ends[:10]}" if self.row.period_days else "for ever"


def spent(visit: Visit) -> Response:
    """Who has lost what: what the rules promise each person, what was charged so far, what is left of each cap."""
    made, unreached = None, None
    try:
        made = _current(visit)
    except Unavailable as error:
        unreached = error
    node = visit.desk.node_home
    own: tuple[Balance, ...] = balances(node, visit.desk.clock) if node else ()
    own_totals: tuple[Total, ...] = totals(own, visit.desk.manifest.catalogue, node.name) if node else ()
    promised: tuple[Guarantee, ...] = guarantee(visit.desk.manifest)
    accounts = [Spent(row, _share(row)) for row in made.register.accounts] if made else []
    return visit.render(
        "register/spent.html",
        made=made,
        unreached=unreached,
        promised=promised,
        persons=made.register.persons if made else (),
        accounts=sorted(accounts, key=lambda one: (-one.share, one.row.node)),
        node=node,
        own=own,
        own_totals=own_totals,
        note=NEW_PERIOD,
        no_cap=NO_CAP,
        times=times,
    )


def _share(row: AccountRow) -> float:
    """The larger part that is spent of the cap's rho and of its delta; a cap of nothing is spent by anything."""
    caps = (row.cap_rho_billionths, row.cap_delta_quintillionths)
    if row.cap_rho_billionths is None:
        return NO_CAP
    parts = zip((row.rho_billionths, row.delta_quintillionths), caps, strict=True)
    return max((used / cap if cap else float(used > 0)) for used, cap in parts)


PAGES = (
    Page("/spent", spent, menu="Privacy spent", about="What was promised to each person, and what is used of it."),
    Page("/register", first, menu="Register", about="Who asked what, why, under which law, at what cost."),
    Page("/register/anew", anew, post=True),
    Page("/register/{place:path}", page, example="/register/datasets.html"),
)
