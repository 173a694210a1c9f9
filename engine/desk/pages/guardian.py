"""The guardian's queue: what waits, each request as it would be signed, and the decision, signed after a last look.

What is signed is the text of ``engine/client/page.py``. The last page before signing shows it whole and sends back its
digest; if the text has changed by then (another guardian decided, the budget moved), nothing is signed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from starlette.responses import Response

from engine.client.page import DELTA, concerns, loss_of, most_of, page_of, sections_of
from engine.client.price import epsilon_words
from engine.client.queue import Queue, Queued, decide, fetch_queue
from engine.desk.desk import Desk
from engine.desk.draft import whole
from engine.desk.form import Form
from engine.desk.page import AUDITOR, GUARDIAN, POLICY_OFFICER, Page
from engine.desk.visit import Visit
from engine.errors import BadFile, Refused, SplittallyError, require
from engine.governance.budget import Balance, balances
from engine.governance.budget_text import account_word, period_words
from engine.trusted import wire
from engine.trusted.join import is_join
from engine.trusted.messages import FederationDescription, RequestState
from engine.trusted.records import Approval, Decision
from engine.trusted.stability import stability_of

MOST_DAYS = 3_660
ENDED = (RequestState.RELEASED, RequestState.EXPIRED, RequestState.REVOKED)
SQL_SECTION = "The same as SQL, before noise"
PROSE = ("What the nodes do", "In the analyst's own words (not checked, and never executed)")


@dataclass(frozen=True, slots=True)
class Row:
    """A request in a list. ``own``: what the person at this desk decided about it."""

    queued: Queued
    body: str
    most: str
    own: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the guardian's node that the request would be charged to; shares of its cap's rho."""

    name: str
    period: str
    spent: float
    after: float


@dataclass(frozen=True, slots=True)
class SignOff:
    """How far a department is. ``wants``: approvals for each plan; None: not known while it is away."""

    node: str
    wants: int | None
    approvals: tuple[Approval, ...]
    refusals: tuple[Approval, ...]
    state: str
    tone: str


FIELDS = {"POLICY_DECISION_MISSING": "approve", "POLICY_REASON_MISSING": "reason"}  # code -> what it is about


@dataclass(frozen=True, slots=True)
class Meant:
    """A decision that is about to be signed."""

    refuse: bool
    reason: str
    days: int | None

    @classmethod
    def read(cls, form: Form) -> Meant:
        """Of a form's fields: no choice is not consent.

        Refused POLICY_DECISION_MISSING; POLICY_REASON_MISSING for a refusal without a reason; BadFile FILE_DESK_FIELD.
        """
        require(form.one("decision") in ("approve", "refuse"), "POLICY_DECISION_MISSING")
        refuse, reason = form.one("decision") == "refuse", " ".join(form.one("reason").split())
        require(not refuse or bool(reason), "POLICY_REASON_MISSING")
        days = whole("days", "days that an approval holds", form.one("days"), MOST_DAYS)
        return cls(refuse, reason if refuse else "", None if refuse else days)


def queue(visit: Visit) -> Response:
    desk = visit.desk
    found = fetch_queue(desk.line(), desk.roster)
    return visit.render("guardian/queue.html", rows=_rows(found, desk), unsound=found.unsound)


def asked(visit: Visit) -> Response:
    """Every request that this person may see, with what became of it."""
    desk, wanted = visit.desk, visit.query.one("state")
    found = fetch_queue(desk.line(), desk.roster, everything=True)
    rows = _rows(found, desk)
    states = sorted({row.queued.status.state for row in rows}, key=lambda state: state.value)
    shown = tuple(row for row in rows if wanted in ("", row.queued.status.state.name))
    return visit.render("guardian/asked.html", rows=shown, states=states, wanted=wanted, unsound=found.unsound)


def request(visit: Visit) -> Response:
    return _request(visit)


def confirm(visit: Visit) -> Response:
    """The last page before signing; nothing is changed by looking at it."""
    desk, queued = visit.desk, _queued(visit)
    try:
        meant = Meant.read(visit.query)
    except (Refused, BadFile) as error:
        field = FIELDS.get(error.code, "days")
        return _request(visit, error=error, error_field=field, filled=visit.query)
    return _confirm(visit, queued, meant, page_of(queued, desk.roster, _balances(desk)))


def sign(visit: Visit) -> Response:
    """Signs what was shown, and hands it to the coordinator."""
    desk, queued = visit.desk, _queued(visit)
    meant = Meant.read(visit.form)
    page = page_of(queued, desk.roster, _balances(desk))
    if _signed_before(queued, meant, desk.home.name, visit.form.one("shown")):
        said = "Your decision was signed and handed in already, by the first press of the button."
        return visit.go(f"/queue/{queued.digest.hex()}", said)
    try:
        require(visit.form.one("shown") == wire.digest(page.encode()).hex(), "APPROVAL_SHOWN_OTHER")
        record = decide(queued, desk.home, desk.clock, page, meant.days, meant.reason)
        desk.line().hand(record)
    except SplittallyError as error:
        return _confirm(visit, queued, meant, page, error=error)
    word = "refused" if meant.refuse else "approved"
    others = [name for name in queued.status.waiting_for if name != desk.home.name]
    waits = f" It waits for {', '.join(others)} too." if others and not meant.refuse else ""
    notice = f"You {word} the request {queued.digest.hex()[:12]}; the decision is signed and handed in.{waits}"
    return visit.go(f"/queue/{queued.digest.hex()}", notice)


