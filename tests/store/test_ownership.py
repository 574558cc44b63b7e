"""Specification of trust in places: what a stranger owns and everyone may write brings no models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError
from rnnforecast.store.files import check_owner
from rnnforecast.store.model_file import write_model
from rnnforecast.store.registry import Registry
from tests.store.builders import make_model


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every path belong to user 4321, whoever runs the tests."""
    real_stat = Path.stat

    def owned_by_another(self: Path, **keywords: bool) -> os.stat_result:
        fields = list(real_stat(self, **keywords))
        fields[4] = 4321
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "stat", owned_by_another)


@pytest.mark.usefixtures("stranger")
def test_a_store_of_another_user_that_everyone_may_write_is_rejected_with_the_fix(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ModelFileError, match="belongs to user 4321 and everyone may write it") as caught:
        Registry(tmp_path)
    assert f"chmod o-w {tmp_path}" in str(caught.value.hint)


@pytest.mark.usefixtures("stranger")
def test_a_store_of_another_user_that_only_its_owner_may_write_is_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert Registry(tmp_path).list() == []


def test_ones_own_store_may_be_open_to_everyone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert Registry(tmp_path).list() == []


def test_a_model_file_of_another_user_that_everyone_may_write_is_rejected(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "m.safetensors"
    write_model(path, make_model())
    path.chmod(0o666)
    store = Registry(tmp_path / "store")
    request.getfixturevalue("stranger")
    with pytest.raises(ModelFileError, match=r"the file `.*m.safetensors` belongs to user 4321"):
        store.resolve(str(path))


def test_what_is_not_there_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    check_owner(tmp_path / "missing")
    check_owner(Path("nul\0"))
