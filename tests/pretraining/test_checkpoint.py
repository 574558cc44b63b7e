from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from pretraining.checkpoint import State, read_checkpoint, write_checkpoint
from rnnforecast.errors import UsageError

GROUPS: dict[str, State] = {
    "network": {"layer.0/weight": torch.arange(6.0).view(2, 3), "flag": torch.tensor([True, False])},
    "optimiser": {"0.step": torch.tensor(7.0), "0.exp_avg": torch.full((2,), 1e-30)},
}


def test_what_is_written_is_read_back_to_the_bit(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.npz", GROUPS, step=41)
    groups, step = read_checkpoint(tmp_path / "c.npz")
    assert step == 41
    assert {name: set(state) for name, state in groups.items()} == {name: set(state) for name, state in GROUPS.items()}
    for name, state in GROUPS.items():
        for key, tensor in state.items():
            assert groups[name][key].dtype == tensor.dtype
            assert torch.equal(groups[name][key], tensor)


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c.npz", GROUPS, step=1)
    write_checkpoint(tmp_path / "c.npz", {"network": {"weight": torch.zeros(1)}}, step=2)
    groups, step = read_checkpoint(tmp_path / "c.npz")
    assert (step, set(groups)) == (2, {"network"})


def test_a_crash_while_writing_leaves_the_old_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "c.npz", GROUPS, step=1)

    def crash(file: BinaryIO, **_: object) -> None:
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", crash)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(tmp_path / "c.npz", {}, step=2)
    monkeypatch.undo()
    assert read_checkpoint(tmp_path / "c.npz")[1] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


def test_no_object_is_loaded_from_a_checkpoint(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {"network/weight": np.array([{"a": 1}], dtype=object)}
    np.savez(tmp_path / "c.npz", step=np.int64(1), **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Object arrays cannot be loaded"):
        read_checkpoint(tmp_path / "c.npz")


def test_a_missing_checkpoint_is_rejected_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no checkpoint can be read at .*c.npz: No such file") as caught:
        read_checkpoint(tmp_path / "c.npz")
    assert caught.value.hint == "name the folder that `train` wrote"


def _foreign(path: Path, kind: str) -> None:
    write_checkpoint(path, GROUPS, step=1)
    whole = path.read_bytes()
    with path.open("wb") as file:
        if kind == "array":
            np.save(file, np.arange(3))
        elif kind == "other arrays":
            np.savez(file, weight=np.arange(3))
        elif kind == "no step":
            np.savez(file, **{"network/weight": np.arange(3)})  # type: ignore[arg-type]
        else:
            file.write({"text": b"hello", "nothing": b"", "half": whole[: len(whole) // 2]}[kind])


@pytest.mark.parametrize("kind", ["text", "nothing", "half", "array", "other arrays", "no step"])
def test_a_file_that_is_not_a_checkpoint_is_rejected(tmp_path: Path, kind: str) -> None:
    _foreign(tmp_path / "c.npz", kind)
    with pytest.raises(UsageError, match=r"c.npz is no checkpoint of a pretraining run: .+"):
        read_checkpoint(tmp_path / "c.npz")
