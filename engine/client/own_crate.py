"""One's own release as a Five Safes RO-Crate: from the receipt alone, by the rows and words of the public register.

What an auditor proves from journals, an analyst proves from the receipt: each survivor's charge is in its journal,
every signature holds. Publications are left out: what is public says the register.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from typing import Any

from engine.client.publish import Written
from engine.client.receipts import Verified
from engine.governance.register.build import build
from engine.governance.register.crate import NAME, crate
from engine.governance.register.rows import Register
from engine.governance.register.sources import Asked, Evidence, Kept
from engine.governance.register.tables import json_bytes
from engine.trusted import wire
from engine.trusted.messages import RequestState, RequestStatus
from engine.trusted.plan import Plan
from engine.trusted.records import InclusionProof, JournalEntry, Role

EPOCH = (1980, 1, 1, 0, 0, 0)  # of every file in the archive, so that equal contents give equal bytes


def own_crate(found: Verified, now_ms: int) -> dict[str, Any]:
    """The metadata file of a verified receipt's release."""
    register = _register(found, now_ms)
    return crate(register, register.requests[0])


def crate_archive(found: Verified, files: Written, name: str, receipt: bytes, now_ms: int) -> bytes:
    """A ZIP: the metadata, a page for people, the table with its description, and the receipt."""
    contents = {
        NAME: json_bytes(own_crate(found, now_ms)),
        "index.html": files.page,
        f"{name}.csv": files.csv,
        f"{name}.csv-metadata.json": files.metadata,
        f"{name}.receipt": receipt,
    }
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, content in contents.items():
            archive.writestr(zipfile.ZipInfo(place, EPOCH), content, zipfile.ZIP_DEFLATED)
    return body.getvalue()


def _register(found: Verified, now_ms: int) -> Register:
    """A register of this one request. Contradictions are between journals, which nobody has here: the receipt holds."""
    receipt, roster = found.receipt, found.roster
    round_ = receipt.round_manifest
    digest = wire.digest(round_.request.payload)
    plan: Plan = wire.decode(Plan, round_.plan, wire.PLAN_BYTES)
    status = RequestStatus(digest, RequestState.RELEASED, "", (), round_.attempt, (), (), round_.created_ms)
    body = roster.member(found.request.analyst).body
    evidence = Evidence(
        roster=roster,
        requests={digest: Asked(digest, found.request, body, plan, roster, status)},
        agreements={wire.digest(receipt.agreement.payload): found.agreement},
        approvals={wire.digest(wire.encode(approval)): approval for approval in found.approvals},
        journals={proof.member: _kept(proof) for proof in receipt.charges},
    )
    made = build(evidence, now_ms)
    places = {proof.member: proof.index for proof in receipt.charges}
    charges = tuple(replace(row, position=places[row.node], outcome="replied") for row in made.charges)
    return replace(made, charges=charges, contradictions=())


def _kept(proof: InclusionProof) -> Kept:
    """Of a journal, the one entry that is proven."""
    entry: JournalEntry = wire.decode(JournalEntry, proof.entry)
    return Kept(proof.member, (Role.NODE,), "sound", head=proof.head, entries=(entry,))
