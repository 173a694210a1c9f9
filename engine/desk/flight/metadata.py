"""What tools browse: one catalog, the federation; in it the datasets and the tables of ``fed``; their columns and keys.

Made of the signed manifest; no node is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from engine.arrow_kinds import KINDS
from engine.client import fed
from engine.client.arrow import SQL_NAMES
from engine.client.fed_select import SCHEMA as FED
from engine.client.qualified import SCHEMA as DATASETS
from engine.desk.flight.ipc import schema_bytes
from engine.desk.flight.sqlinfo import sql_info, type_info
from engine.trusted.catalogue import Catalogue, Column, Dataset
from engine.trusted.plan import Type
from protos.arrow import flight_sql_pb2 as sql

TABLE, SYSTEM_TABLE = "TABLE", "SYSTEM TABLE"
Message = (
    sql.CommandGetSqlInfo
    | sql.CommandGetXdbcTypeInfo
    | sql.CommandGetCatalogs
    | sql.CommandGetDbSchemas
    | sql.CommandGetTables
    | sql.CommandGetTableTypes
    | sql.CommandGetPrimaryKeys
    | sql.CommandGetExportedKeys
    | sql.CommandGetImportedKeys
    | sql.CommandGetCrossReference
)
_FOREIGN_KEYS = pa.schema(
    [
        pa.field("pk_catalog_name", pa.string()),
        pa.field("pk_db_schema_name", pa.string()),
        pa.field("pk_table_name", pa.string(), False),
        pa.field("pk_column_name", pa.string(), False),
        pa.field("fk_catalog_name", pa.string()),
        pa.field("fk_db_schema_name", pa.string()),
        pa.field("fk_table_name", pa.string(), False),
        pa.field("fk_column_name", pa.string(), False),
        pa.field("key_sequence", pa.int32(), False),
        pa.field("fk_key_name", pa.string()),
        pa.field("pk_key_name", pa.string()),
        pa.field("update_rule", pa.uint8(), False),
        pa.field("delete_rule", pa.uint8(), False),
    ]
)
_PRIMARY_KEYS = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        pa.field("table_name", pa.string(), False),
        pa.field("column_name", pa.string(), False),
        pa.field("key_name", pa.string()),
        pa.field("key_sequence", pa.int32(), False),
    ]
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A table as tools list it."""

    schema: str
    name: str
    kind: str
    columns: pa.Schema


def answer(asked: Message, catalogue: Catalogue) -> pa.Table:
    """The rows that a command of the catalogue asks for."""
    match asked:
        case sql.CommandGetSqlInfo():
            return sql_info(asked.info)
        case sql.CommandGetXdbcTypeInfo():
            return type_info(asked.data_type if asked.HasField("data_type") else None)
        case sql.CommandGetCatalogs():
            return _texts({"catalog_name": [catalogue.federation]}, required=("catalog_name",))
        case sql.CommandGetDbSchemas():
            return _schemas(asked, catalogue)
        case sql.CommandGetTables():
            return _tables(asked, catalogue)
        case sql.CommandGetTableTypes():
            return _texts({"table_type": [SYSTEM_TABLE, TABLE]}, required=("table_type",))
        case sql.CommandGetPrimaryKeys():
            return _PRIMARY_KEYS.empty_table()  # no row can be named: there is no key
        case _:
            return _FOREIGN_KEYS.empty_table()


def listed(catalogue: Catalogue) -> tuple[Listed, ...]:
    """All tables, in the order of their schemas and names."""
    datasets = (Listed(DATASETS, d.name, TABLE, _columns_of(d)) for d in catalogue.datasets)
    own = (
        Listed(FED, name, SYSTEM_TABLE, pa.schema([_field(column, kind) for column, kind in relation.columns]))
        for name, relation in fed.TABLES.items()
    )
    return tuple(sorted((*datasets, *own), key=lambda found: (found.schema, found.name)))


