"""Window functions: OVER of the parser's tree -> syntax -> leaves over released rows.

They act on figures that are released already, so they cost nothing. What they read must be a key or a figure; windows
over the rows of people are refused where their operands are bound (outputs.py, released.py).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from engine.errors import Position, Refused
from engine.sql.bound import Bound, alike, leaf, typed
from engine.sql.refusals import refuse_clause
from engine.sql.statement import Ordering, WindowLeaf
from engine.sql.syntax import Constant, Frame, Sort, SyntaxExpression, Windowed, holds_window
from engine.trusted.domains import Domain
from engine.trusted.plan import ColumnRef, Literal, Type

if TYPE_CHECKING:
    from engine.sql.terms import Terms

Node = Any
LONGEST_FRAME = 1_000
_FIGURES = {"Sum": "sum", "Avg": "avg", "Min": "min", "Max": "max", "Count": "count"}
_RANKS = {"RowNumber": "row_number", "Rank": "rank", "DenseRank": "dense_rank"} | {
    "PercentRank": "percent_rank",
    "CumeDist": "cume_dist",
}
# of the others: name, and the parts that are operands
_OTHERS = {
    "Ntile": ("ntile", ("this",)),
    "Lag": ("lag", ("this", "offset", "default")),
    "Lead": ("lead", ("this", "offset", "default")),
    "FirstValue": ("first_value", ("this",)),
    "LastValue": ("last_value", ("this",)),
    "NthValue": ("nth_value", ("this", "offset")),
}
FUNCTIONS = (*_FIGURES.values(), *_RANKS.values(), *(name for name, _ in _OTHERS.values()))
_NUMBERED = {"ntile": 0, "lag": 1, "lead": 1, "nth_value": 1}  # which operand is a whole number as written
_WHOLE = ("count", "row_number", "rank", "dense_rank", "ntile")
_SHARES = ("percent_rank", "cume_dist")


def read_window(terms: Terms, node: Node) -> SyntaxExpression:
    """``function OVER (PARTITION BY ... ORDER BY ... frame)``; raises Refused SQL_*."""
    at, inner = terms.at(node), node.this
    if node.args.get("alias") is not None:
        raise refuse_clause("Select", "windows", at)
    found = terms.take(node, ("this", "partition_by", "order", "spec"), ("over",))
    function, operands = _call(terms, inner)
    return Windowed(
        function=function,
        operands=operands,
        partition=tuple(terms.read(key) for key in found.get("partition_by", ())),
        order=read_order(terms, found["order"]) if "order" in found else (),
        frame=_frame(terms, found["spec"]) if "spec" in found else None,
        at=at,
    )


def _call(terms: Terms, inner: Node) -> tuple[str, tuple[SyntaxExpression, ...]]:
    kind = type(inner).__name__
    if kind in _RANKS:
        terms.take(inner, ())
        return _RANKS[kind], ()
    if kind in _OTHERS:
        name, parts = _OTHERS[kind]
        found = terms.take(inner, parts)
        return name, tuple(terms.read(found[part]) for part in parts if part in found)
    if kind not in _FIGURES:
        listed = ", ".join(name.upper() for name in FUNCTIONS[:-1])
        construct, instead = "This function with OVER", f"There are {listed} and {FUNCTIONS[-1].upper()}."
        raise Refused("SQL_NOT_SUPPORTED", at=terms.at(inner), construct=construct, instead=instead)
    operand = terms.take(inner, ("this",), ("big_int",)).get("this")
    if operand is None or type(operand).__name__ == "Star":
        if kind != "Count":
            raise Refused("SQL_SYNTAX", at=terms.at(inner), detail=f"{_FIGURES[kind].upper()} has no argument")
        return "count", ()
    return _FIGURES[kind], (terms.read(operand),)


def read_order(terms: Terms, node: Node) -> tuple[Sort, ...]:
    """ORDER BY, of a query or of a window."""
    sorts: list[Sort] = []
    for inner in terms.take(node, ("expressions",))["expressions"]:
        found = terms.take(inner, ("this", "desc", "nulls_first"))
        every = type(found["this"]).__name__ == "Var" and str(found["this"].name).upper() == "ALL"
        expression = None if every else terms.read(found["this"])
        direction = " DESC" if "desc" in found else " ASC" if inner.args.get("desc") is False else ""
        first = "nulls_first" in found
        sorts.append(Sort(expression, "desc" in found, first, direction + (" NULLS FIRST" if first else "")))
    return tuple(sorts)


def _frame(terms: Terms, node: Node) -> Frame:
    """ROWS with numbers as written, RANGE with UNBOUNDED and CURRENT ROW."""
    at = terms.at(node)
    found = terms.take(node, ("kind", "start", "start_side", "end", "end_side"))
    kind = str(found.get("kind", "")).upper()
    first = _end(terms, found.get("start"), str(found.get("start_side", "")).upper(), "PRECEDING", at)
    last = _end(terms, found.get("end", "CURRENT ROW"), str(found.get("end_side", "")).upper(), "FOLLOWING", at)
    if first is not None and last is not None and first > last:
        raise Refused("SQL_SYNTAX", at=at, detail="the frame of a window ends before it begins")
    plain = {first, last} <= {None, 0} and (first, last) != (0, 0)
    if kind not in ("ROWS", "RANGE") or (kind == "RANGE" and not plain):
        instead = "Use ROWS BETWEEN 2 PRECEDING AND CURRENT ROW; every key has a row, so rows are its periods."
        raise Refused("SQL_NOT_SUPPORTED", at=at, construct="This frame of a window", instead=instead)
    return Frame(first, last, kind == "RANGE")


def _end(terms: Terms, found: Any, side: str, open_side: str, at: Position) -> int | None:
    text = str(found).upper() if isinstance(found, str) else ""
    if text == "CURRENT ROW":
        return 0
    if text == "UNBOUNDED" and side == open_side:
        return None
    bound = terms.read(found) if hasattr(found, "walk") else None
    if not isinstance(bound, Constant) or type(bound.value) is not int or not 0 <= bound.value <= LONGEST_FRAME:
        problem = f"the frame of a window takes whole numbers up to {LONGEST_FRAME:,}"
        raise Refused("SQL_LITERAL", at=at, problem=problem)
    return -bound.value if side == "PRECEDING" else bound.value


class Windows:
    """Collects the window functions of one query, each once; ``start`` is the number of the first."""

    def __init__(self, start: int = 0) -> None:
        self._start = start
        self._found: list[WindowLeaf] = []

    @property
    def named(self) -> tuple[tuple[str, WindowLeaf], ...]:
        return tuple((f"window {self._start + i}", found) for i, found in enumerate(self._found))

    @property
    def end(self) -> int:
        """The number of the next."""
        return self._start + len(self._found)

    def bind(self, syntax: Windowed, bind: Callable[[SyntaxExpression], Bound]) -> Bound:
        """The leaf of one; ``bind`` knows what its operands may name."""
        if any(holds_window(inner) for inner in (*syntax.operands, *syntax.partition)):
            construct, instead = "A window function inside another", "Compute the inner one in WITH and select from it."
            raise Refused("SQL_NOT_SUPPORTED", at=syntax.at, construct=construct, instead=instead)
        operands = [bind(operand) for operand in syntax.operands]
        if syntax.function in ("lag", "lead") and len(operands) > 2:
            operands[0], operands[2] = alike((operands[0], operands[2]))
        operands = [typed(operand, Type.INTEGER) for operand in operands]
        domain = _domain(syntax, operands)
        _check_number(syntax, operands)
        order = tuple(
            Ordering(typed(bind(s.expression), Type.INTEGER).expression, s.descending, s.nulls_first)
            for s in syntax.order
            if s.expression is not None
        )
        partition = tuple(typed(bind(key), Type.TEXT).expression for key in syntax.partition)
        frame = syntax.frame or Frame(None, 0, peers=True)
        arguments = tuple(operand.expression for operand in operands)
        made = WindowLeaf(syntax.function, arguments, partition, order, frame.first, frame.last, frame.peers)
        if made not in self._found:
            self._found.append(made)
        name = f"window {self._start + self._found.index(made)}"
        return leaf(ColumnRef(name), domain, syntax.at)


def _domain(syntax: Windowed, operands: list[Bound]) -> Domain:
    """Type of a window function's value."""
    if syntax.function in _WHOLE:
        return Domain(Type.INTEGER, nullable=False, step=Fraction(1))
    if syntax.function in _SHARES:
        return Domain(Type.DECIMAL, nullable=False)
    known = operands[0].domain
    kind = Type.INTEGER if known is None else known.type
    if syntax.function in ("sum", "avg") and kind not in (Type.INTEGER, Type.DECIMAL):
        raise Refused("SQL_TYPE_MISMATCH", at=syntax.at, function=syntax.function.upper(), expected="a number")
    if syntax.function == "avg":
        return Domain(Type.DECIMAL, nullable=True)
    if len(operands) > 2 and operands[2].domain is not None and operands[2].domain.type is not kind:
        both = {kind, operands[2].domain.type}
        if both != {Type.INTEGER, Type.DECIMAL}:
            raise Refused("SQL_TYPE_MISMATCH", at=syntax.at, function=syntax.function.upper(), expected="one type")
        kind = Type.DECIMAL
    return Domain(kind, nullable=True, step=Fraction(1) if kind is Type.INTEGER else None)


def _check_number(syntax: Windowed, operands: list[Bound]) -> None:
    place = _NUMBERED.get(syntax.function)
    if place is None or place >= len(operands):
        return
    expression, least = operands[place].expression, -LONGEST_FRAME if syntax.function in ("lag", "lead") else 1
    value = expression.value if isinstance(expression, Literal) else None
    if type(value) is not int or not least <= value <= LONGEST_FRAME:
        problem = f"{syntax.function.upper()} takes a whole number as written, up to {LONGEST_FRAME:,}"
        raise Refused("SQL_LITERAL", at=operands[place].at, problem=problem)


def refuse_window(at: Position, where: str) -> Refused:
    """The refusal of a window function where single rows, or figures before windows, are meant."""
    construct = f"A window function {where}"
    instead = "Give it figures: SUM(COUNT(*)) OVER (), RANK() OVER (ORDER BY COUNT(*) DESC), and filter by QUALIFY."
    if where not in ("in HAVING", "in WHERE of released rows"):
        instead += " For one row a person, GROUP BY the person with MIN or MAX."
    return Refused("SQL_NOT_SUPPORTED", at=at, construct=construct, instead=instead)
