"""SQL text -> plan: five passes, each a pure function over frozen types, and what is done with the answer.

parse      text -> syntax          the closed list of what can be said
bind       names and types         one dataset, expressions over its own columns
restrict   what may be released    explicit key lists and clamps
decompose  aggregates -> measures  what nodes can add up
price      the checked plan        what one person can change
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.sql.bind import bind
from engine.sql.decompose import decompose
from engine.sql.parse import parse
from engine.sql.price import price
from engine.sql.restrict import restrict
from engine.sql.statement import Context, Output, Statement
from engine.trusted.catalogue import Catalogue
from engine.trusted.records import Rules

__all__ = ["PASSES", "Context", "Output", "Statement", "prepare"]

PASSES: tuple[Callable[[Any, Context], Any], ...] = (parse, bind, restrict, decompose, price)


def prepare(sql: str, catalogue: Catalogue, rules: Rules, *, idle: bool = False) -> Statement:
    """The plan of a statement and how its answer is finished; nothing is read or spent.

    Raises Refused SQL_* (or a POLICY_ code of the plan's own checks) with the place in the text. ``idle``: a statement
    whose answer is known beforehand is prepared too, for those who only want to know its columns.
    """
    context = Context(catalogue, rules)
    found: Any = sql
    for step in PASSES:
        found = step(found, context)
    if not isinstance(found, Statement):
        raise TypeError(type(found))
    if not idle:
        found.require_telling()
    return found
