"""The order of the tests: folders whose files take minutes come first, so that no core waits for the last of them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIRST = ("docs", "processes", "audit", "trusted_sampler", "desk", "desk_flight")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Inside a folder, and among those that are not named, the order stays as it was collected."""
    places = {HERE / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(HERE / item.path.relative_to(HERE).parts[0], len(FIRST)))
