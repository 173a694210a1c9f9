"""How templates show things: every text escaped, figures and times in one form everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from engine.client.price import epsilon_words
from engine.client.states import state_word
from engine.client.terms import MOST_PURPOSE
from engine.client.units import heading
from engine.desk.advice import advice
from engine.desk.draft import Draft
from engine.desk.page import Page
from engine.errors import BadFile, Refused, SplittallyError, Unavailable, Waiting
from engine.figures import decimals, interval_words, percent, rounded, share_words, text
from engine.governance.letters import plain
from engine.governance.text import day, loss_words
from engine.sql.finish import Answer
from engine.trusted.messages import RequestState
from engine.trusted.plan import Type

TEMPLATES = Path(__file__).parent / "templates"
SHORT = 12  # letters of a digest that tell requests apart for people
TONES = {
    "released": "good",
    "approved": "good",
    "running": "busy",
    "waiting": "wait",
    "refused": "bad",
    "revoked": "bad",
    "expired": "bad",
}
OF_FORMS = ("FILE_DESK_FIELD", "FILE_AGREEMENT")  # there is no file that the reader could mend
HEADINGS: tuple[tuple[type[SplittallyError], str], ...] = (
    (Waiting, "Somebody still has to decide"),
    (Refused, "There is a problem"),
    (Unavailable, "Not available now"),
    (BadFile, "A file needs mending"),
)


@lru_cache
def environment(menu: tuple[Page, ...]) -> Environment:
    """The templates of one role's desk; ``menu``: the pages of its navigation."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(menu=menu, actions=tuple(page for page in menu if page.about), heading_of=heading_of)
    made.globals.update(most_purpose=MOST_PURPOSE)
    made.filters.update(
        advice=advice,
        plain=plain,
        lines=lines,
        short=short,
        moment=moment,
        day=day,
        figure=figure,
        percent=percent,
        rounded=rounded,
        share=share_words,
        interval=interval,
        loss=loss_words,
        epsilon=epsilon_words,
        state=state_word,
        tone=tone,
        fields=fields_of,
        noisy=noisy,
        headed=heading,
        is_number=is_number,
        is_whole=is_whole,
    )
    return made


def heading_of(error: SplittallyError) -> str:
    """What kind of trouble an error is, for the heading of its page or summary."""
    if error.code in OF_FORMS:
        return "There is a problem"
    return next((heading for kind, heading in HEADINGS if isinstance(error, kind)), "Something went wrong")


def visible(value: object) -> object:
    """What every expression of a template passes through: no text holds signs that hide or turn other words around."""
    return lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def lines(words: str) -> str:
    """Somebody's words with their line ends, and with nothing else in them that a page would act upon."""
    return "\n".join(plain(line) for line in words.replace("\r\n", "\n").split("\n"))


def short(digest: bytes | str) -> str:
    """The start of a digest."""
    return (digest if isinstance(digest, str) else digest.hex())[:SHORT]


def moment(ms: int) -> str:
    """A time in UTC, to the minute."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%-d %B %Y, %H:%M")


def figure(value: object, span: Sequence[float] | None = None, whole: bool = False) -> str:
    """A value for a cell, with the decimals that its interval supports; ``whole``: a whole number has none."""
    places = decimals((span[0], span[1])) if span else None
    return text(value, 0 if whole and span else places)


def interval(value: object, span: Sequence[float] | None) -> str:
    """The 95 % interval of a value, as ± or by its ends."""
    if span is None:
        return ""
    ends = (span[0], span[1])
    return interval_words(value, ends, decimals(ends))


def tone(state: RequestState | str) -> str:
    """The class of a state's tag; its words say the same."""
    word = state if isinstance(state, str) else state_word(state)
    return TONES.get(word, "plain")


def fields_of(draft: Draft) -> Iterator[tuple[str, str]]:
    """Name and value of each field of a form."""
    return ((field.name, str(getattr(draft, field.name))) for field in fields(draft))


def noisy(answer: Answer) -> frozenset[str]:
    """The columns of an answer that carry noise."""
    return frozenset(name for row in answer.intervals for name in row)


def is_number(kind: Type) -> bool:
    return kind in (Type.INTEGER, Type.DECIMAL)


def is_whole(kind: Type) -> bool:
    return kind is Type.INTEGER
