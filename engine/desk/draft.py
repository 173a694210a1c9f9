"""A question as it stands in the form of the workbench, and what can be said of it before it is asked."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

from engine.client import papers
from engine.client.cost import Asker, shares_of
from engine.client.forecast import ColumnError, Forecast, errors_of
from engine.client.query import Query
from engine.client.session import Session
from engine.client.terms import price_of
from engine.desk.form import Form
from engine.errors import BadFile, Refused, SplittallyError
from engine.trusted.messages import FederationDescription
from engine.trusted.records import Agreement

EPSILONS = ("0.1", "0.25", "0.5", "1", "2", "4")
MOST_COLUMNS = 4  # of the answer, in the table of epsilons
MOST_ROWS = 10**12
Expected = tuple[int | None, int | None]  # rows that WHERE keeps, persons
FIELDS = {  # start of a code -> id of the field that it is about
    "SQL_EPSILON": "own_epsilon",
    "SQL_DELTA": "delta",
    "SQL_RUNS": "runs",
    "SQL_PURPOSE": "purpose",
    "SQL_": "sql",
    "POLICY_N_MIN": "n_min",
    "POLICY_AGREEMENT": "agreement",
    "BUDGET_": "own_epsilon",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """The fields as they were written. An empty one means what the federation or the command line takes for it."""

    sql: str = ""
    agreement: str = ""
    epsilon: str = "1"
    delta: str = "1e-9"
    n_min: str = ""
    purpose: str = ""
    runs: str = "1"
    valid_days: str = "1"
    rows: str = ""
    persons: str = ""

    @classmethod
    def of(cls, form: Form) -> Draft:
        """``own_epsilon`` is that of the field beside the choices, and meant when it is filled."""
        usual = cls()
        found = {name: form.one(name, getattr(usual, name)) for name in cls.__slots__}
        found["epsilon"] = form.one("own_epsilon") or found["epsilon"]
        return cls(**found)

    def query(self, session: Session) -> Query:
        """The question, read and priced. Raises Refused SQL_* and BadFile FILE_DESK_FIELD."""
        return session.query(
            self.sql,
            self.agreement or None,
            self.epsilon,
            self.delta or "1e-9",
            whole("n_min", "least number of departments", self.n_min, 1_000),
            self.purpose,
            whole("runs", "number of runs", self.runs, 1_000) or 1,
            whole("valid_days", "days of validity", self.valid_days, 3_660) or 1,
        )

    def expected(self) -> Expected:
        """Rows that WHERE keeps, and persons, as the analyst expects them."""
        rows = whole("rows", "expected rows", self.rows, MOST_ROWS)
        return rows, whole("persons", "expected persons", self.persons, MOST_ROWS)


def whole(field: str, words: str, text: str, most: int) -> int | None:
    """A whole number from 1 to ``most``, None for an empty field. BadFile FILE_DESK_FIELD."""
    if not text:
        return None
    digits = text.lstrip("0")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= len(str(most)) and int(digits) <= most):
        raise BadFile("FILE_DESK_FIELD", field=words, most=f"{most:,}", id=field)
    return int(digits)


def field_of(error: SplittallyError) -> str:
    """The id of the field that an error is about; empty if it is about none."""
    named = error.facts.get("id", "") if error.code == "FILE_DESK_FIELD" else ""
    return named or next((field for start, field in FIELDS.items() if error.code.startswith(start)), "")


@dataclass(frozen=True, slots=True)
class Rung:
    """What one epsilon would give: the errors of some columns, and the largest part of a cap that it takes.

    ``refused``: the code of the refusal that it would end in.
    """

    epsilon: str
    errors: tuple[ColumnError, ...]
    share: float
    cap: str
    refused: str = ""


def ladder(query: Query, chosen: str, forecast: Forecast, agreement: Agreement | None) -> list[Rung]:
    """The same question at several epsilons, the chosen one among them, smallest first. Nothing is read or spent."""
    amounts = sorted({*EPSILONS, chosen}, key=Fraction)
    return [_rung(query, amount, forecast, agreement) for amount in amounts]


def _rung(query: Query, epsilon: str, forecast: Forecast, agreement: Agreement | None) -> Rung:
    session, plan = query.session, query.statement.plan
    catalogue, rules = session.catalogue, session.roster.manifest.rules
    try:
        price = price_of(Fraction(epsilon), query.delta, plan)
        if Fraction(epsilon) == query.epsilon:
            errors = forecast.columns
        else:
            least = (query.n_min, rules.f)
            errors = errors_of(query.statement, catalogue, price.answer, least, forecast.assumption)
    except Refused as refused:
        return Rung(epsilon, (), 0.0, "", refused.code)
    shares = shares_of(plan, catalogue, rules, price.total, Asker(session.home.name, agreement))
    largest = max(shares, key=lambda share: share.share, default=None)
    if largest is None:
        return Rung(epsilon, errors[:MOST_COLUMNS], 0.0, "")
    over = "BUDGET_EXHAUSTED" if largest.share > 1 else ""
    return Rung(epsilon, errors[:MOST_COLUMNS], largest.share, f"{largest.account}, {largest.span}", over)


@dataclass(frozen=True, slots=True)
class Weighed:
    """What is known of a question beforehand. ``agreement``: the one it would be asked under, as far as is known."""

    query: Query
    forecast: Forecast
    rungs: tuple[Rung, ...]
    agreement: Agreement | None


def weigh(draft: Draft, session: Session, described: FederationDescription | None) -> Weighed:
    """``described``: None while the coordinator is away. Raises what ``Draft.query`` and ``Query.forecast`` raise."""
    query = draft.query(session)
    found = query.forecast(*draft.expected(), described, alone=True)
    agreement = meant(usable(described, session), draft.agreement)
    return Weighed(query, found, tuple(ladder(query, draft.epsilon, found, agreement)), agreement)


def usable(described: FederationDescription | None, session: Session) -> tuple[tuple[str, Agreement], ...]:
    """The agreements that the analyst may ask under now: (digest in hex, agreement)."""
    if described is None:
        return ()
    held = papers.usable(described, session.roster, session.home.name, session.clock.now_ms())
    return tuple((digest.hex(), agreement) for digest, agreement in held.items())


def meant(agreements: tuple[tuple[str, Agreement], ...], wanted: str) -> Agreement | None:
    """The agreement that is chosen, or the only one there is."""
    with suppress(Refused):
        return papers.meant({bytes.fromhex(d): a for d, a in agreements}, "", wanted or None)[1]
    return None
