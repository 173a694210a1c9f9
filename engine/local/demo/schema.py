"""The departments' own files: which tables, which local columns, who holds what."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from pathlib import Path

NODES = ("tax", "social-security", "council-east", "council-north", "council-west")
COUNCILS = NODES[2:]
HERE = Path(__file__).parent


class Table(enum.Enum):
    """File name (without ending) and local columns of each table."""

    TAXES = "taxes_w2_and_1099"
    SOCIAL_SECURITY = "social_security"
    CENSUS = "decennial_census"

    @property
    def columns(self) -> tuple[str, ...]:
        return _COLUMNS[self]


_COLUMNS = {
    Table.TAXES: ("simulant_id", "ssn", "wages", "employer_name", "tax_form", "tax_year"),
    Table.SOCIAL_SECURITY: (*("simulant_id", "ssn", "first_name", "date_of_birth", "sex", "event_type", "event_date"),),
    Table.CENSUS: (
        *("simulant_id", "household_id", "age", "sex", "housing_type", "relationship_to_reference_person", "year"),
    ),
}


def council_of(household_id: str | int) -> str:
    """The council whose area a household lies in: half east, three tenths north, the rest west."""
    tenth = int(str(household_id).split("_")[-1]) % 10
    return COUNCILS[0] if tenth < 5 else COUNCILS[1] if tenth < 8 else COUNCILS[2]


def write_table(folder: Path, table: Table, columns: Mapping[str, Sequence[str | int]]) -> None:
    """Write one table as Parquet into a department's folder, every column of the schema, in its order."""
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    arrays = {name: pa.array(columns[name]) for name in table.columns}
    parquet.write_table(pa.table(arrays), folder / f"{table.value}.parquet")
