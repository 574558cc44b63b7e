"""Settings of all tests, and a small trained model that those of the house share."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import date, timedelta
from pathlib import Path

import pytest

# test processes run side by side: more threads each would only fight for the same cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

DAYS = [(date(2024, 1, 1) + timedelta(days)).isoformat() for days in range(90)]
#: Ninety days with a week in them, as lines of a file.
GOOD_ROWS = [f"{day},{100 + number % 7 + number / 10}" for number, day in enumerate(DAYS)]


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with `good.csv` and a store that holds `good@1`; to be copied, not changed."""
    import rnnforecast

    folder = tmp_path_factory.mktemp("trained")
    path = folder / "good.csv"
    path.write_text("\n".join(["date,value", *GOOD_ROWS]) + "\n", encoding="utf-8")
    settings = rnnforecast.Settings.from_flat({"horizon": 7, "num_steps": 3, "num_members": 1, "hidden_size": 4})
    rnnforecast.train([path], settings, store=folder / ".rnnforecast")
    return folder


@pytest.fixture
def workplace(trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a copy of the trained folder, which a test may spoil."""
    folder = tmp_path / "work"
    shutil.copytree(trained_folder, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)
    return folder


def pytest_configure() -> None:
    """Answer signals as in a terminal, however the tests were started: a shell lets its background ignore some."""
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)
