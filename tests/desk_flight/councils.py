"""Two councils of a thousand residents each, and a desk that serves drivers: a whole federation, of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.catalogue.load import parse_catalogue
from engine.client.session import Session
from engine.desk.flight.server import FlightSqlServer
from engine.local.federation import LocalFederation

CATALOGUE = """
federation: realm
datasets:
  people:
    hosts: [north, south]
    person: person_id
    overlap: 1
    rows_per_person: 1
    at_most: {persons: 10_000, rows: 10_000}
    columns:
      person_id: {type: text}
      region: {type: text, domain: [N, S]}
      income: {type: integer, bounds: [0, 100]}
"""
ROWS = 1_000  # at each node, all of one region, each with an income of 50


@contextmanager
def councils(folder: Path, token: str) -> Iterator[tuple[FlightSqlServer, Session]]:
    bindings: dict[str, Path] = {}
    for node, region in (("north", "N"), ("south", "S")):
        bindings[node] = folder / node
        bindings[node].mkdir()
        lines = "\n".join(f"{node}{i},{region},50" for i in range(ROWS))
        (bindings[node] / "people.csv").write_text(f"person_id,region,income\n{lines}\n")
    with LocalFederation(parse_catalogue(CATALOGUE, "catalogue"), bindings) as made, made.session() as session:
        server = FlightSqlServer.start(lambda: session, "127.0.0.1", 0, token)
        try:
            yield server, session
        finally:
            server.stop()