def _columns_of(dataset: Dataset) -> pa.Schema:
    """Every column but the person may be NULL where its node publishes it."""
    person = dataset.person.column
    return pa.schema([_field(c.name, c.type, c.name != person, _remarks(c, person)) for c in dataset.columns])


def _remarks(column: Column, person: str) -> str:
    meant = "The person: for joins and COUNT(DISTINCT) only." if column.name == person else ""
    parts = (column.about, f"Unit: {column.unit}." if column.unit else "", meant)
    return " ".join(part for part in parts if part)


def _field(name: str, kind: Type, nullable: bool = True, remarks: str = "") -> pa.Field:
    about = {
        "ARROW:FLIGHT:SQL:TYPE_NAME": SQL_NAMES[kind],
        "ARROW:FLIGHT:SQL:IS_AUTO_INCREMENT": "0",
        "ARROW:FLIGHT:SQL:IS_CASE_SENSITIVE": "1" if kind is Type.TEXT else "0",
        "ARROW:FLIGHT:SQL:IS_READ_ONLY": "1",
        "ARROW:FLIGHT:SQL:IS_SEARCHABLE": "1",
        "ARROW:FLIGHT:SQL:REMARKS": remarks,
    }
    return pa.field(name, KINDS[kind], nullable, {key: value for key, value in about.items() if value})


def _schemas(asked: sql.CommandGetDbSchemas, catalogue: Catalogue) -> pa.Table:
    pattern = asked.db_schema_filter_pattern if asked.HasField("db_schema_filter_pattern") else None
    here = _in_catalog(asked, catalogue)
    found = [name for name in (DATASETS, FED) if here and _like(name, pattern)]
    columns = {"catalog_name": [catalogue.federation] * len(found), "db_schema_name": found}
    return _texts(columns, required=("db_schema_name",))


def _tables(asked: sql.CommandGetTables, catalogue: Catalogue) -> pa.Table:
    found = list(_found(asked, catalogue))
    columns = {
        "catalog_name": [catalogue.federation] * len(found),
        "db_schema_name": [table.schema for table in found],
        "table_name": [table.name for table in found],
        "table_type": [table.kind for table in found],
    }
    made = _texts(columns, required=("table_name", "table_type"))
    if asked.include_schema:
        schemas = pa.array([schema_bytes(table.columns) for table in found], pa.binary())
        made = made.append_column(pa.field("table_schema", pa.binary(), False), schemas)
    return made


def _found(asked: sql.CommandGetTables, catalogue: Catalogue) -> Iterator[Listed]:
    schema = asked.db_schema_filter_pattern if asked.HasField("db_schema_filter_pattern") else None
    name = asked.table_name_filter_pattern if asked.HasField("table_name_filter_pattern") else None
    for table in listed(catalogue) if _in_catalog(asked, catalogue) else ():
        of_kind = not asked.table_types or table.kind in asked.table_types
        if of_kind and _like(table.schema, schema) and _like(table.name, name):
            yield table


def _in_catalog(asked: sql.CommandGetDbSchemas | sql.CommandGetTables, catalogue: Catalogue) -> bool:
    """An empty name asks for what has no catalog; without one, all are meant."""
    return not asked.HasField("catalog") or asked.catalog == catalogue.federation


def _like(name: str, pattern: str | None) -> bool:
    """``%`` stands for any characters, ``_`` for one, a backslash takes either as it is."""
    if pattern is None:
        return True
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    signs = {"%": ".*", "_": "."}
    found = "".join(signs.get(part) or re.escape(part[-1]) for part in parts)
    return re.fullmatch(found, name, re.DOTALL) is not None


def _texts(columns: dict[str, list[str]], required: tuple[str, ...]) -> pa.Table:
    schema = pa.schema([pa.field(name, pa.string(), name not in required) for name in columns])
    return pa.Table.from_pydict(columns, schema=schema)
