"""One row of the table of pages: its address, whom it serves, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from engine.desk.desk import ROLES
from engine.desk.visit import Visit

EVERYBODY = frozenset(ROLES)
ANALYST = frozenset({"analyst"})
GUARDIAN = frozenset({"guardian"})
POLICY_OFFICER = frozenset({"policy_officer"})
AUDITOR = frozenset({"auditor"})


@dataclass(frozen=True, slots=True)
class Page:
    """``place``: the address within the desk; parts in braces go into ``Visit.path``. ``menu``: its words in the
    navigation; empty: not in it; ``about``: what it is for, beside it on the first page. ``post``: it takes a form.

    ``upload``: its form may bring a file, ``visit.form.files["name"]``; only a place without braces.

    ``example``: a place that tests visit in its stead where ``place`` has parts in braces.
    """

    place: str
    show: Callable[[Visit], Response]
    roles: frozenset[str] = EVERYBODY
    menu: str = ""
    about: str = ""
    post: bool = False
    example: str = ""
    upload: bool = False
