"""The closed lists of the language: operators, functions, parts of dates and types, by the parser's names for them."""

from __future__ import annotations

from typing import NamedTuple

from engine.sql.aggregates import AGGREGATES
from engine.trusted.plan import Type


class Row(NamedTuple):
    """How one node is read: its operator, the parts that are its operands, and parts without meaning here."""

    operator: str
    parts: tuple[str, ...] = ("this", "expression")
    ignored: tuple[str, ...] = ()


_ONE = ("this",)
OPERATORS: dict[str, Row] = {
    "Add": Row("+"),
    "Sub": Row("-"),
    "Mul": Row("*"),
    "Div": Row("/", ignored=("typed", "safe")),
    "IntDiv": Row("//"),
    "Mod": Row("%"),
    "EQ": Row("="),
    "NEQ": Row("!="),
    "LT": Row("<"),
    "LTE": Row("<="),
    "GT": Row(">"),
    "GTE": Row(">="),
    "And": Row("and"),
    "Or": Row("or"),
    "Not": Row("not", _ONE),
    "Between": Row("between", ("this", "low", "high")),
    "DPipe": Row("||", ignored=("safe",)),
    "NullSafeEQ": Row("not distinct from"),
    "NullSafeNEQ": Row("distinct from"),
}
COMPARISONS = frozenset(("EQ", "NEQ", "LT", "LTE", "GT", "GTE"))
FUNCTIONS: dict[str, Row] = {
    "Abs": Row("abs", _ONE),
    "Floor": Row("floor", _ONE),
    "Ceil": Row("ceil", _ONE),
    "Round": Row("round", ("this", "decimals")),
    "Least": Row("least", ("this", "expressions"), ("ignore_nulls",)),
    "Greatest": Row("greatest", ("this", "expressions"), ("ignore_nulls",)),
    "Coalesce": Row("coalesce", ("this", "expressions")),
    "Nullif": Row("nullif"),
    "If": Row("if", ("this", "true", "false")),
    "Upper": Row("upper", _ONE),
    "Lower": Row("lower", _ONE),
    "Trim": Row("trim", _ONE),
    "Length": Row("length", _ONE),
    "Substring": Row("substring", ("this", "start", "length")),
    "Left": Row("left"),
    "Concat": Row("concat", ("expressions",), ("safe", "coalesce")),
    "Year": Row("year", _ONE),
    "Quarter": Row("quarter", _ONE),
    "Month": Row("month", _ONE),
    "Day": Row("day", _ONE),
    "DayOfMonth": Row("day", _ONE),
    "DayOfWeek": Row("dow", _ONE),
    "DayOfWeekIso": Row("isodow", _ONE),
    "Sign": Row("sign", _ONE),
    "Pow": Row("pow"),
    "Trunc": Row("trunc", _ONE),
    "Replace": Row("replace", ("this", "expression", "replacement")),
    "Right": Row("right"),
    "SplitPart": Row("split_part", ("this", "delimiter", "part_index")),
    "Contains": Row("contains"),
    "StartsWith": Row("starts_with"),
    "EndsWith": Row("ends_with"),
    "DateFromParts": Row("make_date", ("year", "month", "day")),
    "StrToTime": Row("strptime", ("this", "format")),
    "TimeToStr": Row("strftime", ("this", "format")),
    "Monthname": Row("monthname", _ONE),
    "Dayname": Row("dayname", _ONE),
}
NAMED = {  # functions the parser does not know: their operators, and how many operands they take
    "date_part": ("date_part", 2),
    "datepart": ("date_part", 2),
    "alphanumeric": ("alphanumeric", 1),
    "mean": ("avg", 1),
    "prefix": ("starts_with", 2),
    "suffix": ("ends_with", 2),
    "weekday": ("dow", 1),
    "age": ("age", 2),
    "date_sub": ("date_sub", 3),
    "datesub": ("date_sub", 3),
}
PARTS = {"year": "year", "quarter": "quarter", "month": "month", "day": "day", "isodow": "isodow", "dow": "dow"} | {
    "dayofweek": "dow",
    "dayofmonth": "day",
}
GRAINS = ("day", "week", "month", "quarter", "year")
TYPES = {"INT": Type.INTEGER, "BIGINT": Type.INTEGER, "DOUBLE": Type.DECIMAL, "DECIMAL": Type.DECIMAL} | {
    "TEXT": Type.TEXT,
    "VARCHAR": Type.TEXT,
    "DATE": Type.DATE,
    "BOOLEAN": Type.BOOLEAN,
}
SPELLED = {"INT": "INTEGER", "TEXT": "VARCHAR"}
KNOWN_FUNCTIONS = tuple(
    sorted({row.operator for row in FUNCTIONS.values()} | set(AGGREGATES.values()) | set(NAMED) | {"date_trunc"})
)
