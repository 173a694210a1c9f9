from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource


@pytest.fixture(scope="session")
def source() -> Iterator[DuckDBSource]:
    source = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield source
    source.close()
