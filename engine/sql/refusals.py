"""Constructs of SQL outside the language, by the parser's names for them, and what to write instead.

The language is a closed list (terms.py and parse.py); this table only makes refusals helpful. What stands in neither
is refused as SQL_NOT_SUPPORTED with the parser's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from engine.errors import Position, Refused


class Refusal(NamedTuple):
    code: str
    construct: str
    instead: str


def _never(construct: str, instead: str) -> Refusal:
    return Refusal("SQL_NOT_SUPPORTED", construct[0].upper() + construct[1:], instead)


def _later(construct: str, instead: str) -> Refusal:
    return Refusal("SQL_NOT_YET_SUPPORTED", construct[0].upper() + construct[1:], instead)


_JOIN = _never("this kind of join", "Use JOIN or LEFT JOIN ... ON a.person = b.person, or EXISTS.")
_UNION = _never(
    "UNION here",
    "For totals, GROUP BY ROLLUP (...). Else one statement for each part; UNION ALL of rows stands in FROM (...).",
)
_SET = _never("INTERSECT or EXCEPT", "Use EXISTS or NOT EXISTS on the person, or conditions in WHERE.")
_SUBQUERY = _never(
    "a query inside an expression",
    "Shares: COUNT(*) / SUM(COUNT(*)) OVER (). Persons: EXISTS, IN or a join. Else ask for the figure first.",
)
_WINDOW = _never("a window function without OVER", "Write it as RANK() OVER (ORDER BY COUNT(*) DESC).")
_ROWS = _never("a function that returns values of single rows", "Use COUNT, SUM or AVG, or GROUP BY it.")
_TIME = _never("the current date or time", "Write the date: DATE '2024-01-31'.")
_SAMPLE = _never("sampling", "Leave it out; noise protects people already.")
_TEXT = _never("this text function", "Use LIKE, UPPER, LOWER, TRIM, LENGTH, SUBSTRING or ||.")
_JSON = _never("a list, row, struct, map or JSON value", "Use columns that the catalogue declares.")
_ROOT = _never("a root", "SQRT(VARIANCE(x)) is STDDEV(x). Else take the root of the answer.")
_MATHS = _never("this function", "Use + - * / // % ABS, FLOOR, CEIL, ROUND, LEAST or GREATEST.")
_UNIT = _never("this part of a date", "Use year, quarter, month, day, isodow or dow; a decade is year(d) // 10 * 10.")
_LIST = _later(
    "IN with a column or query", "Write the values: IN (1, 2, 3); of queries, only person IN (SELECT person ...)."
)


def _each(names: str, refusal: Refusal) -> dict[str, Refusal]:
    return dict.fromkeys(names.split(), refusal)


NODES: dict[str, Refusal] = {
    **_each("Join Lateral", _JOIN),
    **_each("Intersect Except", _SET),
    "Union": _UNION,
    **_each("Subquery Select Any All", _SUBQUERY),
    **_each("Rollup Cube GroupingSets", _never("ROLLUP, CUBE or GROUPING SETS here", "Write it after GROUP BY.")),
    **_each("ApproxQuantile ApproxQuantiles WithinGroup", _never("this quantile", "Use QUANTILE_CONT(x, 0.5).")),
    **_each("Kurtosis Skewness", _never("kurtosis or skewness", "Use quantiles, or VARIANCE.")),
    **_each(
        "RowNumber Rank DenseRank PercentRank CumeDist Ntile Lag Lead FirstValue LastValue NthValue",
        _WINDOW,
    ),
    "ApproxDistinct": _never("an approximate count", "Use COUNT(DISTINCT person): every count is noisy, none is slow."),
    **_each(
        "AnyValue First Last ArgMax ArgMin ArrayAgg GroupConcat Histogram IgnoreNulls "
        "BitwiseAndAgg BitwiseOrAgg BitwiseXorAgg RespectNulls ArrayUniqueAgg",
        _ROWS,
    ),
    "Mode": _never("MODE", "GROUP BY the column, ORDER BY COUNT(*) DESC LIMIT 1; or QUALIFY by RANK() OVER."),
    **_each("LogicalAnd LogicalOr", _later("BOOL_AND or BOOL_OR", "Use COUNT(*) FILTER (WHERE ...).")),
    **_each(
        "CurrentDate CurrentTime CurrentTimestamp CurrentDatetime CurrentUser CurrentVersion Rand Uuid "
        "Localtime Localtimestamp CurrentSchema CurrentDatabase",
        _TIME,
    ),
    "TableSample": _SAMPLE,
    **_each(
        "RegexpLike RegexpReplace RegexpExtract RegexpILike Split ConcatWs Pad Repeat Format "
        "StrPosition Reverse MD5 SHA2 Chr Unicode Ascii Hex Levenshtein Translate Initcap",
        _TEXT,
    ),
    **_each("SimilarTo Glob Escape", _never("this pattern match", "Use LIKE, ILIKE, = or IN.")),
    **_each(
        "Bracket Array Struct Map JSONExtract JSONExtractScalar JSONBExtract Dot List Explode Unnest "
        "Comprehension Lambda Slice Tuple ToMap JSON ParseJSON",
        _JSON,
    ),
    **_each(
        "Ln Log Exp BitwiseAnd BitwiseOr BitwiseXor BitwiseNot "
        "BitwiseLeftShift BitwiseRightShift Factorial Sin Cos Tan",
        _MATHS,
    ),
    **_each("Sqrt Cbrt", _ROOT),
    "ToChar": _never("TO_CHAR", "Of dates: strftime(d, '%Y-%m'), or date_trunc('month', d)."),
    **_each("Values ReadCSV ReadParquet", Refusal("SQL_FILE", "", "")),
    **_each("Pivot Unpivot", _never("PIVOT", "Group by the column.")),
    "WidthBucket": _never("WIDTH_BUCKET", "Write floor(x / 1000) * 1000, or a CASE."),
    **_each("Collate AtTimeZone", _never("COLLATE or a time zone", "Leave it out.")),
    **_each("Placeholder Parameter SessionParameter", _never("a parameter", "Write the value.")),
    **_each("PositionalColumn Columns Aliases", _never("this way to name columns", "Name each column.")),
    "Interval": _never("an interval here", "Add days to a date: paid_on + INTERVAL 7 DAY."),
    "DataType": _never("this type", "Cast to INTEGER, BIGINT, DOUBLE, DECIMAL(p, s), DATE, BOOLEAN or VARCHAR."),
    "DateDiff": _never("this unit of date_diff", "Use 'day', 'month', 'quarter' or 'year'."),
    "TimestampTrunc": _never("this unit of date_trunc", "Use 'day', 'week', 'month', 'quarter' or 'year'."),
    "Extract": _UNIT,
    **_each("Week WeekOfYear", _never("the number of a week", "Use date_trunc('week', d), the week's Monday.")),
    "LastDay": _never("LAST_DAY", "Use date_trunc('month', d), the month's first day."),
    **_each("DayOfYear TimeToUnix", _UNIT),
    **_each("DateBin DateSub TsOrDsAdd", _never("this date function", "Use date_trunc or date_diff.")),
    **_each("ByteString RawString HexString BitString National", _never("this literal", "Use '...'.")),
}

CLAUSES: dict[str, Refusal] = {
    "distinct": _never("SELECT DISTINCT", "Use GROUP BY, with COUNT(*) to see how many."),
    "joins": _JOIN,
    "kind": _JOIN,
    "method": _JOIN,
    "laterals": _JOIN,
    "locks": _never("FOR UPDATE", "Leave it out."),
    "sample": _SAMPLE,
    "windows": _never("a window with a name", "Write it out: SUM(COUNT(*)) OVER (ORDER BY month)."),
    "pivots": _never("PIVOT", "Group by the column."),
    "into": _never("INTO", "Leave it out; nothing is written."),
    "hint": _never("a hint", "Leave it out."),
    "operation_modifiers": _never("this modifier of SELECT", "Leave it out."),
    "when": _never("a time-travel clause", "Leave it out."),
    "recursive": _never("WITH RECURSIVE", "Use WITH without RECURSIVE."),
    "materialized": _never("MATERIALIZED", "Leave it out."),
    "limit_options": _never("LIMIT with a percentage or ties", "Write LIMIT and a number."),
    "except_": _never("* EXCLUDE", "Name the columns."),
    "replace": _never("* REPLACE", "Name the columns."),
    "rename": _never("* RENAME", "Name the columns."),
    "query": _SUBQUERY,
    "field": _LIST,
    "unnest": _LIST,
    "symmetric": _never("BETWEEN SYMMETRIC", "Write the lower bound first."),
    "db": _never("a schema before a table", "Name the dataset alone."),
    "catalog": _never("a database before a table", "Name the dataset alone."),
    "columns": _later("column names after a table alias", "Name columns inside: SELECT x AS name."),
    "ordinality": _JSON,
    "by_name": _never("UNION ALL BY NAME", "List the columns of both sides in the same order."),
    "totals": _never("WITH TOTALS", "Write GROUP BY ROLLUP (...)."),
    "rollup": _never("WITH ROLLUP", "Write GROUP BY ROLLUP (...)."),
    "cube": _never("WITH CUBE", "Write GROUP BY CUBE (...)."),
    "with_fill": _never("WITH FILL", "Leave it out."),
    "position": _never("TRIM with LEADING or TRAILING", "Use TRIM(x)."),
    "format": _never("FORMAT", "Leave it out."),
}


def meant(name: str, known: Sequence[str]) -> str:
    """A hint that names what could be meant, or the first of what there is."""
    near = get_close_matches(name.lower(), [k.lower() for k in known], n=1)
    if near:
        return f"Did you mean `{next(k for k in known if k.lower() == near[0])}`?"
    return f"Known here: {', '.join(known[:12])}{', ...' if len(known) > 12 else ''}."


def refuse_node(kind: str, at: Position, spelled: str, functions: tuple[str, ...]) -> Refused:
    """The refusal of a node that is not in the language; ``spelled`` is a function's name as written."""
    row = NODES.get(kind)
    if row is not None:
        return Refused(row.code, at=at, construct=row.construct, instead=row.instead)
    if spelled:
        near = get_close_matches(spelled.lower(), functions, n=1)
        instead = f"Did you mean {near[0].upper()}?" if near else "See the list of functions in the manual."
        return Refused("SQL_UNKNOWN_FUNCTION", at=at, name=spelled[:40], meant=instead)
    return Refused("SQL_NOT_SUPPORTED", at=at, construct=f"This construct ({kind})", instead="Write it in plainer SQL.")


def refuse_clause(node: str, clause: str, at: Position) -> Refused:
    """The refusal of a part of a known node that is not in the language."""
    row = CLAUSES.get(clause)
    if row is not None:
        return Refused(row.code, at=at, construct=row.construct, instead=row.instead)
    return Refused(
        "SQL_NOT_SUPPORTED",
        at=at,
        construct=f"The part {clause.strip('_').upper()} of {node.upper()}",
        instead="Write it in plainer SQL.",
    )
