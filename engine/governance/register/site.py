"""A register as a folder of files: pages, JSON, tables, and a crate beside each request's page."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from engine.errors import BadFile
from engine.governance.register.build import build
from engine.governance.register.cards import card_rows
from engine.governance.register.crate import NAME, crate
from engine.governance.register.pages import Pages
from engine.governance.register.related import Related
from engine.governance.register.rows import Register
from engine.governance.register.sources import Evidence
from engine.governance.register.tables import csv_bytes, csvw_bytes, document, json_bytes, schema, tables
from engine.trusted.wire import digest

MARK = "register.json"


def register_of(evidence: Evidence, now_ms: int, published: Mapping[bytes, bytes]) -> tuple[Register, dict[str, bytes]]:
    """The register, and the published tables that lie in it: place to bytes. ``published``: digest to bytes."""
    places = {
        p.table_digest: f"requests/{p.request_digest.hex()}/release-{p.run}.csv"
        for p in evidence.publications.values()
        if p.table_digest in published
    }
    cards = card_rows(evidence, published, places)
    return build(evidence, now_ms, places, cards), {place: published[found] for found, place in places.items()}


def files(evidence: Evidence, now_ms: int, published: Mapping[bytes, bytes]) -> Iterator[tuple[str, bytes]]:
    """(place, bytes) of every file."""
    register, releases = register_of(evidence, now_ms, published)
    yield from releases.items()
    papers = {found.hex(): agreement for found, agreement in evidence.agreements.items()}
    yield from Pages(register, evidence.roster.manifest.catalogue, papers).all()
    of = Related(register)
    for request in register.requests:
        yield f"requests/{request.request}/{NAME}", json_bytes(crate(register, request, of))
    for name, kind, rows in tables(register):
        yield f"{name}.csv", csv_bytes(kind, rows)
        yield f"{name}.csv-metadata.json", csvw_bytes(name, kind, register)
    yield "register.schema.json", json_bytes(schema())
    yield MARK, json_bytes(document(register), indent=None)


def published_tables(folder: Path | None) -> dict[bytes, bytes]:
    """The CSV files of a folder by their digests; only those that a signed publication names are used."""
    bodies = (path.read_bytes() for path in sorted(folder.rglob("*.csv")) if path.is_file()) if folder else ()
    return {digest(body): body for body in bodies}


def write(
    folder: Path, made: Iterable[tuple[str, bytes]], mark: str = MARK, otherwise: str = "FILE_REGISTER_FOLDER"
) -> int:
    """Writes a folder of pages in place of an older one; how many files. ``mark``: the file that tells an older one;
    BadFile ``otherwise`` for a folder that holds anything else."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / mark).is_file())):
        raise BadFile(otherwise, path=str(folder))
    fresh, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for left in (fresh, old):
        shutil.rmtree(left, ignore_errors=True)
    count = 0
    for place, body in made:
        target = fresh / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        count += 1
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
    return count
