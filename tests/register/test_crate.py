"""A request as a crate: the shape of RO-Crate 1.1, the phases of the Five Safes profile, and nothing unpublished."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from engine.governance.register.site import files
from engine.trusted.records import Loss
from tests.register.histories import PURPOSE, History, digest_of

TABLE = b"region,n\r\nN,12\r\n"
TERMS = {"CheckValue", "ValidationCheck", "SignOff", "DisclosureCheck"}
STATES = {f"http://schema.org/{s}ActionStatus" for s in ("Completed", "Failed", "Active", "Potential")}


def crates(history: History, published: dict[bytes, bytes]) -> dict[str, list[dict[str, Any]]]:
    site = dict(files(history.evidence(), history.now, published))
    found = {}
    for place, body in site.items():
        if place.endswith("ro-crate-metadata.json"):
            document = json.loads(body)
            assert document["@context"] == "https://w3id.org/ro/crate/1.1/context"
            found[place.split("/")[1]] = document["@graph"]
    return found


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            return {value["@id"]}
        return set().union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_shape_of_a_crate(history: History) -> None:
    submission = history.ask(loss=Loss(1_000, 0))
    history.decide(submission, "north")
    history.decide(submission, "west", "too fine")
    history.round(submission, "replied", "replied", "refused")
    history.publish(submission, "Clinics <2024>", TABLE)
    waiting = history.ask(loss=Loss(1_000, 0))
    found = crates(history, {sha256(TABLE).digest(): TABLE})
    assert set(found) == {digest_of(s).hex() for s in (submission, waiting)}
    for graph in found.values():
        ids = [entity["@id"] for entity in graph]
        assert len(ids) == len(set(ids))
        by_id = {entity["@id"]: entity for entity in graph}
        assert by_id["ro-crate-metadata.json"]["about"] == {"@id": "./"}
        assert by_id["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
        root = by_id["./"]
        assert {"name", "description", "datePublished", "license", "publisher", "mainEntity"} <= set(root)
        assert root["description"] == PURPOSE
        actions = [e for e in graph if e["@type"] in ("AssessAction", "CreateAction", "UpdateAction")]
        assert {a["@id"] for a in actions} == {m["@id"] for m in root["mentions"]}
        assert all(action["actionStatus"] in STATES and action["name"] for action in actions)
        assert all("endTime" in a for a in actions if a["actionStatus"].endswith("CompletedActionStatus"))
        outside = {"https://w3id.org/ro/crate/1.1", *(f"https://w3id.org/shp#{term}" for term in TERMS)}
        assert set().union(*map(references, graph)) - set(ids) <= outside
        assert {part["@id"] for part in root["hasPart"]} == {e["@id"] for e in graph if e["@type"] == "File"}


def phases(graph: list[dict[str, Any]], term: str) -> list[tuple[str, str]]:
    """(agent, status) of each assessment of a phase."""
    wanted = {"@id": f"https://w3id.org/shp#{term}"}
    return [
        (e["agent"]["@id"], e["actionStatus"].removeprefix("http://schema.org/").removesuffix("ActionStatus"))
        for e in graph
        if e.get("additionalType") == wanted
    ]


def test_phases_are_approvals_checks_and_noise(history: History) -> None:
    submission = history.ask(loss=Loss(1_000, 0))
    history.decide(submission, "north")
    history.decide(submission, "west", "too fine")
    history.round(submission, "replied", "none", "refused")
    (graph,) = crates(history, {}).values()
    assert phases(graph, "CheckValue") == [("#register", "Completed")]
    assert phases(graph, "ValidationCheck") == [("#register", "Completed")]
    assert sorted(phases(graph, "SignOff")) == [
        ("#node-east", "Completed"),
        ("#node-north", "Completed"),
        ("#node-west", "Completed"),
        ("#person-guardian-north", "Completed"),
        ("#person-guardian-west", "Failed"),
    ]
    assert phases(graph, "DisclosureCheck") == [
        ("#node-east", "Completed"),
        ("#node-north", "Potential"),
        ("#node-west", "Failed"),
    ]


def test_a_crate_holds_a_table_only_if_it_was_published_and_is_at_hand(history: History) -> None:
    submission = history.ask(loss=Loss(1_000, 0))
    history.round(submission, "replied", "replied", "replied")
    secret = b"region,n\r\nN,99\r\n"
    (graph,) = crates(history, {sha256(secret).digest(): secret}).values()
    assert [e["@id"] for e in graph if e["@type"] == "File"] == ["index.html"]
    history.publish(submission, "Clinics", TABLE)
    at_hand = {sha256(body).digest(): body for body in (TABLE, secret)}
    (graph,) = crates(history, at_hand).values()
    (file,) = (e for e in graph if e.get("encodingFormat") == "text/csv")
    assert (file["@id"], file["sha256"]) == ("release-1.csv", sha256(TABLE).hexdigest())
    site = dict(files(history.evidence(), history.now, at_hand))
    assert site[f"requests/{digest_of(submission).hex()}/release-1.csv"] == TABLE
    assert secret not in site.values()
