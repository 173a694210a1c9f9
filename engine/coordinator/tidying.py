"""What is past the retention of its agreement goes: a step of the coordinator's own, whether anybody asks or not."""

from __future__ import annotations

import threading

import structlog

from engine.coordinator.agreements import Agreements
from engine.coordinator.register import EVERYTHING
from engine.coordinator.services import Services
from engine.coordinator.store import ENDED
from engine.errors import Refused, SplittallyError
from engine.governance.retention import due
from engine.trusted import wire
from engine.trusted.records import Request

log = structlog.get_logger("coordinator")
SECONDS = 3_600.0


class Tidying:
    """A thread that clears at the start, and then once an hour; several copies of a coordinator may do so at once."""

    def __init__(self, services: Services, agreements: Agreements) -> None:
        self._services, self._agreements = services, agreements
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tidying", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self.clear(self._services.clock.now_ms())
            except SplittallyError as error:  # such as a store that is away: the next time will do
                log.warning("duty.refused", duty="tidying", code=error.code)
            except Exception as error:
                log.error("duty.failed", duty="tidying", kind=type(error).__name__)
            self._ending.wait(SECONDS)

    def clear(self, now_ms: int) -> None:
        """Sealed answers and texts go; digests stay, so that proofs hold (engine/governance/retention.py)."""
        for digest in self._services.store.newest(EVERYTHING):
            if self._ending.is_set():
                return
            try:
                self._clear(digest, now_ms)
            except Refused as refused:  # one that cannot be judged keeps none of the others
                log.warning("request.not_cleared", request=digest.hex(), code=refused.code)

    def _clear(self, digest: bytes, now_ms: int) -> None:
        store = self._services.store
        kept = store.kept(digest)
        request: Request = wire.decode(Request, kept.submission.request.payload)
        agreement = self._agreements.opened(request.agreement_digest)
        if kept.status.state in ENDED and due(agreement, request, now_ms) and store.clear(digest):
            log.info("request.cleared", request=digest.hex())
