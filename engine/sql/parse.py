"""Pass 1, parse: the analyst's text -> ``Query``, or a refusal with its place.

The text is measured and scanned before the parser sees it (scan.py); the parser's tree is read by closed tables
(here for clauses, in terms.py for expressions) and then forgotten. The text itself is never executed.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import Position, Refused
from engine.sql.grouping import read_grouping
from engine.sql.refusals import refuse_clause, refuse_node
from engine.sql.scan import MOST_PARTS, position_of, scan
from engine.sql.statement import Context
from engine.sql.syntax import Both, Common, Derived, Item, Join, Query, Star, SyntaxExpression, Table
from engine.sql.terms import LARGEST_INTEGER, Node, Terms, parts_of
from engine.sql.windows import read_order
from engine.trusted.plan import JoinKind

_DEPTH = 8_000  # interpreter frames: 64 levels of brackets need some 2,000
_ROOM = threading.RLock()
_QUERY: tuple[str, ...] = ("with_", "distinct", "expressions", "from_", "joins", "where", "group", "having", "qualify")
_QUERY += ("order", "limit", "offset")
_JOINS = {"": JoinKind.INNER, "INNER": JoinKind.INNER, "LEFT": JoinKind.LEFT, "LEFT OUTER": JoinKind.LEFT} | {
    "SEMI": JoinKind.SEMI,
    "ANTI": JoinKind.ANTI,
}


@dataclass(frozen=True, slots=True)
class Parsed:
    sql: str
    query: Query


def parse(sql: str, context: Context) -> Parsed:
    """Reads one SELECT statement in DuckDB's dialect; raises Refused SQL_*."""
    return Parsed(sql, _read(sql))


def _read(sql: str) -> Query:
    scan(sql)
    with _room():
        try:
            return _query(Terms(sql, _query), _tree(sql))
        except RecursionError:
            raise Refused("SQL_TOO_DEEP") from None


def parse_expression(text: str) -> SyntaxExpression:
    """Reads one expression, as node.toml has them; raises Refused SQL_*."""
    query = _read(f"SELECT {text}\nFROM local")
    if len(query.items) != 1 or query != _plain(query) or not isinstance(query.items[0], Item):
        raise Refused("SQL_SYNTAX", at=query.at, detail="one expression is expected here")
    if query.items[0].alias is not None:
        raise Refused("SQL_SYNTAX", at=query.at, detail="an expression has no name here")
    return query.items[0].expression


def _plain(query: Query) -> Query:
    return Query((), query.items, query.source, None, None, None, (), None, 0, query.at)


@contextmanager
def _room() -> Iterator[None]:
    """Room for deep statements; for one thread at a time, since the limit is the interpreter's."""
    with _ROOM:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, _DEPTH))
        try:
            yield
        finally:
            sys.setrecursionlimit(before)


def _tree(sql: str) -> Node:
    """The parser's tree of the one statement, at most 2,000 nodes."""
    import logging

    import sqlglot
    from sqlglot.errors import SqlglotError

    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)
    try:
        trees = [tree for tree in sqlglot.parse(sql, read="duckdb") if tree is not None]
    except SqlglotError as error:
        raise _unreadable(sql, error) from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise Refused("SQL_SYNTAX", detail="it is not SQL of DuckDB's dialect", internal=repr(error)) from None
    if len(trees) != 1:
        raise Refused("SQL_NOT_ONE_STATEMENT")
    for count, _ in enumerate(trees[0].walk()):
        if count >= MOST_PARTS:
            raise Refused("SQL_TOO_MANY_PARTS")
    return trees[0]


def _unreadable(sql: str, error: Any) -> Refused:
    """The parser's place, never its words."""
    found = (getattr(error, "errors", None) or [{}])[0]
    line, column = found.get("line"), found.get("col")
    near = str(found.get("highlight") or "")[:40]
    at = Position(line, max(1, column - len(near) + 1)) if line and column else position_of(sql, 0)
    if re.match(r"\s*select\s+top\b", sql, re.IGNORECASE):
        return Refused("SQL_SYNTAX", at=at, detail="TOP is not read; write LIMIT at the end")
    return Refused("SQL_SYNTAX", at=at, detail=f"unexpected `{near}`" if near else "it ends too early or lacks a part")


def _opened(terms: Terms, node: Node) -> Node:
    """Without the parentheses around it."""
    while type(node).__name__ == "Subquery":
        node = terms.take(node, ("this",))["this"]
    return node


def _queries(terms: Terms, node: Node) -> Query | Both:
    """A query of FROM or WITH: several with UNION ALL between them are one table."""
    node, at = _opened(terms, node), terms.at(node)
    if type(node).__name__ != "Union" or node.args.get("distinct") or parts_of(node).get("with_"):
        return _query(terms, node)
    for clause in ("order", "limit", "offset"):
        if clause in parts_of(node):
            raise Refused("SQL_ROW_CLAUSE", at=at, clause="ORDER BY" if clause == "order" else clause.upper())
    found = terms.take(node, ("this", "expression"))
    return Both(_queries(terms, found["this"]), _queries(terms, found["expression"]), at)


