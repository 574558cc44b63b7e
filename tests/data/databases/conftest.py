from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.databases import ENGINES, new_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database of each kind."""
    yield from new_database(request.param, tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database of PostgreSQL."""
    yield from new_database("postgresql", tmp_path)
