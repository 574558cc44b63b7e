from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.store.registry import Registry
from rnnforecast.workflows import doctor as module
from rnnforecast.workflows.doctor import doctor
from rnnforecast.workflows.results import Check, DoctorResult
from tests.store.builders import make_model


def _check(result: DoctorResult, name: str) -> Check:
    return next(check for check in result.checks if check.name == name)


def test_a_sound_installation_passes_and_leaves_nothing_behind(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert doctor(store).ok
    assert not store.exists()


def test_a_store_below_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check = _check(doctor(tmp_path / "file" / "store"), "store")
    assert not check.ok
    assert "cannot be written" in check.detail
    assert check.hint == "name another folder with --store"


def test_a_damaged_model_is_reported_by_name(tmp_path: Path) -> None:
    Registry(tmp_path).add(make_model("prices")).path.write_bytes(b"short")
    check = _check(doctor(tmp_path), "store")
    assert (check.ok, "prices@1" in check.detail) == (False, True)


def test_a_missing_package_is_reported_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PACKAGES", ("numpy", "no-such-package"))
    check = _check(doctor(tmp_path), "packages")
    assert (check.ok, check.hint) == (False, "pip install no-such-package")


def test_threads_say_what_limits_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "OMP_NUM_THREADS=1" in _check(doctor(tmp_path), "threads").detail