def _query(terms: Terms, node: Node) -> Query:
    node = _opened(terms, node)
    if type(node).__name__ != "Select":
        if type(node).__name__ in ("Union", "Intersect", "Except"):
            raise terms.refuse(node)
        raise Refused("SQL_NOT_A_QUERY", at=terms.at(node))
    at = terms.at(node)
    found = terms.take(node, _QUERY)
    if "expressions" not in found:
        raise Refused("SQL_SYNTAX", at=at, detail="nothing is selected")
    common = _with(terms, found["with_"]) if "with_" in found else ()
    if "from_" not in found:
        raise Refused("SQL_NO_DATASET", at=at)
    limit = _limit(terms, found["limit"]) if "limit" in found else None
    offset = terms.take(found["offset"], ("expression",))["expression"] if "offset" in found else None
    return Query(
        common=common,
        source=_source(terms, terms.take(found["from_"], ("this",))["this"]),
        items=tuple(_item(terms, item) for item in found["expressions"]),
        where=_condition(terms, found.get("where")),
        grouping=read_grouping(terms, found["group"]) if "group" in found else None,
        having=_condition(terms, found.get("having")),
        order=read_order(terms, found["order"]) if "order" in found else (),
        limit=None if limit is None else _count(terms, limit),
        offset=0 if offset is None else _count(terms, offset),
        at=at,
        joins=tuple(_join(terms, join) for join in found.get("joins", ())),
        distinct="distinct" in found and not terms.take(found["distinct"], ()),
        qualify=_condition(terms, found.get("qualify")),
    )


def _limit(terms: Terms, node: Node) -> Node:
    """LIMIT n, or FETCH FIRST n ROWS ONLY."""
    if type(node).__name__ != "Fetch":
        return terms.take(node, ("expression",))["expression"]
    found = terms.take(node, ("count", "limit_options"), ("direction",))
    for option in ("percent", "with_ties"):
        if parts_of(found["limit_options"]).get(option):
            raise refuse_clause("Fetch", "limit_options", terms.at(node))
    return found["count"]


def _join(terms: Terms, node: Node) -> Join:
    found, at = terms.take(node, ("this", "side", "kind", "on", "using")), terms.at(node)
    words = " ".join(str(found[part]).upper() for part in ("side", "kind") if part in found)
    if words not in _JOINS:
        raise refuse_clause("Join", "kind", at)
    if "on" not in found and "using" not in found:
        raise Refused("SQL_JOIN_PERSON", at=at)
    on = terms.read(found["on"]) if "on" in found else None
    using = tuple(str(name.name) for name in found.get("using", ()))
    return Join(_JOINS[words], _source(terms, found["this"]), on, using, at)


def _condition(terms: Terms, node: Node | None) -> SyntaxExpression | None:
    return None if node is None else terms.read(terms.take(node, ("this",))["this"])


def _with(terms: Terms, node: Node) -> tuple[Common, ...]:
    common: list[Common] = []
    for inner in terms.take(node, ("expressions",))["expressions"]:
        found = terms.take(inner, ("this", "alias"))
        alias = terms.take(found["alias"], ("this",))["this"]
        common.append(Common(str(alias.name), _queries(terms, found["this"]), terms.at(alias)))
    return tuple(common)


def _source(terms: Terms, node: Node) -> Table | Derived:
    kind, at = type(node).__name__, terms.at(node)
    if kind == "Subquery":
        found = terms.take(node, ("this", "alias"))
        if type(found["this"]).__name__ == "Table":
            raise refuse_node("Table in brackets", at, "", ())
        return Derived(_queries(terms, found["this"]), _alias(terms, found.get("alias")), at)
    if kind != "Table":
        raise terms.refuse(node)
    found = terms.take(node, ("this", "alias"))
    if type(found["this"]).__name__ != "Identifier" or terms.is_text(found["this"]):
        raise Refused("SQL_FILE", at=at)
    return Table(str(found["this"].name), _alias(terms, found.get("alias")), at)


def _alias(terms: Terms, node: Node | None) -> str | None:
    return None if node is None else str(terms.take(node, ("this",))["this"].name)


def _item(terms: Terms, node: Node) -> Item | Star:
    kind, at = type(node).__name__, terms.at(node)
    if kind == "Star":
        terms.take(node, ())
        return Star(None, at)
    if kind == "Column" and type(node.this).__name__ == "Star":
        found = terms.take(node, ("this", "table"))
        terms.take(found["this"], ())
        return Star(str(found["table"].name), at)
    if kind == "Alias":
        found = terms.take(node, ("this", "alias"))
        return Item(terms.read(found["this"]), str(found["alias"].name), terms.at(found["alias"]))
    return Item(terms.read(node), None, at)


def _count(terms: Terms, node: Node) -> int:
    """LIMIT and OFFSET: a whole number as written."""
    text = str(node.this) if type(node).__name__ == "Literal" and not parts_of(node).get("is_string") else ""
    if not text.isdecimal() or len(text) > 16 or int(text) > LARGEST_INTEGER:
        raise Refused("SQL_LITERAL", at=terms.at(node), problem="LIMIT and OFFSET take a whole number")
    return int(text)
