"""Step 4 of the coordinator: the manifest of one round. Its exact bytes, once made, are the round."""

from __future__ import annotations

from engine.coordinator.admit import Admitted
from engine.coordinator.events import Open
from engine.coordinator.intake import Frame
from engine.coordinator.services import Services
from engine.trusted import wire
from engine.trusted.records import RECORD_VERSION, Participant, RoundManifest, SignedRecord
from engine.trusted.sign import NONCE_BYTES


def assemble(case: Admitted, services: Services, chosen: Open, readies: dict[str, SignedRecord]) -> Frame:
    """One attempt at the request over the members ``chosen``, with each helper's *ready*, in a join also each owner's.

    Every member checks all of it against the signed request and its own computation; nothing here is trusted.
    """
    now, windows = services.clock.now_ms(), services.windows
    length = windows.share + windows.answer + 2 * case.streaming_ms
    ready = (*chosen.helpers, *(chosen.participants if case.joins else ()))
    manifest = RoundManifest(
        version=RECORD_VERSION,
        nonce=services.randomness.bytes(NONCE_BYTES),
        request=case.submission.request,
        plan=case.submission.plan,
        approvals=case.approvals,
        epoch=services.roster.manifest.epoch,
        attempt=chosen.attempt,
        run=case.run,
        phase=case.phase,
        participants=tuple(services.links.participant(n) or Participant(n, ()) for n in chosen.participants),
        helpers=chosen.helpers,
        calibration=case.calibration,
        created_ms=now,
        deadline_ms=min(now + length, case.request.expires_ms),
        readies=tuple(readies[member] for member in ready),
        selection=None if case.chosen is None else case.chosen.selection,
    )
    payload, keys = wire.encode(manifest), () if case.chosen is None else case.chosen.sealed
    committee = (case.request.analyst, *chosen.helpers)
    sealed = {s.node: s.sealed for s in keys}
    return Frame(wire.digest(payload), payload, manifest, committee, sealed, case.names_keys, case.joins)
