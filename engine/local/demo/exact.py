"""The exact answers, from all departments' raw files in one database.

Only a demonstration can do this: it made the files itself. No part of the product has this view, and the bounds of
the catalogue are not applied, so that what they cost in accuracy shows as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.local.demo.questions import Question
from engine.local.demo.schema import NODES

Row = Mapping[str, Any]

_VIEWS = """
CREATE VIEW earnings AS SELECT simulant_id AS person_id, tax_form AS form, wages::BIGINT AS wages
FROM read_parquet('{folder}/tax/*.parquet');
CREATE VIEW registrations AS SELECT simulant_id AS person_id, sex[1] AS sex,
  strptime(date_of_birth, '%Y%m%d')::DATE AS born FROM read_parquet('{folder}/social-security/*.parquet');
CREATE VIEW residents AS SELECT simulant_id AS person_id, age::BIGINT AS age, sex[1] AS sex,
  regexp_extract(filename, 'council-([a-z]+)', 1) AS council, housing_type AS housing,
  CASE relationship_to_reference_person
    WHEN 'Reference person' THEN 'head'
    WHEN 'Opposite-sex spouse' THEN 'partner' WHEN 'Same-sex spouse' THEN 'partner'
    WHEN 'Opposite-sex unmarried partner' THEN 'partner' WHEN 'Same-sex unmarried partner' THEN 'partner'
    WHEN 'Biological child' THEN 'child' WHEN 'Adopted child' THEN 'child'
    WHEN 'Stepchild' THEN 'child' WHEN 'Foster child' THEN 'child'
    WHEN 'Roommate or housemate' THEN 'not related' WHEN 'Other nonrelative' THEN 'not related'
    WHEN 'Institutionalized group quarters population' THEN 'group quarters'
    WHEN 'Noninstitutionalized group quarters population' THEN 'group quarters'
    ELSE 'other relative' END AS relationship
FROM read_parquet('{folder}/council-*/*.parquet', filename = true);
"""


class Exact:
    """Answers questions over the union of the files below ``folder``."""

    def __init__(self, folder: Path) -> None:
        import duckdb

        missing = [node for node in NODES if not (folder / node).is_dir()]
        if missing:
            raise ValueError(f"no files of {', '.join(missing)}")
        self._connection = duckdb.connect()
        self._connection.execute(_VIEWS.format(folder=str(folder).replace("'", "''")))

    def rows(self, question: Question, released: Sequence[Row]) -> list[Row]:
        """The exact row beside each released one, found by the question's keys; empty where there is none."""
        cursor = self._connection.execute(question.body)
        names = [column[0] for column in cursor.description or ()]
        every = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        found = {tuple(row[key] for key in question.keys): row for row in every}
        return [found.get(tuple(row[key] for key in question.keys), {}) for row in released]
