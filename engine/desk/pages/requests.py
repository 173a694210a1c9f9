"""An analyst's requests: the list, each one live until it ends, its release with figures and files, and comparisons."""

from __future__ import annotations

from starlette.responses import Response

from engine.client.compare import compare
from engine.client.page import DELTA
from engine.client.price import price_lines
from engine.client.release import Release
from engine.desk.chart import drawings
from engine.desk.own import FILES, STEPS, Own, find, kit, newest, request_digest, result
from engine.desk.page import ANALYST, Page
from engine.desk.visit import Visit
from engine.errors import Refused, SplittallyError, Unavailable
from engine.governance.revocation import withdrawal_record
from engine.trusted import wire
from engine.trusted.describe import english, normalised_sql
from engine.trusted.plan import Plan

SHOWN = 200
EXAMPLE = "0" * 64
TRAIL = (("/requests", "Your requests"),)
CHANCE = 0.05


def requests(visit: Visit) -> Response:
    """The newest requests; what was asked stands beside the state where it was asked from this home."""
    try:
        found, error = newest(visit.desk, SHOWN), None
    except Unavailable as unreached:
        found, error = (), unreached
    return visit.render("requests/list.html", requests=found, error=error)


def opened(visit: Visit) -> Response:
    """To the request of an id that was written or handed over, such as one that another analyst shared."""
    digest = request_digest(visit.query.one("id").lower())
    return visit.go(f"/requests/{digest.hex()}")


def request(visit: Visit) -> Response:
    """One request: how far it is, and its release once there is one."""
    found, run = find(visit.desk, visit.path["request"]), _run(visit)
    release, problem = _result(visit, found, run)
    return visit.render(
        "requests/one.html",
        trail=TRAIL,
        own=found,
        steps=STEPS,
        release=release,
        drawings=drawings(release.answer) if release else (),
        problem=problem,
        files=FILES,
        others=_others(visit, found) if release else (),
        readers=_readers(visit, found) if release else (),
        choosing=found.awaits(visit.desk.home.name) and found.asked is not None,
        wording=_wording(visit),
        query=_query(visit, release),
        refresh=visit.query.one("refresh") == "5" and found.under_way,
        **_asked(visit, found),
    )


def _result(visit: Visit, found: Own, run: int) -> tuple[Release | None, SplittallyError | None]:
    """The release, or why there is none; nothing to say while it is still under way and waits for nobody here."""
    session, status = visit.desk.session(), found.status
    if found.under_way and not (status and status.run > 1):
        return None, None
    try:
        return result(session, found.digest.hex(), run, _wording(visit)), None
    except SplittallyError as error:
        return None, error


def _query(visit: Visit, release: Release | None) -> str:
    """What the addresses of a release's files carry on: its run, and by which statement it is shown."""
    parts = [f"run={release.run}"] if release and release.run > 1 else []
    parts += [f"as={visit.query.one('as')}"] if _wording(visit) else []
    return f"?{'&'.join(parts)}" if parts else ""


def _asked(visit: Visit, found: Own) -> dict[str, object]:
    """What the plan says, and what was signed for; empty for a request of another home."""
    if found.asked is None or found.request is None or found.loss is None:
        return {"english": (), "sql": "", "price": ()}
    plan: Plan = wire.decode(Plan, found.asked.submission.plan, wire.PLAN_BYTES)
    catalogue = visit.desk.manifest.catalogue
    try:
        words, sql = english(plan, catalogue).splitlines(), normalised_sql(plan, catalogue)
    except (Refused, KeyError):  # the catalogue has changed since
        words, sql = [], ""
    price = price_lines(found.loss, found.request.max_attempts, found.request.runs, DELTA)
    return {"english": words, "sql": sql, "price": price}


def _others(visit: Visit, found: Own) -> tuple[Own, ...]:
    """Other releases to compare with."""
    try:
        return tuple(one for one in newest(visit.desk, SHOWN) if one.released and one.digest != found.digest)
    except Unavailable:
        return ()


