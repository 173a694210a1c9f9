"""The signed catalogue as DCAT 3 in JSON-LD, with the fields of the UK Cross-Government Metadata Exchange Model.

What a catalogue does not say (contact, licence, classification) comes from the caller or is left out, and ``lacking``
names it: nothing is made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.governance.text import day
from engine.trusted.catalogue import Bounds, Column, Dataset
from engine.trusted.dates import day_of
from engine.trusted.plan import Type
from engine.trusted.records import FederationManifest, Role
from engine.trusted.wire import digest, encode

MODEL = "https://w3id.org/co-cddo/uk-cross-government-metadata-exchange-model/"
CONTEXT: dict[str, Any] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "csvw": "http://www.w3.org/ns/csvw#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "ukgov": MODEL,
    **{key: f"dct:{key}" for key in ("title", "description", "identifier", "type", "publisher", "creator")},
    **{key: f"dcat:{key}" for key in ("version", "contactPoint", "distribution", "mediaType")},
    "accessRights": "dct:accessRights",
    "securityClassification": "ukgov:securityClassification",
    "contactName": "vcard:fn",
    "email": "vcard:hasEmail",
    "licence": {"@id": "dct:license", "@type": "@id"},
    "modified": {"@id": "dct:modified", "@type": "xsd:date"},
    "updateFrequency": "dct:accrualPeriodicity",
    "accessService": {"@id": "dcat:accessService", "@type": "@id"},
    "servesData": {"@id": "dcat:servesDataset", "@type": "@id"},
    "dataset": "dcat:dataset",
    "service": "dcat:service",
}
CSVW_TYPES = {
    Type.TEXT: "string",
    Type.INTEGER: "integer",
    Type.DECIMAL: "decimal",
    Type.DATE: "date",
    Type.BOOLEAN: "boolean",
}
REQUIRED = (
    *("identifier", "title", "description", "type", "version", "publisher", "creator", "contactPoint", "licence"),
    *("accessRights", "securityClassification", "modified", "updateFrequency"),
)


@dataclass(frozen=True, slots=True)
class Publisher:
    """What people have to say besides the catalogue; an empty field is left out of the export."""

    contact: str = ""
    email: str = ""
    licence: str = ""
    classification: str = ""
    updates: str = ""


def dcat(manifest: FederationManifest, publisher: Publisher) -> dict[str, Any]:
    """A ``dcat:Catalog`` of all datasets and of the service that answers questions about them."""
    root = f"urn:splittally:{manifest.federation}"
    return {
        "@context": CONTEXT,
        "@id": root,
        "@type": "dcat:Catalog",
        "title": f"Datasets of the federation {manifest.federation}",
        "description": "Rows stay with their hosts; statistics over all of them are differentially private.",
        "identifier": root,
        "version": str(manifest.epoch),
        "modified": day(manifest.issued_ms),
        "dataset": [_dataset(dataset, manifest, publisher, root) for dataset in manifest.catalogue.datasets],
        "service": [_service(manifest, publisher, root)],
    }


def lacking(document: dict[str, Any]) -> tuple[str, ...]:
    """Fields of the exchange model that some dataset does not have."""
    return tuple(key for key in REQUIRED if any(not dataset.get(key) for dataset in document["dataset"]))


def _dataset(dataset: Dataset, manifest: FederationManifest, publisher: Publisher, root: str) -> dict[str, Any]:
    bodies = {m.name: m.body for m in manifest.members}
    distribution = {
        "@type": "dcat:Distribution",
        "title": f"Statistics over {dataset.title}",
        "accessService": f"{root}:service",
        "mediaType": "text/csv",
    }
    said = {
        "@id": f"{root}:dataset:{dataset.name}",
        "@type": "dcat:Dataset",
        "type": "dcat:Dataset",
        "identifier": f"{root}:dataset:{dataset.name}",
        "title": dataset.title,
        "description": dataset.about,
        "version": digest(encode(dataset)).hex()[:16],
        "publisher": manifest.federation,
        "creator": list(dict.fromkeys(bodies.get(host, host) for host in dataset.hosts)),
        "modified": day(manifest.issued_ms),
        "updateFrequency": publisher.updates,
        "csvw:tableSchema": {"csvw:column": [_column(column) for column in dataset.columns]},
        "distribution": [distribution],
    }
    return _stated(said | _people(publisher))


def _service(manifest: FederationManifest, publisher: Publisher, root: str) -> dict[str, Any]:
    """The model's list of service types has none for this one, so it is left out."""
    said = {
        "@id": f"{root}:service",
        "@type": "dcat:DataService",
        "type": "dcat:DataService",
        "identifier": f"{root}:service",
        "title": f"Questions to the federation {manifest.federation}",
        "description": "SQL in, differentially private statistics out, under a signed agreement.",
        "version": str(manifest.epoch),
        "publisher": manifest.federation,
        "creator": [m.body for m in manifest.members if Role.COORDINATOR in m.roles],
        "modified": day(manifest.issued_ms),
        "servesData": [f"{root}:dataset:{d.name}" for d in manifest.catalogue.datasets],
    }
    return _stated(said | _people(publisher))


def _people(publisher: Publisher) -> dict[str, Any]:
    held = _stated({"contactName": publisher.contact, "email": publisher.email})
    return {
        "accessRights": "INTERNAL",
        "contactPoint": {"@type": "vcard:Kind", **held} if held else None,
        "licence": publisher.licence,
        "securityClassification": publisher.classification,
    }


def _column(column: Column) -> dict[str, Any]:
    kind: Any = CSVW_TYPES[column.type]
    if column.bounds:
        low, high = _bounds(column.type, column.bounds)
        kind = {"csvw:base": kind, "csvw:minimum": low, "csvw:maximum": high}
    said = {
        "csvw:name": column.name,
        "csvw:datatype": kind,
        "description": column.about,
        "csvw:titles": column.unit and f"{column.name} ({column.unit})",
    }
    return _stated(said)


def _bounds(kind: Type, bounds: Bounds) -> tuple[str, str]:
    if kind is Type.DATE:
        return day_of(bounds.lower).isoformat(), day_of(bounds.upper).isoformat()
    return f"{float(bounds.lower):.15g}", f"{float(bounds.upper):.15g}"


def _stated(said: dict[str, Any]) -> dict[str, Any]:
    """Without the fields that nobody filled in."""
    return {key: value for key, value in said.items() if value}
