"""Aggregates of the parser's tree -> syntax: the closed list of what can be asked of many rows."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from engine.errors import Refused
from engine.sql.refusals import refuse_node
from engine.sql.syntax import Aggregated, Constant, SyntaxExpression

if TYPE_CHECKING:
    from engine.sql.terms import Terms

Node = Any
ONE_COLUMN = {
    "Count": "count",
    "Sum": "sum",
    "Avg": "avg",
    "CountIf": "count_if",
    "Variance": "var_samp",
    "VariancePop": "var_pop",
    "Stddev": "stddev_samp",
    "StddevSamp": "stddev_samp",
    "StddevPop": "stddev_pop",
    "Median": "median",
    "Min": "min",
    "Max": "max",
    "LogicalOr": "bool_or",
    "LogicalAnd": "bool_and",
}
TWO_COLUMNS = {
    "CovarPop": "covar_pop",
    "CovarSamp": "covar_samp",
    "Corr": "corr",
    "RegrSlope": "regr_slope",
    "RegrIntercept": "regr_intercept",
    "RegrR2": "regr_r2",
    "RegrCount": "regr_count",
    "RegrAvgx": "regr_avgx",
    "RegrAvgy": "regr_avgy",
}
QUANTILES = {"PercentileCont": "quantile_cont", "PercentileDisc": "quantile_disc", "Quantile": "quantile_disc"}
AGGREGATES = {**ONE_COLUMN, **TWO_COLUMNS, **QUANTILES}
_SPELLED = {"Variance": "variance", "Stddev": "stddev", "Quantile": "quantile"}


def read_filter(terms: Terms, node: Node) -> SyntaxExpression:
    """``aggregate FILTER (WHERE condition)``."""
    found = terms.take(node, ("this", "expression"))
    kind = type(found["this"]).__name__
    if kind not in AGGREGATES and kind != "WithinGroup":
        raise terms.refuse(found["this"])
    condition = terms.read(terms.take(found["expression"], ("this",))["this"])
    return (read_within if kind == "WithinGroup" else read_aggregate)(terms, found["this"], condition)


def read_aggregate(terms: Terms, node: Node, where: SyntaxExpression | None = None) -> SyntaxExpression:
    """An aggregate by its node; raises Refused SQL_*."""
    kind = type(node).__name__
    return next(read for table, read in _READERS if kind in table)(terms, node, where)


def _one_column(terms: Terms, node: Node, where: SyntaxExpression | None) -> SyntaxExpression:
    kind = type(node).__name__
    at, spelled = terms.at(node), terms.written(node).lower() or _SPELLED.get(kind, ONE_COLUMN[kind])
    inner = terms.take(node, ("this",), ("big_int",)).get("this")
    distinct = type(inner).__name__ == "Distinct"
    if distinct:
        listed = terms.take(inner, ("expressions",)).get("expressions", ())
        if len(listed) > 1:
            raise refuse_node("Tuple", at, "", ())
        inner = listed[0] if listed else None
    if inner is None or type(inner).__name__ == "Star":
        if kind != "Count" or distinct or (inner is not None and any(inner.args.values())):
            raise Refused("SQL_SYNTAX", at=at, detail=f"{spelled.upper()} has no argument")
        return Aggregated("count", None, False, where, at, spelled)
    return Aggregated(ONE_COLUMN[kind], terms.read(inner), distinct, where, at, spelled)


def _two_columns(terms: Terms, node: Node, where: SyntaxExpression | None) -> SyntaxExpression:
    name, at = TWO_COLUMNS[type(node).__name__], terms.at(node)
    found = terms.take(node, ("this", "expression"))
    if len(found) != 2:
        raise Refused("SQL_SYNTAX", at=at, detail=f"{name.upper()} takes two columns")
    first, second = terms.read(found["this"]), terms.read(found["expression"])
    return Aggregated(name, first, False, where, at, terms.written(node).lower() or name, second=second)


def _quantile(terms: Terms, node: Node, where: SyntaxExpression | None) -> SyntaxExpression:
    kind, at = type(node).__name__, terms.at(node)
    name = QUANTILES[kind]
    found = terms.take(node, ("this", "expression", "quantile"))
    asked = found.get("expression") or found.get("quantile")
    if asked is None or "this" not in found:
        raise Refused("SQL_SYNTAX", at=at, detail=f"{name.upper()} takes a column and a fraction")
    spelled = terms.written(node).lower() or _SPELLED.get(kind, name)
    return Aggregated(name, terms.read(found["this"]), False, where, at, spelled, fraction=_fraction(terms, asked))


def read_within(terms: Terms, node: Node, where: SyntaxExpression | None = None) -> SyntaxExpression:
    """``PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x)``; DESC counts from the other end."""
    found = terms.take(node, ("this", "expression"))
    name, at = QUANTILES.get(type(found["this"]).__name__), terms.at(node)
    if name is None:
        raise terms.refuse(found["this"])
    fraction = _fraction(terms, terms.take(found["this"], ("this",))["this"])
    (ordered, *more) = terms.take(found["expression"], ("expressions",))["expressions"]
    if more:
        raise Refused("SQL_SYNTAX", at=at, detail="WITHIN GROUP takes one column")
    parts = terms.take(ordered, ("this", "desc"), ("nulls_first",))
    argument = terms.read(parts["this"])
    order = "desc" if "desc" in parts else "asc"
    return Aggregated(name, argument, False, where, at, name, fraction=fraction, within=order)


def _fraction(terms: Terms, node: Node) -> Constant:
    if type(node).__name__ in ("Array", "List", "Tuple"):
        instead = "Write QUANTILE_CONT once for each fraction; they cost no more than one."
        raise Refused("SQL_NOT_SUPPORTED", at=terms.at(node), construct="A list of fractions", instead=instead)
    found = terms.read(node)
    known = isinstance(found, Constant) and type(found.value) in (int, Fraction)
    if not isinstance(found, Constant) or not known or not 0 <= Fraction(found.value or 0) <= 1:
        raise Refused("SQL_LITERAL", at=found.at, problem="a quantile takes a number from 0 to 1")
    return found


_Reader = Callable[["Terms", Node, SyntaxExpression | None], SyntaxExpression]
_READERS: tuple[tuple[dict[str, str], _Reader], ...] = (
    (ONE_COLUMN, _one_column),
    (TWO_COLUMNS, _two_columns),
    (QUANTILES, _quantile),
)
