"""Quality cards with figures: an analyst asks for one and makes it public, anybody takes one that was published."""

from __future__ import annotations

from starlette.responses import Response

from engine.client.card_asking import Asking, Found, look, publish, submit
from engine.client.cards import Card, newest, take
from engine.desk.draft import Draft, field_of, usable, whole
from engine.desk.page import ANALYST, Page
from engine.desk.visit import Visit
from engine.errors import BadFile, SplittallyError, Unavailable
from engine.governance.card import is_bounded
from engine.trusted.catalogue import Dataset

PUBLIC = "The card is public now: signed, registered, and shown here. Hand its file on to whoever wants to see it too."


def card(visit: Visit) -> Response:
    """What there is of a card of a dataset; where there is none, what one would cost and how wrong it would be."""
    dataset = visit.desk.manifest.catalogue.dataset(visit.path["dataset"])
    return visit.nowhere() if dataset is None else _page(visit, dataset, Draft(), Asking(dataset.name))


def asked(visit: Visit) -> Response:
    """The page again with other terms, or the question signed and handed in."""
    dataset = visit.desk.manifest.catalogue.dataset(visit.path["dataset"])
    if dataset is None:
        return visit.nowhere()
    draft, meant = Draft.of(visit.form), Asking(dataset.name)
    try:
        meant = _asking(visit, dataset, draft)
        if visit.form.one("do") == "ask":
            return _ask(visit, dataset, meant)
    except SplittallyError as error:
        return _page(visit, dataset, draft, meant, error)
    return _page(visit, dataset, draft, meant)


def made_public(visit: Visit) -> Response:
    """The card that this home asked for last, made public: the button says that it cannot be taken back."""
    dataset = visit.path["dataset"]
    publish(visit.desk.session(), dataset)
    return visit.go(f"/catalogue/{dataset}", PUBLIC)


def file(visit: Visit) -> Response:
    """The newest card in this home as a file to hand on."""
    dataset = visit.desk.manifest.catalogue.dataset(visit.path["dataset"])
    found = newest(visit.desk.home, dataset.name) if dataset else None
    return visit.file(found.body, f"{found.dataset}.card", "application/json") if found else visit.nowhere()


def taking(visit: Visit) -> Response:
    return visit.render("cards/take.html", error_field="")


def taken(visit: Visit) -> Response:
    body = visit.form.files.get("file", b"")
    try:
        if not body:
            raise BadFile("FILE_MISSING", path="the file")
        visit.desk.describe()
        found = take(visit.desk.session(), body)
    except SplittallyError as error:
        return visit.render("cards/take.html", error=error, error_field="file")
    said = f"The card of {found.dataset} holds and is kept: published by {found.publication.analyst}."
    return visit.go(f"/catalogue/{found.dataset}", said)


def _asking(visit: Visit, dataset: Dataset, draft: Draft) -> Asking:
    """As the form says; the catalogue's names only. Raises BadFile FILE_DESK_FIELD."""
    columns, values, quartiles = (visit.form.every(name) for name in ("columns", "values", "quartiles"))
    n_min = whole("n_min", "least number of departments", draft.n_min, 1_000)
    agreement, delta = draft.agreement or None, draft.delta or "1e-9"
    return Asking(dataset.name, columns, values, quartiles, agreement, draft.epsilon, delta, n_min)


def _ask(visit: Visit, dataset: Dataset, meant: Asking) -> Response:
    """Where the figures are there already, nothing is asked and it is said whose they are."""
    visit.desk.describe()
    session = visit.desk.session()
    found = look(session, meant)
    if found.kept is not None:
        return visit.go(f"/catalogue/{dataset.name}", f"Nothing was charged: {_whose(found.kept)}.")
    request = submit(session, found)
    said = "Your request for a card is signed and handed in. Once it is answered, the page of the card makes it public."
    if found.query is None or found.query.kept is not None:
        said = "This card was asked for before: here is that request again, free of charge."
    return visit.go(f"/requests/{request}", said)


def _whose(found: Card) -> str:
    return f"{found.publication.analyst} asked for this card of these snapshots and published it"


def _page(
    visit: Visit, dataset: Dataset, draft: Draft, meant: Asking, error: SplittallyError | None = None
) -> Response:
    """``error``: of the form; else what there is, or what is wrong with these terms."""
    session, found, forecast, described = visit.desk.session(), None, None, None
    try:
        described = visit.desk.describe()
        found = look(session, meant)
        forecast = found.query.forecast(described=described) if found.query else None
    except SplittallyError as refused:
        error = error or refused
    usual = tuple(column for column in dataset.columns if column.name != dataset.person.column)
    return visit.render(
        "cards/ask.html",
        trail=(("/catalogue", "Catalogue"), (f"/catalogue/{dataset.name}", dataset.name)),
        dataset=dataset,
        draft=draft,
        meant=meant,
        error=error,
        error_field=field_of(error) if error and not isinstance(error, Unavailable) else "",
        forecast=forecast,
        price=found.query.cost_words().splitlines() if found and found.query else (),
        agreements=usable(described, session),
        columns=tuple((column, bool(column.domain), is_bounded(column)) for column in usual),
        found=found,
        **_own(visit, found),
    )


def _own(visit: Visit, found: Found | None) -> dict[str, object]:
    """Whether this home's own request is answered, and published by now."""
    digest = found.held if found else None
    kept = None
    if digest is not None and found is not None:
        try:
            kept = newest(visit.desk.home, found.dataset.name)
        except SplittallyError:
            kept = None
    answered = digest is not None and visit.desk.session().archive.released(digest) is not None
    public = digest is not None and kept is not None and kept.publication.request_digest == digest
    return {"answered": answered, "public": public}


PAGES = (
    Page("/cards", taking),
    Page("/cards/take", taken, post=True, upload=True),
    Page("/cards/{dataset}", card, ANALYST, example="/cards/people"),
    Page("/cards/{dataset}", asked, ANALYST, post=True, example="/cards/people"),
    Page("/cards/{dataset}/publish", made_public, ANALYST, post=True, example="/cards/people/publish"),
    Page("/cards/{dataset}/file", file, example="/cards/people/file"),
)