def _signed_before(queued: Queued, meant: Meant, name: str, shown: str) -> bool:
    """Whether the newest decision of this guardian is the same one, on the very page that was shown."""
    own = [d for d in queued.decisions if d.guardian == name]
    wanted = Decision.REFUSED if meant.refuse else Decision.APPROVED
    return bool(own) and (own[-1].shown_digest.hex(), own[-1].decision) == (shown, wanted)


def _request(visit: Visit, **shown: object) -> Response:
    desk, queued = visit.desk, _queued(visit)
    described = desk.describe()
    sign_offs = tuple(_sign_offs(desk, queued, described))
    own = [d for d in queued.decisions if d.guardian == desk.home.name]
    given: dict[str, object] = {"filled": Form(), "error_field": "", **shown}
    return visit.render(
        "guardian/request.html",
        queued=queued,
        request=queued.request,
        sections=sections_of(queued, desk.roster, _balances(desk)),
        code_section=SQL_SECTION,
        prose=PROSE,
        one=epsilon_words(loss_of(queued.request), DELTA),
        most=epsilon_words(most_of(queued.request), DELTA),
        asker=desk.roster.member(queued.request.analyst),
        accounts=_accounts(desk, queued),
        sign_offs=sign_offs,
        may_decide=_may_decide(desk, queued, sign_offs),
        own=own[-1] if own else None,
        **given,
    )


def _confirm(visit: Visit, queued: Queued, meant: Meant, page: str, **shown: object) -> Response:
    return visit.render(
        "guardian/confirm.html",
        queued=queued,
        meant=meant,
        page=page,
        digest=wire.digest(page.encode()).hex(),
        department=visit.desk.roster.member(visit.desk.home.name).department,
        **shown,
    )


def _queued(visit: Visit) -> Queued:
    desk = visit.desk
    return fetch_queue(desk.line(), desk.roster, everything=True).find(visit.path["request"])


def _rows(found: Queue, desk: Desk) -> tuple[Row, ...]:
    return tuple(
        Row(
            queued,
            desk.roster.member(queued.request.analyst).body,
            epsilon_words(most_of(queued.request), DELTA),
            _own_word(queued.decisions, desk.home.name),
        )
        for queued in found.requests
    )


def _own_word(decisions: Sequence[Approval], name: str) -> str:
    own = [d.decision for d in decisions if d.guardian == name]
    return {Decision.APPROVED: "you approved", Decision.REFUSED: "you refused"}[own[-1]] if own else ""


def _may_decide(desk: Desk, queued: Queued, sign_offs: Sequence[SignOff]) -> bool:
    """Whether a decision can still matter; the coordinator and the nodes judge it for themselves."""
    if desk.role != "guardian" or queued.status.state in ENDED or queued.request.analyst == desk.home.name:
        return False
    return desk.roster.member(desk.home.name).department in {one.node for one in sign_offs}


def _sign_offs(desk: Desk, queued: Queued, described: FederationDescription) -> Iterator[SignOff]:
    """Of each host: guardians count once each, by their newest decision. A private join wants one of each owner's at
    least, whatever its node says."""
    least = 1 if is_join(queued.plan.aggregate) else 0
    wanted = {state.node: max(state.guardians, least) for state in described.nodes}
    newest = {d.guardian: d for d in queued.decisions}
    for node in stability_of(queued.plan.aggregate.input, desk.manifest.catalogue).hosts:
        own = [d for d in newest.values() if d.node == node]
        yes = tuple(d for d in own if d.decision is Decision.APPROVED and d.expires_ms > desk.clock.now_ms())
        no = tuple(d for d in own if d.decision is Decision.REFUSED)
        wants = wanted.get(node)
        state, tone = f"{len(yes)} of {wants} approvals", "wait"
        if no:
            state, tone = "refused", "bad"
        elif wants is None:
            state, tone = "away: not known how many it wants", "plain"
        elif wants == 0:
            state, tone = "approves inside the agreement", "good"
        elif len(yes) >= wants:
            state, tone = f"approved, {len(yes)} of {wants}", "good"
        yield SignOff(node, wants, yes, no, state, tone)


def _balances(desk: Desk) -> tuple[Balance, ...] | None:
    return None if desk.node_home is None else balances(desk.node_home, desk.clock)


def _accounts(desk: Desk, queued: Queued) -> tuple[Account, ...]:
    most, catalogue = most_of(queued.request).rho_billionths, desk.manifest.catalogue
    return tuple(
        Account(
            f"{account_word(b.scope)} {b.name}",
            period_words(b),
            float(Fraction(b.spent.rho_billionths, b.cap.rho_billionths)),
            float(Fraction(b.spent.rho_billionths + most, b.cap.rho_billionths)),
        )
        for b in _balances(desk) or ()
        if b.cap is not None and b.cap.rho_billionths and concerns(b, queued, catalogue)
    )


PAGES = (
    Page("/queue", queue, GUARDIAN, menu="Requests", about="What waits for your decision."),
    Page(
        "/asked",
        asked,
        GUARDIAN | POLICY_OFFICER | AUDITOR,
        menu="All requests",
        about="What was asked, by whom, why, and what became of it.",
    ),
    Page("/queue/{request}", request, GUARDIAN | POLICY_OFFICER | AUDITOR, example="/queue/00"),
    Page("/queue/{request}/confirm", confirm, GUARDIAN, example="/queue/00/confirm"),
    Page("/queue/{request}/sign", sign, GUARDIAN, post=True, example="/queue/00/sign"),
)
