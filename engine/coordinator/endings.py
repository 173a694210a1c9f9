"""How a run ends: stored first, then shown. The result waits for its analyst, who may be away.

Both endings return the event's name for the log.
"""

from __future__ import annotations

from dataclasses import replace

from engine.coordinator import decisions
from engine.coordinator.admit import Admitted
from engine.coordinator.intake import Intake
from engine.coordinator.services import Services
from engine.trusted.messages import RequestState

# Mended by waiting, or by a round of another kind.
MENDED = ("NODE_PAUSED", "APPROVAL_MISSING", "APPROVAL_EXPIRED", "POLICY_EPOCH_DIFFERS")


def post(services: Services, request: bytes, intake: Intake | None = None) -> None:
    """Shows what the store says; of an open round also who takes part."""
    status = services.store.status(request)
    if status.state is RequestState.RUNNING and intake is not None:
        status = replace(status, participants=tuple(p.node for p in intake.frame.manifest.participants))
    services.board.post(status)


def release(services: Services, case: Admitted, intake: Intake, survivors: tuple[str, ...]) -> str:
    """RELEASED; or WAITING, after a first phase for the analyst, between two runs for what the next one needs."""
    request, frame = case.request, intake.frame
    further = 0 if frame.names_keys or case.run >= request.runs else case.run + 1
    state = RequestState.WAITING if frame.names_keys or further else RequestState.RELEASED
    waiting = (request.analyst,) * frame.names_keys
    result, now = intake.result(survivors), services.clock.now_ms()
    services.store.release(case.digest, frame.round, result, now, state, further, waiting)
    post(services, case.digest)
    return f"request.{state.name.lower()}"


def fail(services: Services, case: Admitted, intake: Intake | None, code: str, reason: str = "") -> str:
    """The end without a result; of the round alone, if a later one may do better and the request allows one."""
    if intake is not None and code in MENDED and intake.frame.manifest.attempt < case.request.max_attempts:
        services.store.lose_round(intake.frame.round, code)
        return "round.lost"
    words: dict[str, str | int] = {"reason": reason, **(intake.words_of(code) if intake is not None else {})}
    state = decisions.end(code).state
    services.store.refuse(case.digest, code, services.clock.now_ms(), state, **words)
    post(services, case.digest)
    return "request.refused"
