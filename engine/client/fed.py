"""The federation as tables: ``fed.datasets``, ``fed.columns``, ``fed.cards``, ``fed.budgets``, ``fed.requests``,
``fed.agreements``.

A closed list, made of the signed manifest, of what the coordinator shows this analyst, and of the analyst's own
archive. Dates and times are texts in ISO form, in UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from engine.client.fed_cards import COLUMNS as CARD_COLUMNS
from engine.client.fed_cards import card_rows
from engine.client.fed_select import SCHEMA, FedSelect
from engine.client.standing import in_force
from engine.client.states import state_word
from engine.errors import Refused
from engine.governance.letters import plain
from engine.governance.text import ACCOUNTS, day, delta_for
from engine.trusted import wire
from engine.trusted.catalogue import Bounds, Column
from engine.trusted.epsilon import epsilon_of
from engine.trusted.messages import RequestStatus
from engine.trusted.plan import Type
from engine.trusted.records import AccountScope, Agreement, Loss, Request
from engine.trusted.sign import open_agreement

if TYPE_CHECKING:
    import pyarrow

    from engine.client.session import Session

MOST_REQUESTS = 1_000
Row = Mapping[str, Any]
Rows = Iterator[Row]


@dataclass(frozen=True, slots=True)
class Relation:
    """A table: what it is about, its columns, and its rows as a session sees them now."""

    about: str
    columns: tuple[tuple[str, Type], ...]
    rows: Callable[[Session], Rows]


def columns_of(select: FedSelect) -> tuple[tuple[str, Type], ...]:
    """Names and types of what is selected; Refused SQL_UNKNOWN_DATASET or SQL_UNKNOWN_COLUMN."""
    relation = _relation(select.table)
    kinds = dict(relation.columns)
    for name in (*(i.column for i in select.items), *(c for c, _ in select.where), *(o.column for o in select.order)):
        if name not in kinds:
            meant = f"{SCHEMA}.{select.table} has {', '.join(kinds)}."
            raise Refused("SQL_UNKNOWN_COLUMN", name=plain(name[:40]), meant=meant)
    return tuple((item.name, kinds[item.column]) for item in select.items) or relation.columns


def select(session: Session, asked: FedSelect) -> pyarrow.Table:
    """The rows that a statement selects, as Arrow."""
    from engine.client.arrow import plain_table

    columns = columns_of(asked)
    rows = [row for row in _relation(asked.table).rows(session) if _kept(row, asked)]
    for order in reversed(asked.order):
        known = [row for row in rows if row[order.column] is not None]
        nulls = [row for row in rows if row[order.column] is None]
        rows = [*sorted(known, key=lambda row: row[order.column], reverse=order.descending), *nulls]
    names = tuple(item.column for item in asked.items) or tuple(name for name, _ in columns)
    return plain_table(columns, [tuple(row[name] for name in names) for row in rows[: asked.limit]])


def _kept(row: Row, asked: FedSelect) -> bool:
    return all(row[c] == value and isinstance(row[c], bool) is isinstance(value, bool) for c, value in asked.where)


def _relation(name: str) -> Relation:
    found = TABLES.get(name)
    if found is None:
        known = ", ".join(f"{SCHEMA}.{table}" for table in TABLES)
        raise Refused("SQL_UNKNOWN_DATASET", name=f"{SCHEMA}.{plain(name[:40])}", meant=f"There are {known}.")
    return found


def _datasets(session: Session) -> Rows:
    for d in session.catalogue.datasets:
        yield {
            "name": d.name,
            "title": d.title,
            "about": d.about,
            "hosts": ", ".join(d.hosts),
            "person": d.person.column,
            "identifier": d.person.identifier,
            "overlap": d.overlap,
            "rows_per_person": d.rows_per_person,
            "groups_per_person": d.groups_per_person,
            "placement": d.placement or None,
            "columns": len(d.columns),
        }


def _columns(session: Session) -> Rows:
    for d in session.catalogue.datasets:
        for column in d.columns:
            yield {
                "dataset": d.name,
                "name": column.name,
                "type": column.type.name.lower(),
                "about": column.about,
                "unit": column.unit,
                "nullable": column.nullable,
                "domain": ", ".join(column.domain) or None,
                "low": _end(column, column.bounds and column.bounds.lower),
                "high": _end(column, column.bounds and column.bounds.upper),
                "step": None if column.step is None else float(column.step),
                "is_person": column.name == d.person.column,
            }


def _end(column: Column, end: Fraction | Bounds | None) -> str | None:
    if not isinstance(end, Fraction):
        return None
    if column.type is Type.DATE:
        return day(int(end) * 86_400_000)
    return str(int(end)) if end.denominator == 1 else f"{float(end):g}"


def _budgets(session: Session) -> Rows:
    """The caps that hold for what this analyst asks: at each node, by account and span of time."""
    for cap in session.roster.manifest.rules.caps:
        if cap.scope is AccountScope.ANALYST_ACCOUNT and cap.name not in ("", session.home.name):
            continue
        if cap.period_days and cap.period is not None:
            yield _budget(ACCOUNTS[cap.scope], cap.name, f"{cap.period_days} days", cap.period)
        yield _budget(ACCOUNTS[cap.scope], cap.name, "lifetime", cap.lifetime)
    for agreement, _, _ in _known_agreements(session):
        yield _budget("agreement", agreement.name, f"edition {agreement.edition}", agreement.budget)
        yield _budget("agreement", agreement.name, "one plan", agreement.per_plan)


def _budget(account: str, name: str, span: str, loss: Loss) -> Row:
    epsilon, delta = _meaning(loss)
    exact = {"rho_billionths": loss.rho_billionths, "delta_quintillionths": loss.delta_quintillionths}
    return {"account": account, "name": plain(name) or None, "span": span, "epsilon": epsilon, "delta": delta, **exact}


def _meaning(loss: Loss) -> tuple[float | None, float | None]:
    """Epsilon and the delta it holds at; none where a cap promises nothing."""
    delta = delta_for(loss)
    return (float(epsilon_of(loss, delta)), float(delta)) if delta < 1 else (None, None)


def _requests(session: Session) -> Rows:
    """Newest first; what was asked is known of requests that this home submitted."""
    for status in session.requests(MOST_REQUESTS):
        yield {
            "request": status.request_digest.hex(),
            "state": state_word(status.state),
            "code": status.code or None,
            "reason": plain(status.reason) or None,
            "waiting_for": ", ".join(map(plain, status.waiting_for)) or None,
            "run": status.run,
            "attempt": status.attempt,
            "nodes": ", ".join(status.participants) or None,
            "replied": len(status.replied),
            "changed": _moment(status.changed_ms),
            **_asked(session, status),
        }


def _asked(session: Session, status: RequestStatus) -> Row:
    if not session.archive.holds(status.request_digest):
        return dict.fromkeys(("agreement", "epsilon", "delta", "purpose", "sql"))
    asked = session.archive.asked(status.request_digest)
    agreement: Agreement = wire.decode(Agreement, asked.agreement.payload)
    request: Request = wire.decode(Request, asked.submission.request.payload)
    return {
        "agreement": agreement.name,
        "epsilon": float(asked.epsilon),
        "delta": float(asked.delta),
        "purpose": request.purpose or None,
        "sql": asked.submission.statement.decode("utf-8", "replace"),
    }


def _agreements(session: Session) -> Rows:
    for agreement, digest, usable in _known_agreements(session):
        epsilon, delta = _meaning(agreement.budget)
        yield {
            "name": plain(agreement.name),
            "edition": agreement.edition,
            "digest": digest.hex(),
            "title": plain(agreement.title),
            "purpose": plain(agreement.purpose),
            "legal_gateway": agreement.legal_gateway.name.lower().removesuffix("_gateway"),
            "datasets": ", ".join(scope.dataset for scope in agreement.scope),
            "operations": ", ".join(operation.name.lower() for operation in agreement.operations),
            "analysts": ", ".join(agreement.analysts),
            "from_day": day(agreement.from_ms),
            "until_day": day(agreement.until_ms),
            "epsilon": epsilon,
            "delta": delta,
            "usable": usable,
        }


def _known_agreements(session: Session) -> Iterator[tuple[Agreement, bytes, bool]]:
    """Each agreement that is validly signed, its digest, and whether this analyst can ask under it now."""
    described = session.describe()
    standing = in_force(described, session.roster, session.clock.now_ms())
    for record in described.agreements:
        with suppress(Refused):
            agreement, digest = open_agreement(record, session.roster), wire.digest(record.payload)
            yield agreement, digest, digest in standing and session.home.name in agreement.analysts


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat().replace("+00:00", "Z")


def _typed(columns: str) -> tuple[tuple[str, Type], ...]:
    """From ``name:type``, apart by spaces; a name alone is a text."""
    pairs = (column.partition(":") for column in columns.split())
    return tuple((name, Type[(kind or "text").upper()]) for name, _, kind in pairs)


TABLES: Mapping[str, Relation] = {
    "agreements": Relation(
        "Agreements, and whether you can ask under them.",
        _typed(
            "name edition:integer digest title purpose legal_gateway datasets operations analysts from_day until_day"
            " epsilon:decimal delta:decimal usable:boolean"
        ),
        _agreements,
    ),
    "budgets": Relation(
        "Caps at each node on what you ask; what is spent stands in each node's own ledger.",
        _typed("account name span epsilon:decimal delta:decimal rho_billionths:integer delta_quintillionths:integer"),
        _budgets,
    ),
    "cards": Relation(
        "Figures of the quality cards in your home, as they were published.", _typed(CARD_COLUMNS), card_rows
    ),
    "columns": Relation(
        "The columns of the datasets, with their bounds and lists of values.",
        _typed("dataset name type about unit nullable:boolean domain low high step:decimal is_person:boolean"),
        _columns,
    ),
    "datasets": Relation(
        "The datasets of the federation.",
        _typed(
            "name title about hosts person identifier overlap:integer rows_per_person:integer"
            " groups_per_person:integer placement columns:integer"
        ),
        _datasets,
    ),
    "requests": Relation(
        "Your requests, newest first.",
        _typed(
            "request state code reason waiting_for run:integer attempt:integer nodes replied:integer changed"
            " agreement epsilon:decimal delta:decimal purpose sql"
        ),
        _requests,
    ),
}
