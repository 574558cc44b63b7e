"""What the tests of the store share."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.store.registry import Registry


@pytest.fixture
def store(tmp_path: Path) -> Registry:
    return Registry(tmp_path / ".rnnforecast")
