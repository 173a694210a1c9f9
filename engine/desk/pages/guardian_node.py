"""A guardian's own department: how its node is, what is spent, the stop switch, and a person's own question."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from starlette.responses import Response

from engine.desk.desk import Desk
from engine.desk.page import GUARDIAN, Page
from engine.desk.visit import Visit
from engine.errors import Refused, SplittallyError, Unavailable
from engine.governance.budget import NEW_PERIOD, Balance, balances, totals
from engine.governance.budget_text import FOOTNOTE, account_word, figure, period_words, total_sentence
from engine.governance.homes import put_into_inbox
from engine.governance.journal_file import summary
from engine.governance.revocation import pause_record
from engine.governance.subjects import ask_node
from engine.trusted import wire
from engine.trusted.messages import FederationDescription, NodeState
from engine.trusted.records import JournalEntry, JournalKind, Participant, SignedRecord

NEWEST = 12  # entries of the node's journal that the page shows
KINDS = (
    JournalKind.PAUSED,
    JournalKind.RESUMED,
    JournalKind.AGREEMENT_STORED,
    JournalKind.AGREEMENT_REVOKED,
    JournalKind.CHARGED,
    JournalKind.ROUND_REFUSED,
    JournalKind.MANIFEST_STORED,
    JournalKind.SNAPSHOT_TAKEN,
)


@dataclass(frozen=True, slots=True)
class Account:
    """A line of the node's ledger; ``share``: spent of the cap's rho, None without a cap."""

    name: str
    period: str
    spent: str
    cap: str
    share: float | None
    refreshes_ms: int


def node(visit: Visit) -> Response:
    return _node(visit)


def confirm(visit: Visit) -> Response:
    """The last page before the stop switch is turned."""
    pausing, reason = visit.query.one("action") != "resume", " ".join(visit.query.one("reason").split())
    if not reason:
        return _node(visit, error=Refused("POLICY_REASON_MISSING"), error_field="reason")
    return _confirm(visit, pausing, reason)


def sign(visit: Visit) -> Response:
    """Signs the pause, or its end; the node's own inbox first, if it is on this machine."""
    desk, pausing = visit.desk, visit.form.one("action") != "resume"
    reason = visit.form.one("reason")
    try:
        record = pause_record(desk.home, pausing, reason, desk.clock)
        where = _deliver(desk, record)
    except SplittallyError as error:
        return _confirm(visit, pausing, reason, error=error)
    word = "paused" if pausing else "resumed"
    return visit.go("/node", f"Signed and given to {where}. {department(desk)} is {word} as soon as it has the record.")


def subjects(visit: Visit) -> Response:
    return visit.render("guardian/subjects.html", told=None)


def tell(visit: Visit) -> Response:
    """The answer itself, on no address of its own: neither the id nor what was found is kept anywhere."""
    home = visit.desk.node_home
    person = visit.form.one("person")
    if home is None or not person:
        return visit.go("/subjects")
    try:
        told = ask_node(home, person)
    except SplittallyError as error:
        return visit.render("guardian/subjects.html", told=None, error=error)
    return visit.render("guardian/subjects.html", told=told)


def department(desk: Desk) -> str:
    """The node that the guardian answers for."""
    return desk.roster.member(desk.home.name).department


def _deliver(desk: Desk, record: SignedRecord) -> str:
    """Where the record went. With the node's home at hand, a coordinator that is away does not matter."""
    if desk.node_home is None:
        desk.line().hand(record)
        return "the coordinator"
    put_into_inbox(desk.node_home, record)
    with suppress(Unavailable):
        desk.line().hand(record)
        return "the node and the coordinator"
    return "the node (the coordinator does not answer)"


def _node(visit: Visit, **shown: object) -> Response:
    desk, described, unreached = visit.desk, None, None
    try:
        described = desk.describe()
    except Unavailable as error:
        unreached = error
    state, attends = _state(desk, described)
    entries, journal_error = _entries(desk, described)
    given: dict[str, object] = {"error_field": "", **shown}
    found = None if desk.node_home is None else balances(desk.node_home, desk.clock)
    return visit.render(
        "guardian/node.html",
        node=department(desk),
        state=state,
        attends=attends,
        unreached=unreached,
        accounts=None if found is None else tuple(map(_account, found)),
        sentences=_sentences(desk, found),
        entries=[e for e in reversed(entries) if e.kind in KINDS][:NEWEST],
        told=summary(entries),
        journal_error=journal_error,
        new_period=NEW_PERIOD,
        footnote=FOOTNOTE,
        guardians=[m.name for m in desk.manifest.members if m.department == department(desk)],
        **given,
    )


def _confirm(visit: Visit, pausing: bool, reason: str, **shown: object) -> Response:
    name = department(visit.desk)
    return visit.render("guardian/pause.html", node=name, pausing=pausing, reason=reason, **shown)


def _state(desk: Desk, described: FederationDescription | None) -> tuple[NodeState | None, Participant | None]:
    """What the coordinator says of the node, and its snapshots; None each if it is not connected."""
    if described is None:
        return None, None
    name = department(desk)
    attends = next((p for p in described.connected if p.node == name), None)
    return next((s for s in described.nodes if s.node == name), None), attends


def _entries(
    desk: Desk, described: FederationDescription | None
) -> tuple[tuple[JournalEntry, ...], SplittallyError | None]:
    """The node's journal as the coordinator collected it, for a look; auditors verify it."""
    if described is None:
        return (), None
    try:
        _, entries = desk.session().line.journal(department(desk))
        return tuple(wire.decode(JournalEntry, entry) for entry in entries), None
    except SplittallyError as error:
        return (), error


def _account(balance: Balance) -> Account:
    cap = balance.cap
    share = balance.spent.rho_billionths / cap.rho_billionths if cap and cap.rho_billionths else None
    return Account(
        f"{account_word(balance.scope)} {balance.name}",
        period_words(balance),
        figure(balance.spent),
        figure(cap) if cap else "no limit",
        share,
        balance.refreshes_ms,
    )


def _sentences(desk: Desk, found: tuple[Balance, ...] | None) -> tuple[str, ...]:
    if found is None or desk.node_home is None:
        return ()
    return tuple(total_sentence(t) for t in totals(found, desk.manifest.catalogue, desk.node_home.name))


PAGES = (
    Page("/node", node, GUARDIAN, menu="My department", about="Its node, its budget, and the stop switch."),
    Page("/node/confirm", confirm, GUARDIAN, example="/node/confirm?action=pause&reason=an+audit"),
    Page("/node/sign", sign, GUARDIAN, post=True),
    Page("/subjects", subjects, GUARDIAN),
    Page("/subjects/tell", tell, GUARDIAN, post=True),
)