def _readers(visit: Visit, found: Own) -> tuple[str, ...]:
    """Other analysts of the agreement, whom the release can be shared with."""
    if found.agreement is None or found.asked is None or found.asked.shared_by:
        return ()
    return tuple(name for name in found.agreement.analysts if name != visit.desk.home.name)


def _run(visit: Visit) -> int:
    run = visit.query.one("run")
    return int(run) if run.isascii() and run.isdigit() and len(run) < 6 else 0


def _wording(visit: Visit) -> str:
    """Another statement of the same question, that its answer is shown by."""
    return visit.desk.wording(visit.query.one("as"))


def file(visit: Visit) -> Response:
    """A file of a release, to keep; which one says the table of kinds, and nothing else is ever opened."""
    if visit.path["kind"] not in FILES:
        return visit.nowhere()
    _, ending, media_type, body = FILES[visit.path["kind"]]
    name = visit.path["request"]
    made = kit(visit.desk, name, f"Release {request_digest(name).hex()[:12]}", _run(visit), _wording(visit))
    return visit.file(body(made), made.name + ending, media_type)


def choose(visit: Visit) -> Response:
    """The keys of a request between its two phases."""
    digest, session = request_digest(visit.path["request"]), visit.desk.session()
    session.choose(session.archive.asked(digest))
    return visit.go(f"/requests/{digest.hex()}", "The keys are chosen. The departments count now.")


def withdraw(visit: Visit) -> Response:
    desk, digest = visit.desk, request_digest(visit.path["request"])
    desk.line().hand(withdrawal_record(desk.home, digest, visit.form.one("reason"), desk.clock))
    return visit.go(f"/requests/{digest.hex()}", "The request is taken back. What an open round has charged stays so.")


def share(visit: Visit) -> Response:
    reader, digest = visit.form.one("reader"), request_digest(visit.path["request"])
    visit.desk.session().share(digest.hex(), reader)
    return visit.go(f"/requests/{digest.hex()}", f"Shared with {reader}, who can read it free of charge.")


def comparison(visit: Visit) -> Response:
    """Two releases side by side; the second less the first, with what noise alone explains."""
    first, second = visit.query.one("first"), visit.query.one("second")
    try:
        released = tuple(one for one in newest(visit.desk, SHOWN) if one.released)
    except Unavailable:
        released = ()
    shown: dict[str, object] = {"released": released, "first": first, "second": second}
    if not (first and second):
        return visit.render("requests/compare.html", found=None, **shown)
    session = visit.desk.session()
    try:
        request_digest(first), request_digest(second)
        found = compare(session.result(first, choose=False), session.result(second, choose=False))
    except SplittallyError as error:
        return visit.render("requests/compare.html", found=None, error=error, error_field="second", **shown)
    chance = CHANCE * len(found.differences)
    return visit.render("requests/compare.html", found=found, chance=chance, **shown)


PAGES = (
    Page("/requests", requests, ANALYST, menu="Your requests", about="How far each one is, and every answer so far."),
    Page("/requests/open", opened, ANALYST, example=f"/requests/open?id={EXAMPLE}"),
    Page("/requests/{request}", request, ANALYST, example=f"/requests/{EXAMPLE}"),
    Page("/requests/{request}/files/{kind}", file, ANALYST, example=f"/requests/{EXAMPLE}/files/csv"),
    Page("/requests/{request}/choose", choose, ANALYST, post=True, example=f"/requests/{EXAMPLE}/choose"),
    Page("/requests/{request}/withdraw", withdraw, ANALYST, post=True, example=f"/requests/{EXAMPLE}/withdraw"),
    Page("/requests/{request}/share", share, ANALYST, post=True, example=f"/requests/{EXAMPLE}/share"),
    Page("/compare", comparison, ANALYST, menu="Compare", about="Two answers side by side, and what noise explains."),
)
