"""The analyst's workbench: write a statement, see what it would do, cost and be wrong by, rehearse it, ask it."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import Response

from engine.client.forecast import ColumnError
from engine.client.session import digest_of
from engine.desk.advice import advice
from engine.desk.draft import Draft, Weighed, field_of, usable, weigh
from engine.desk.followed import follow
from engine.desk.page import ANALYST, Page
from engine.desk.visit import Visit
from engine.errors import SplittallyError, Unavailable
from engine.sql.explain import plan_digest
from engine.trusted.catalogue import Catalogue, Dataset
from engine.trusted.describe import english, normalised_sql
from engine.trusted.messages import FederationDescription
from engine.trusted.plan import Type


def ask(visit: Visit) -> Response:
    """The empty form; with a statement in it if an earlier request or an example is named."""
    draft = Draft()
    if "again" in visit.query:
        asked = visit.desk.session().archive.asked(digest_of(visit.query.one("again")))
        draft = replace(draft, sql=asked.submission.statement.decode(), epsilon=f"{float(asked.epsilon):g}")
    elif "about" in visit.query:
        dataset = visit.desk.manifest.catalogue.dataset(visit.query.one("about"))
        draft = replace(draft, sql=example(dataset) if dataset else "")
    return _form(visit, draft, _described(visit))


def weighed(visit: Visit) -> Response:
    """The form again, with what its statement would do, and how wrong the answer may be."""
    draft = Draft.of(visit.form)
    if visit.form.one("do") == "submit":
        return _submit(visit, draft)
    if visit.form.one("do") == "rehearse":
        return _rehearse(visit, draft)
    described = _described(visit)
    try:
        found = weigh(draft, visit.desk.session(), described)
    except SplittallyError as error:
        return _form(visit, draft, described, error)
    return _form(visit, draft, described, found=found)


def check(visit: Visit) -> Response:
    """For the script: the verdict on a statement that is still being written. Nothing is sent, read or spent."""
    session = visit.desk.session()
    try:
        statement = session.prepare(visit.form.one("sql"))
    except SplittallyError as error:
        where = f"{str(error.at).capitalize()}: " if error.at else ""
        place = {"line": error.at.line, "column": error.at.column} if error.at else None
        verdict = {"verdict": "refuse", "code": error.code, "message": where + error.message, "hint": advice(error)}
        return visit.json({**verdict, "at": place})
    columns = [name for name, _ in statement.columns]
    return visit.json({"verdict": "accept", "plan": plan_digest(statement), "columns": columns})


def _submit(visit: Visit, draft: Draft) -> Response:
    try:
        query = draft.query(visit.desk.session())
        request = query.submit()
    except SplittallyError as error:
        return _form(visit, draft, _described(visit), error)
    if query.kept is None and query.price.selection is not None:
        follow(query.session, request)
    said = "Your request is signed and handed in."
    if query.kept is not None:
        said = "The same question was answered before, over the same data: here is that answer again, free of charge."
    first = query.asked.submission.statement.decode() if query.asked else query.statement.sql
    words = f"?as={visit.desk.keep_wording(query.statement.sql)}" if first != query.statement.sql else ""
    return visit.go(f"/requests/{request}{words}", said)


def _rehearse(visit: Visit, draft: Draft) -> Response:
    try:
        query = draft.query(visit.desk.session())
        key = visit.desk.rehearsals.begin(query, draft)
    except SplittallyError as error:
        return _form(visit, draft, _described(visit), error)
    return visit.go(f"/rehearsals/{key}")


def _form(
    visit: Visit,
    draft: Draft,
    described: FederationDescription | None,
    error: SplittallyError | None = None,
    found: Weighed | None = None,
) -> Response:
    session, catalogue = visit.desk.session(), visit.desk.manifest.catalogue
    return visit.render(
        "workbench/ask.html",
        draft=draft,
        error=error,
        error_field=field_of(error) if error else "",
        found=found,
        agreements=usable(described, session),
        away=described is None,
        catalogue=catalogue,
        examples=_examples(catalogue),
        **(_known(found) if found else {}),
    )


def _known(found: Weighed) -> dict[str, object]:
    """What the page shows of a question that was weighed."""
    query, forecast = found.query, found.forecast
    plan, catalogue = query.statement.plan, query.session.catalogue
    widest = max(found.rungs, key=lambda rung: len(rung.errors))
    return {
        "english": english(plan, catalogue).splitlines(),
        "sql": normalised_sql(plan, catalogue),
        "price": query.cost_words().splitlines(),
        "bounds_and_notes": [*(bias.words for bias in forecast.bias), *forecast.notes],
        "rung_columns": [_named(error) for error in widest.errors],
    }


def _named(error: ColumnError) -> str:
    return f"{error.column} by {', '.join(error.keys)}" if error.keys else error.column


def _described(visit: Visit) -> FederationDescription | None:
    """None while the coordinator is away: then all but submitting still works."""
    try:
        return visit.desk.describe()
    except Unavailable:
        return None


def _examples(catalogue: Catalogue) -> list[Dataset]:
    return [dataset for dataset in catalogue.datasets if example(dataset)]


def example(dataset: Dataset) -> str:
    """A statement about a dataset that is worth beginning with."""
    keys = [column.name for column in dataset.columns if column.domain][:1]
    numbers = [c.name for c in dataset.columns if c.bounds and c.type in (Type.INTEGER, Type.DECIMAL)][:1]
    shown = [*keys, "COUNT(*) AS n", *(f"AVG({name}) AS mean_{name}" for name in numbers)]
    grouped = f"\nGROUP BY {keys[0]}\nORDER BY n DESC" if keys else ""
    return f"SELECT {', '.join(shown)}\nFROM {dataset.name}{grouped}"


PAGES = (
    Page("/ask", ask, ANALYST, menu="Ask", about="Write a statement, see its cost and its error, then ask it."),
    Page("/ask", weighed, ANALYST, post=True),
    Page("/check", check, ANALYST, post=True),
)
