"""The coordinator's log goes nowhere in these tests; stores stand in a file, or on PostgreSQL where it is installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.postgres import Cluster, cluster

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture(params=["file", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where an empty store may stand: each test that asks runs on both."""
    if request.param == "file":
        return tmp_path / "state.db"
    running: Cluster = request.getfixturevalue("postgres")
    return running.new_database()


@pytest.fixture
def server_url(postgres: Cluster) -> str:
    """An empty database on PostgreSQL."""
    return postgres.new_database()
