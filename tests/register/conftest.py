"""One federation whose histories the tests make up."""

from __future__ import annotations

from random import Random

import pytest

from engine.governance.federation import Federation
from tests.coordinator.members import make_federation
from tests.register.histories import History


@pytest.fixture(scope="session")
def federation(tmp_path_factory: pytest.TempPathFactory) -> Federation:
    return make_federation(tmp_path_factory.mktemp("register"), helpers=2)


@pytest.fixture
def history(federation: Federation) -> History:
    return History(federation, Random(7))
