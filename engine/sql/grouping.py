"""GROUP BY of the parser's tree -> keys and grouping sets: ROLLUP, CUBE and GROUPING SETS written out."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

from engine.errors import Refused
from engine.sql.refusals import refuse_clause
from engine.sql.syntax import Grouping, SyntaxExpression
from engine.sql.terms import Node, Terms
from engine.trusted.verify import MOST_SETS

_Set = tuple[int, ...]


def read_grouping(terms: Terms, node: Node) -> Grouping:
    """Each item is a list of sets of keys; the sets of all items are crossed, as SQL says."""
    found = terms.take(node, ("expressions", "all"))
    if "all" in found and "expressions" in found:
        raise refuse_clause("Group", "all", terms.at(node))
    keys: list[SyntaxExpression] = []
    items = [_sets(terms, item, keys) for item in found.get("expressions", ())]
    count = 1
    for item in items:
        count *= len(item)
        if count > MOST_SETS:
            raise Refused("SQL_TOO_COMPLEX", at=terms.at(node), what="grouping sets")
    sets = tuple(tuple(k for part in chosen for k in part) for chosen in product(*items))
    return Grouping(tuple(keys), "all" in found, sets if items and len(sets) > 0 else ((),))


def _sets(terms: Terms, node: Node, keys: list[SyntaxExpression]) -> list[_Set]:
    kind = type(node).__name__
    if kind == "GroupingSets":
        return [found for inner in _inner(terms, node) for found in _sets(terms, inner, keys)]
    if kind not in ("Rollup", "Cube"):
        return [_together(terms, node, keys)]
    parts = [_together(terms, inner, keys) for inner in _inner(terms, node)]
    if kind == "Cube" and 2 ** len(parts) > MOST_SETS:
        raise Refused("SQL_TOO_COMPLEX", at=terms.at(node), what="grouping sets")
    sizes = range(len(parts), -1, -1)
    chosen = [c for n in sizes for c in combinations(parts, n)] if kind == "Cube" else [parts[:n] for n in sizes]
    return [tuple(k for part in parts_ for k in part) for parts_ in chosen]


def _together(terms: Terms, node: Node, keys: list[SyntaxExpression]) -> _Set:
    """One key, or several in brackets that go together."""
    listed = _inner(terms, node) if type(node).__name__ == "Tuple" else [node]
    found = []
    for inner in listed:
        keys.append(terms.read(inner))
        found.append(len(keys) - 1)
    return tuple(found)


def _inner(terms: Terms, node: Node) -> list[Any]:
    return list(terms.take(node, ("expressions",)).get("expressions", []))
