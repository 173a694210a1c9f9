"""Names of datasets as tools write them: ``datasets.people``, or ``federation.datasets.people``.

The language has no schemas. Tools that browse tables put one before each name, so it is taken off again: blanked, so
that places in refusals stay as they are.
"""

from __future__ import annotations

from engine.errors import Refused
from engine.sql.scan import scan
from engine.trusted.catalogue import Catalogue

SCHEMA = "datasets"


def unqualified(sql: str, catalogue: Catalogue) -> str:
    """The statement without a schema, or catalog and schema, before the datasets of FROM and JOIN."""
    try:
        lexemes = scan(sql)
    except Refused:
        return sql  # it is refused by whoever reads it next
    names = {dataset.name.lower() for dataset in catalogue.datasets}
    prefixes = ([SCHEMA, "."], [catalogue.federation.lower(), ".", SCHEMA, "."])
    for place, lexeme in enumerate(lexemes):
        if lexeme.kind != "word" or lexeme.text not in ("from", "join"):
            continue
        for prefix in prefixes:
            end = place + 1 + len(prefix)
            behind = [found.text.lower() for found in lexemes[place + 1 : end]]
            if behind == prefix and end < len(lexemes) and lexemes[end].text.lower() in names:
                start, stop = lexemes[place + 1].start, lexemes[end].start
                sql = sql[:start] + " " * (stop - start) + sql[stop:]
    return sql
