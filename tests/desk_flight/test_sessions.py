"""What is kept of sessions has bounds, and none is ever served with other options than were set for it."""

from __future__ import annotations

import pytest

from engine.client.options import Options
from engine.desk.flight import sessions
from engine.desk.flight.sessions import COOKIE, Sessions
from engine.errors import Refused
from engine.trusted.random import SystemRandomness

MOST = 4


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Sessions:
    monkeypatch.setattr(sessions, "MOST", MOST)
    return Sessions(SystemRandomness())


def begun(kept: Sessions, epsilon: str = "") -> dict[str, str]:
    """The headers of a new session, with an option or without."""
    headers = {"cookie": f"{COOKIE}={kept.new_cookie()}"}
    if epsilon:
        kept.change(kept.named(headers), "epsilon", epsilon)
    return headers


def epsilon_of(kept: Sessions, headers: dict[str, str]) -> str:
    """What a call of the session is priced at; empty for a session that is refused."""
    try:
        return kept.options(headers, kept.named(headers)).texts["epsilon"]
    except Refused as refused:
        assert refused.code == "SQL_SESSION"
        return ""


def test_closed_sessions_are_refused_however_many_there_are(kept: Sessions) -> None:
    first, closed = begun(kept, "0.5"), []
    for _ in range(10 * MOST):
        closed.append(begun(kept, "0.25"))
        kept.close(kept.named(closed[-1]))
    assert [epsilon_of(kept, headers) for headers in closed] == [""] * len(closed)
    assert epsilon_of(kept, first) == "0.5"
    assert epsilon_of(kept, begun(kept)) == Options().texts["epsilon"]
    assert (len(kept._closed), len(kept._options)) == (MOST, 1)


def test_a_session_without_options_is_never_served_once_closed_ones_of_its_time_are_forgotten(kept: Sessions) -> None:
    """It may be one of them."""
    plain = begun(kept)
    for number in range(MOST + 2):
        if number == MOST:
            assert epsilon_of(kept, plain) == "1"
        kept.close(kept.named(begun(kept)))
    assert epsilon_of(kept, plain) == ""


def test_of_too_many_with_options_the_one_used_least_lately_is_closed(kept: Sessions) -> None:
    held = [begun(kept, f"0.{number}") for number in range(1, MOST + 1)]
    assert epsilon_of(kept, held[0]) == "0.1"
    held.append(begun(kept, "0.9"))
    assert [epsilon_of(kept, headers) for headers in held] == ["0.1", "", "0.3", "0.4", "0.9"]
    with pytest.raises(Refused, match="SQL_SESSION"):
        kept.change(held[1]["cookie"].partition("=")[2].partition(".")[0], "epsilon", "0.2")
