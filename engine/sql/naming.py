"""Names of output columns without an alias, as DuckDB writes them: ``count_star()``, ``(sum(a) / count_star())``."""

from __future__ import annotations

import re

from engine.sql.keywords import KEYWORDS
from engine.sql.syntax import Aggregated, Apply, Cast, Constant, Existence, Name, SyntaxExpression, Windowed

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BINARY = frozenset(("+", "-", "*", "/", "//", "%", "=", "!=", "<", "<=", ">", ">=", "||"))
_INFIX = {"ilike": "~~*", "not ilike": "!~~*", "distinct from": "IS DISTINCT FROM"}
_INFIX["not distinct from"] = "IS NOT DISTINCT FROM"
_POSTFIX = {
    "is null": "({} IS NULL)",
    "is true": "(CAST({} AS BOOLEAN) IS NOT DISTINCT FROM true)",
    "is false": "(CAST({} AS BOOLEAN) IS NOT DISTINCT FROM false)",
}


def name_of(expression: SyntaxExpression) -> str:
    """The output name of an expression: a column's own name, else its text in DuckDB's form."""
    return expression.parts[-1] if isinstance(expression, Name) else render(expression)


def render(expression: SyntaxExpression) -> str:
    match expression:
        case Name(parts=parts):
            return ".".join(_identifier(part) for part in parts)
        case Constant(spelled=spelled):
            return spelled
        case Cast(operand=operand, spelled=spelled, lenient=lenient):
            return (
                f"{'TRY_' if lenient else ''}CAST({render(operand)} AS {spelled.replace(',', ', ').replace('  ', ' ')})"
            )
        case Aggregated():
            return _aggregate(expression)
        case Existence(operand=operand):
            return "EXISTS(...)" if operand is None else f"({render(operand)} IN (...))"
        case Windowed():
            return _windowed(expression)
        case Apply(operator=operator, operands=operands, spelled=spelled):
            return _apply(operator, [render(operand) for operand in operands], operands, spelled)


def _identifier(name: str) -> str:
    plain = _PLAIN.fullmatch(name) and name.lower() not in KEYWORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def _aggregate(use: Aggregated) -> str:
    text = "count_star()" if use.argument is None else f"{use.spelled}({_arguments(use, render(use.argument))})"
    return text if use.where is None else f"{text} FILTER (WHERE {render(use.where)})"


def _windowed(use: Windowed) -> str:
    inside = []
    if use.partition:
        inside.append(f"PARTITION BY {', '.join(map(render, use.partition))}")
    if use.order:
        keys = [render(s.expression) + s.spelled for s in use.order if s.expression is not None]
        inside.append(f"ORDER BY {', '.join(keys)}")
    frame = use.frame
    if frame is not None and (frame.first, frame.last, frame.peers) != (None, 0, True):
        both = _end(frame.first, "PRECEDING"), _end(frame.last, "FOLLOWING")
        whole = frame.first is None and frame.last is None
        inside.append(f"{'RANGE' if frame.peers and not whole else 'ROWS'} BETWEEN {both[0]} AND {both[1]}")
    return f"{use.function}({', '.join(map(render, use.operands))}) OVER ({' '.join(inside)})"


def _end(places: int | None, side: str) -> str:
    if places is None:
        return f"UNBOUNDED {side}"
    return f"{abs(places)} {'PRECEDING' if places < 0 else 'FOLLOWING'}" if places else "CURRENT ROW"


def _arguments(use: Aggregated, argument: str) -> str:
    if use.within and use.fraction is not None:
        return f"{use.fraction.spelled} ORDER BY {argument}{' DESC' if use.within == 'desc' else ''}"
    others = [render(o) for o in (use.second, use.fraction) if o is not None]
    return ("DISTINCT " if use.distinct else "") + ", ".join([argument, *others])


def _apply(operator: str, operands: list[str], trees: tuple[SyntaxExpression, ...], spelled: str) -> str:
    if operator in _BINARY and not spelled:
        return f"({operands[0]} {operator} {operands[1]})"
    if operator in ("and", "or"):
        return "(" + f" {operator.upper()} ".join(operands) + ")"
    if operator in _POSTFIX:
        return _POSTFIX[operator].format(operands[0])
    if operator == "not":
        inner = trees[0]
        if isinstance(inner, Apply) and inner.operator == "is null":
            return f"({render(inner.operands[0])} IS NOT NULL)"
        return f"(NOT {operands[0]})"
    if operator == "negate":
        return f"(-({operands[0]}))"
    if operator == "between":
        return f"({operands[0]} BETWEEN {operands[1]} AND {operands[2]})"
    if operator == "in":
        return f"({operands[0]} IN ({', '.join(operands[1:])}))"
    if operator in ("like", "not like"):
        return f"({operands[0]} {'~~' if operator == 'like' else '!~~'} {operands[1]})"
    if operator in _INFIX:
        return f"({operands[0]} {_INFIX[operator]} {operands[1]})"
    if operator == "add months":
        return f"({operands[0]} {spelled} to_months(CAST(trunc(CAST({operands[1]} AS DOUBLE)) AS INTEGER)))"
    if operator == "case":
        return _case(operands)
    if operator == "days":
        return f"to_days(CAST(trunc(CAST({operands[0]} AS DOUBLE)) AS INTEGER))"
    if operator == "grouping":
        return f"GROUPING({', '.join(operands)})"
    if operator == "coalesce":
        return f"COALESCE({', '.join(operands)})"
    name = spelled or operator
    return f"{_identifier(name)}({', '.join(operands)})"


def _case(operands: list[str]) -> str:
    pairs = zip(operands[0::2], operands[1::2], strict=False)
    branches = " ".join(f"WHEN ({condition}) THEN ({value})" for condition, value in pairs)
    return f"CASE  {branches} ELSE {operands[-1] if len(operands) % 2 else 'NULL'} END"
