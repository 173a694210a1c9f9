"""What the server is and what its SQL can do: the codes of SqlInfo, each with its value.

Tools ask once for all codes, and the JDBC driver casts each value to the type it expects: so every code that a driver
reads is here, of the type that drivers read, and none that an older driver has no name for. ``Flags`` is a bit mask or
the number of an enum, ``int`` a 64-bit number. Numbers and meanings: FlightSql.proto of Apache Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from engine.client.arrow import SQL_NAMES
from engine.sql.scan import LARGEST_TEXT
from engine.trusted.plan import Type

VERSION = "1"
ARROW_VERSION = "1.3"


@dataclass(frozen=True, slots=True)
class Flags:
    value: int


Value = str | bool | int | Flags | tuple[str, ...] | Mapping[int, tuple[int, ...]]
_ITEM = pa.field("item", pa.string())
_NUMBERS = pa.list_(pa.field("item", pa.int32()))
_MEMBERS = (
    pa.field("string_value", pa.string()),
    pa.field("bool_value", pa.bool_()),
    pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()),
    pa.field("string_list", pa.list_(_ITEM)),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), _NUMBERS)),
)
SCHEMA = pa.schema([pa.field("info_name", pa.uint32(), False), pa.field("value", pa.dense_union(_MEMBERS), False)])

NUMBER_WORDS = ("abs", "floor", "ceil", "round", "least", "greatest", "sign", "pow", "trunc")
TEXT_WORDS = (
    *("upper", "lower", "trim", "length", "substring", "left", "right", "concat", "replace", "split_part"),
    *("contains", "starts_with", "ends_with"),
)
DAY_WORDS = (
    *("year", "quarter", "month", "day", "dow", "isodow", "make_date", "strftime", "strptime", "date_trunc"),
    *("monthname", "dayname", "date_part", "age"),
)
OTHER_WORDS = ("coalesce", "nullif", "if")
_BIGINT, _DATE, _DECIMAL, _FLOAT, _INTEGER, _VARCHAR = 0, 4, 5, 6, 7, 19  # SqlSupportsConvert
_NUMERIC = (_BIGINT, _DECIMAL, _FLOAT, _INTEGER)


INFO: Mapping[int, Value] = {
    0: "Splittally",
    1: VERSION,
    2: ARROW_VERSION,
    3: True,  # nothing can be written
    4: True,  # SQL
    5: False,  # Substrait
    6: "",
    7: "",
    8: Flags(0),  # no transactions
    9: False,  # a charge cannot be called back
    100: Flags(0),  # prepared statements do not time out
    101: Flags(0),
    500: False,
    501: False,
    502: False,
    503: Flags(1),  # names regardless of case
    504: '"',
    505: Flags(1),
    506: False,  # figures over datasets can be selected, their rows cannot
    507: Flags(3),  # NULLs last
    508: ("QUALIFY", "FILTER", "ROLLUP", "CUBE", "GROUPING SETS"),
    509: NUMBER_WORDS,
    510: TEXT_WORDS,
    511: OTHER_WORDS,
    512: DAY_WORDS,
    513: "\\",
    514: "",
    515: True,
    516: True,
    517: {_VARCHAR: (*_NUMERIC, _DATE), **dict.fromkeys(_NUMERIC, (*_NUMERIC, _VARCHAR)), _DATE: (_VARCHAR,)},
    518: True,
    519: False,
    520: True,
    521: True,
    522: Flags(0b11),
    523: False,
    524: False,
    525: Flags(0b1),  # the minimum grammar
    526: Flags(0),  # less than entry level
    527: False,
    528: Flags(0b10),  # LEFT JOIN
    529: "schema",
    530: "procedure",
    531: "federation",
    532: True,
    533: Flags(0),
    534: Flags(0),
    535: Flags(0),
    536: False,
    537: False,
    538: Flags(0b110),  # EXISTS and IN
    539: True,
    540: Flags(0b10),  # UNION ALL
    **dict.fromkeys(range(541, 556), 0),  # no limit, or none that is known
    556: False,
    557: LARGEST_TEXT,
    **dict.fromkeys(range(558, 562), 0),
    562: 0,  # no transactions: a 64-bit number, as the JDBC driver reads it
    563: False,
    564: Flags(0b1),
    565: False,
    566: False,
    567: Flags(0b10),  # forward only
    568: Flags(0b10),  # read only
    569: Flags(0b10),
    570: Flags(0),
    571: Flags(0),
    572: False,
    573: False,
    574: False,
    575: False,
    576: False,
}


def sql_info(codes: Iterable[int]) -> pa.Table:
    """One row a code that was asked for and is known; all, if none is named."""
    asked = tuple(codes)
    rows = [(code, INFO[code]) for code in (asked or INFO) if code in INFO]
    members: list[list[object]] = [[] for _ in _MEMBERS]
    kinds, offsets = [], []
    for _, value in rows:
        kind = _member(value)
        kinds.append(kind)
        offsets.append(len(members[kind]))
        members[kind].append(_held(value))
    arrays = [pa.array(held, field.type) for held, field in zip(members, _MEMBERS, strict=True)]
    names = [field.name for field in _MEMBERS]
    union = pa.UnionArray.from_dense(pa.array(kinds, pa.int8()), pa.array(offsets, pa.int32()), arrays, names)
    return pa.Table.from_arrays([pa.array([code for code, _ in rows], pa.uint32()), union], schema=SCHEMA)


def _member(value: Value) -> int:
    """Which member of the union holds the value."""
    kinds = ((str, 0), (bool, 1), (int, 2), (Flags, 3), (tuple, 4))
    return next((place for kind, place in kinds if isinstance(value, kind)), 5)


def _held(value: Value) -> object:
    if isinstance(value, Flags):
        return value.value
    if isinstance(value, Mapping):
        return [(source, list(targets)) for source, targets in sorted(value.items())]
    return list(value) if isinstance(value, tuple) else value


_XDBC = {Type.BOOLEAN: -7, Type.INTEGER: -5, Type.DECIMAL: 8, Type.DATE: 91, Type.TEXT: 12}
_SIZES = {Type.BOOLEAN: 1, Type.INTEGER: 19, Type.DECIMAL: 53, Type.DATE: 10, Type.TEXT: None}
_RADIX = {Type.INTEGER: 10, Type.DECIMAL: 2}
_DATETIME, _SUBCODE_DATE = 9, 1
TYPE_SCHEMA = pa.schema(
    [
        pa.field("type_name", pa.string(), False),
        pa.field("data_type", pa.int32(), False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.string()),
        pa.field("literal_suffix", pa.string()),
        pa.field("create_params", pa.list_(pa.field("item", pa.string(), False))),
        pa.field("nullable", pa.int32(), False),
        pa.field("case_sensitive", pa.bool_(), False),
        pa.field("searchable", pa.int32(), False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.string()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)


def type_info(asked: int | None) -> pa.Table:
    """The types of the language, or the one of that XDBC number."""
    chosen = sorted((number, kind) for kind, number in _XDBC.items() if asked in (None, number))
    return pa.Table.from_pylist([_type_row(kind, number) for number, kind in chosen], schema=TYPE_SCHEMA)


def _type_row(kind: Type, number: int) -> dict[str, object]:
    signed = False if kind in _RADIX else None
    return {
        "type_name": SQL_NAMES[kind],
        "data_type": number,
        "column_size": _SIZES[kind],
        "literal_prefix": {Type.TEXT: "'", Type.DATE: "DATE '"}.get(kind),
        "literal_suffix": "'" if kind in (Type.TEXT, Type.DATE) else None,
        "create_params": None,
        "nullable": 1,
        "case_sensitive": kind is Type.TEXT,
        "searchable": 3 if kind is Type.TEXT else 2,
        "unsigned_attribute": signed,
        "fixed_prec_scale": False,
        "auto_increment": signed,
        "local_type_name": SQL_NAMES[kind].lower(),
        "minimum_scale": 0 if kind is Type.INTEGER else None,
        "maximum_scale": 0 if kind is Type.INTEGER else None,
        "sql_data_type": _DATETIME if kind is Type.DATE else number,
        "datetime_subcode": _SUBCODE_DATE if kind is Type.DATE else None,
        "num_prec_radix": _RADIX.get(kind),
        "interval_precision": None,
    }
