"""Expressions of the parser's tree -> syntax types, by a closed table of nodes and of their parts.

A node that has no row here is refused, and so is every part of a node that its row does not name: what is not read
cannot be dropped in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from engine.errors import Position, Refused
from engine.sql.aggregates import AGGREGATES, read_aggregate, read_filter, read_within
from engine.sql.refusals import refuse_clause, refuse_node
from engine.sql.scan import position_of
from engine.sql.syntax import Aggregated, Apply, Cast, Constant, Existence, Name, Query, SyntaxExpression
from engine.sql.vocabulary import (
    COMPARISONS,
    FUNCTIONS,
    GRAINS,
    KNOWN_FUNCTIONS,
    NAMED,
    OPERATORS,
    PARTS,
    SPELLED,
    TYPES,
    Row,
)
from engine.sql.windows import read_window
from engine.trusted.plan import Type

LARGEST_INTEGER = 2**53
LONGEST_LITERAL = 1_000
Node = Any  # sqlglot.exp.Expression; the library has no types that hold its argument names


def parts_of(node: Node) -> dict[str, Any]:
    """The parts of a node that are set."""
    return {name: part for name, part in node.args.items() if part is not None and part is not False and part != []}


class Terms:
    """Reads expressions of one statement; remembers the last place seen for parts that carry none."""

    def __init__(self, sql: str, query: Callable[[Terms, Node], Query]) -> None:
        self._sql = sql
        self._query = query
        self._last = 0
        self._starts: dict[int, int | None] = {}

    def at(self, node: Node) -> Position:
        """The first character known of a node, else the last place read."""
        found = self._start(node)
        self._last = self._last if found is None else found
        return position_of(self._sql, self._last)

    def _start(self, node: Node) -> int | None:
        """The least offset of a node and its parts; each is asked once, the tree lives as long as this does."""
        if id(node) not in self._starts:
            starts = [s for part in node.iter_expressions() if (s := self._start(part)) is not None]
            own = node.meta.get("start")
            starts += [] if own is None else [own]
            self._starts[id(node)] = min(starts, default=None)
        return self._starts[id(node)]

    def take(self, node: Node, parts: tuple[str, ...], ignored: tuple[str, ...] = ()) -> dict[str, Any]:
        """The set parts of a node, if all of them are among ``parts``; ``ignored`` ones mean nothing."""
        found = parts_of(node)
        for name, part in found.items():
            if name not in parts and name not in ignored:
                first = part[0] if isinstance(part, list) else part
                raise refuse_clause(type(node).__name__, name, self.at(first if hasattr(first, "walk") else node))
        return {name: part for name, part in found.items() if name in parts}

    def refuse(self, node: Node) -> Refused:
        kind = type(node).__name__
        written = str(node.this) if kind == "Anonymous" and isinstance(node.this, str) else self.written(node)
        return refuse_node(kind, self.at(node), written, KNOWN_FUNCTIONS)

    def written(self, node: Node) -> str:
        """A node's own text: a function's name or a literal as written."""
        start, end = node.meta.get("start"), node.meta.get("end")
        return self._sql[start : end + 1] if start is not None and end is not None else ""

    def is_text(self, identifier: Node) -> bool:
        """Whether a name is written as a text literal, which the engine takes for a file."""
        return self.written(identifier).startswith("'")

    def read(self, node: Node) -> SyntaxExpression:
        """The syntax of an expression; raises Refused for what is not in the language."""
        kind = type(node).__name__
        special = _SPECIAL.get(kind)
        if special is not None:
            return special(self, node)
        row = OPERATORS.get(kind)
        if row is not None:
            return self._operator(node, row)
        row = FUNCTIONS.get(kind)
        if row is not None:
            return Apply(row.operator, self._operands(node, row), self.at(node), self.written(node).lower())
        if kind in AGGREGATES:
            return read_aggregate(self, node)
        raise self.refuse(node)

    def _operands(self, node: Node, row: Row) -> tuple[SyntaxExpression, ...]:
        found = self.take(node, row.parts, row.ignored)
        operands: list[SyntaxExpression] = []
        for name in row.parts:
            part = found.get(name)
            for inner in part if isinstance(part, list) else [] if part is None else [part]:
                operands.append(self.read(inner))
        return tuple(operands)

    def _operator(self, node: Node, row: Row) -> SyntaxExpression:
        """Chains of AND, OR are one node with many operands."""
        kind = type(node)
        chain: list[Node] = []
        if row.operator in ("and", "or"):
            left = node
            while type(left) is kind:
                self.take(left, row.parts)
                chain.append(left.expression)
                left = left.this
            operands = tuple(self.read(inner) for inner in [left, *reversed(chain)])
        elif row.operator in ("+", "-") and (months := self._months(node.expression)) is not None:
            operands = (self.read(node.this), months if row.operator == "+" else _negated(months))
            return Apply("add months", operands, operands[0].at, row.operator)
        else:
            operands = self._operands(node, row)
        if kind.__name__ in COMPARISONS and type(node.this).__name__ in COMPARISONS:
            raise Refused("SQL_SYNTAX", at=operands[0].at, detail="comparisons are joined with AND, not chained")
        written = self.written(node).lower()
        return Apply(row.operator, operands, operands[0].at, written if written.isalpha() else "")

    def _paren(self, node: Node) -> SyntaxExpression:
        return self.read(self.take(node, ("this",))["this"])

    def _column(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "table", "db", "catalog"))
        if "db" in found or type(found["this"]).__name__ != "Identifier":
            raise refuse_node("Dot", self.at(node), "", ())
        parts = (str(found["table"].name),) if "table" in found else ()
        return Name((*parts, str(found["this"].name)), self.at(node))

    def _literal(self, node: Node) -> SyntaxExpression:
        at, text = self.at(node), str(node.this)
        if node.is_string:
            if len(text) > LONGEST_LITERAL:
                raise Refused("SQL_LITERAL", at=at, problem="a text literal is longer than 1,000 characters")
            return Constant(text, "'" + text.replace("'", "''") + "'", at)
        try:
            value = Fraction(text)
        except ValueError:
            raise Refused("SQL_LITERAL", at=at, problem="a number cannot be read") from None
        if abs(value) > LARGEST_INTEGER or value.denominator > LARGEST_INTEGER:
            raise Refused("SQL_LITERAL", at=at, problem="a number is larger or finer than 2^53")
        return Constant(int(text) if text.isdecimal() else value, self.written(node) or text, at)

    def _truth(self, node: Node) -> SyntaxExpression:
        return Constant(bool(node.this), "true" if node.this else "false", self.at(node))

    def _null(self, node: Node) -> SyntaxExpression:
        return Constant(None, "NULL", self.at(node))

    def _negative(self, node: Node) -> SyntaxExpression:
        operand = self.read(self.take(node, ("this",))["this"])
        if isinstance(operand, Constant) and type(operand.value) in (int, Fraction) and operand.spelled[0] != "-":
            negated = -operand.value  # type: ignore[operator]
            return Constant(negated, "-" + operand.spelled, operand.at)
        return Apply("negate", (operand,), operand.at)

    def _is(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expression"))
        operand, other = self.read(found["this"]), self.read(found["expression"])
        if not isinstance(other, Constant) or not (other.value is None or isinstance(other.value, bool)):
            raise Refused("SQL_NOT_SUPPORTED", at=other.at, construct="IS with a value", instead="Use =.")
        return Apply({None: "is null", True: "is true", False: "is false"}[other.value], (operand,), operand.at)

    def _like(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expression", "negate"))
        operands = self.read(found["this"]), self.read(found["expression"])
        kind = type(node).__name__.lower()
        return Apply(f"not {kind}" if "negate" in found else kind, operands, operands[0].at)

    def _pad(self, node: Node) -> SyntaxExpression:
        if "is_left" not in parts_of(node):
            raise self.refuse(node)
        row = Row("lpad", ("this", "expression", "fill_pattern"), ("is_left",))
        return Apply("lpad", self._operands(node, row), self.at(node), "lpad")

    def _in(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expressions", "query"))
        if "query" in found:
            operand = self.read(found["this"])
            return Existence(self._query(self, found["query"]), operand, operand.at)
        if "expressions" not in found:
            raise refuse_clause("In", "field", self.at(node))
        operand = self.read(found["this"])
        return Apply("in", (operand, *(self.read(item) for item in found["expressions"])), operand.at)

    def _exists(self, node: Node) -> SyntaxExpression:
        at = self.at(node)
        return Existence(self._query(self, self.take(node, ("this",))["this"]), None, at)

    def _case(self, node: Node) -> SyntaxExpression:
        """CASE x WHEN v is CASE WHEN x = v, as the engine itself reads it."""
        found = self.take(node, ("this", "ifs", "default"))
        subject = self.read(found["this"]) if "this" in found else None
        operands: list[SyntaxExpression] = []
        for branch in found["ifs"]:
            inner = self.take(branch, ("this", "true"))
            condition = self.read(inner["this"])
            operands.append(condition if subject is None else Apply("=", (subject, condition), condition.at))
            operands.append(self.read(inner["true"]))
        if "default" in found:
            operands.append(self.read(found["default"]))
        return Apply("case", tuple(operands), self.at(node))

    def _cast(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "to"), ("safe",))
        kind = found["to"]
        if "TIMESTAMP" in str(getattr(kind.this, "name", "")) and (day := self._midnight(found["this"])) is not None:
            return Cast(day, Type.DATE, None, "TIMESTAMP", "safe" in parts_of(node), day.at)
        name = kind.this.name if hasattr(kind.this, "name") else ""
        parameters = [str(p.this.this) for p in parts_of(kind).get("expressions", []) if hasattr(p.this, "this")]
        if name not in TYPES or (parameters and (name != "DECIMAL" or len(parameters) != 2)):
            raise refuse_node("DataType", self.at(node), "", ())
        if name == "DECIMAL":
            parameters = parameters or ["18", "3"]  # what DuckDB takes it for
        digits, between = self._limits(parameters, node) if parameters else (None, None)
        between = (Fraction(-(2**31) - 1), Fraction(2**31)) if name == "INT" else between
        operand = self.read(found["this"])
        spelled = SPELLED.get(name, name) + (f"({', '.join(parameters)})" if parameters else "")
        return Cast(operand, TYPES[name], digits, spelled, "safe" in parts_of(node), operand.at, between)

    def _midnight(self, node: Node) -> Constant | None:
        """The date of a point of time as written, if it is midnight."""
        read = self.read(node)
        text = read.value if isinstance(read, Constant) and isinstance(read.value, str) else ""
        day, _, time = text.partition(" ")
        return Constant(day, read.spelled, read.at) if isinstance(read, Constant) and time in _MIDNIGHT else None

    def _limits(self, parameters: list[str], node: Node) -> tuple[int, tuple[Fraction, Fraction]]:
        """Digits after the point of DECIMAL(p, s), and the numbers it lies strictly between."""
        width, digits = (int(p) if p.isdecimal() and len(p) <= 2 else 99 for p in parameters)
        if not 1 <= width <= 18 or digits > width:
            construct = f"DECIMAL({', '.join(p[:9] for p in parameters)})"
            instead = "Use DOUBLE, or DECIMAL(p, s) of at most 18 digits."
            raise Refused("SQL_NOT_SUPPORTED", at=self.at(node), construct=construct, instead=instead)
        return digits, (-(Fraction(10) ** (width - digits)), Fraction(10) ** (width - digits))

    def _named(self, node: Node) -> SyntaxExpression:
        """Functions the parser has no node for."""
        found = self.take(node, ("this", "expressions"))
        name = str(found["this"]).lower()
        operands = tuple(self.read(operand) for operand in found.get("expressions", ()))
        operator, count = NAMED.get(name, ("", -1))
        if operator == "age" and len(operands) == 1:
            raise refuse_node("CurrentDate", self.at(node), "", ())
        if count != len(operands):
            raise self.refuse(node)
        if operator == "avg":
            return Aggregated(operator, operands[0], False, None, self.at(node), name)
        if operator == "date_part":
            return self._date_part(node, operands[0], operands[1], name)
        unit = operands[0].value if isinstance(operands[0], Constant) else None
        if operator == "date_sub" and str(unit).lower() not in ("year", "years"):
            raise refuse_node("DateSub", self.at(node), "", ())
        return Apply(operator, operands, self.at(node), name)

    def _extract(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expression"))
        unit = found["this"]
        part = Constant(str(unit.name), f"'{unit.name}'", self.at(node))
        return self._date_part(node, part, self.read(found["expression"]), "date_part")

    def _date_part(self, node: Node, unit: SyntaxExpression, operand: SyntaxExpression, spelled: str) -> Apply:
        """``date part`` has the unit as written, then the date; its name is that of the part's own function."""
        part = str(unit.value).lower() if isinstance(unit, Constant) else ""
        if isinstance(operand, Apply) and operand.operator == "age" and part.rstrip("s") == "year":
            return Apply("years of age", operand.operands, operand.at, spelled)
        if part not in PARTS:
            raise refuse_node("Extract", self.at(node), "", ())
        return Apply(PARTS[part], (unit, operand), operand.at, spelled)

    def _truncate(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "unit"))
        grain = str(found["unit"].name).lower() if "unit" in found else ""
        if grain not in GRAINS:
            raise refuse_node("TimestampTrunc", self.at(node), "", ())
        operand = self.read(found["this"])
        unit = Constant(grain, f"'{grain}'", operand.at)
        return Apply("date_trunc", (unit, operand), operand.at, self.written(node).lower() or "date_trunc")

    def _difference(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expression", "unit"), ("date_part_boundary",))
        grain = str(found["unit"].name).lower() if "unit" in found else ""
        if grain not in ("day", "month", "quarter", "year"):
            raise refuse_node("DateDiff", self.at(node), "", ())
        first, second = self.read(found["expression"]), self.read(found["this"])
        return Apply(
            "date_diff",
            (Constant(grain, f"'{grain}'", first.at), first, second),
            first.at,
            self.written(node).lower() or "date_diff",
        )

    def _months(self, node: Node) -> Constant | None:
        """INTERVAL n MONTH, QUARTER or YEAR as a number of months."""
        if type(node).__name__ != "Interval":
            return None
        found = self.take(node, ("this", "unit"))
        unit = str(found["unit"].name).lower().rstrip("s") if "unit" in found else ""
        count = str(found["this"].name) if "this" in found else ""
        if unit not in _MONTHS or not count.isdecimal() or len(count) > 4:
            return None
        return Constant(int(count) * _MONTHS[unit], count, self.at(node))

    def _interval(self, node: Node) -> SyntaxExpression:
        """INTERVAL n DAY or WEEK, as a number of days; other units have no fixed length."""
        found = self.take(node, ("this", "unit"))
        unit = str(found["unit"].name).lower().rstrip("s") if "unit" in found else ""
        count = str(found["this"].name) if "this" in found else ""
        if unit not in ("day", "week") or not count.isdecimal() or len(count) > 6:
            raise self.refuse(node)
        return Apply(
            "days", (Constant(int(count) * (7 if unit == "week" else 1), count, self.at(node)),), self.at(node)
        )

    def _grouping(self, node: Node) -> SyntaxExpression:
        operands = self._operands(node, Row("grouping", ("expressions",)))
        return Apply("grouping", operands, self.at(node), "GROUPING")

    def _date_add(self, node: Node) -> SyntaxExpression:
        found = self.take(node, ("this", "expression"))
        operand = self.read(found["this"])
        return Apply("+", (operand, self.read(found["expression"])), operand.at)


def _negated(months: Constant) -> Constant:
    return Constant(-int(str(months.value)), months.spelled, months.at)


_MIDNIGHT = ("", "00:00", "00:00:00")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_SPECIAL: dict[str, Callable[[Terms, Node], SyntaxExpression]] = {
    "Paren": Terms._paren,
    "Column": Terms._column,
    "Literal": Terms._literal,
    "Boolean": Terms._truth,
    "Null": Terms._null,
    "Neg": Terms._negative,
    "Is": Terms._is,
    "Like": Terms._like,
    "ILike": Terms._like,
    "Pad": Terms._pad,
    "In": Terms._in,
    "Exists": Terms._exists,
    "Case": Terms._case,
    "Cast": Terms._cast,
    "TryCast": Terms._cast,
    "Anonymous": Terms._named,
    "Extract": Terms._extract,
    "TimestampTrunc": Terms._truncate,
    "DateTrunc": Terms._truncate,
    "DateDiff": Terms._difference,
    "Interval": Terms._interval,
    "DateAdd": Terms._date_add,
    "Grouping": Terms._grouping,
    "GroupingId": Terms._grouping,
    "Filter": read_filter,
    "WithinGroup": read_within,
    "Window": read_window,
}
