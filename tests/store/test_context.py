"""Specification of the last rows kept in a model file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.errors import ModelFileError
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.model_file import ModelFile, read_model, write_model
from tests.store.builders import make_model

HOSTILE_IDS = [["../x", "a/b"], ["", "Zürich 😀"], ["\x00\n", "\ud800"]]


def make_context(ids: list[list[str]] | None = None) -> SeriesContext:
    values = np.array([1.0, np.nan, 3.0, 4.0, 5.0, 6.0])
    id_values = np.empty((3, 2), object)
    id_values[:] = ids or [["a", "x"], ["b", "y"], ["c", "z"]]
    return SeriesContext(
        id_values=id_values,
        target_index=np.zeros(3, np.int64),
        values=values,
        observed=~np.isnan(values),
        offsets=np.array([0, 3, 3, 6]),
        first_ordinals=np.array([10, 20, 30]),
        past_covariates=np.zeros((6, 1), np.float32),
        future_covariates=np.zeros((8, 2), np.float32),
        future_offsets=np.array([0, 4, 4, 8]),
        static_covariates=np.zeros((3, 0), np.float32),
    )


def read(tensors: dict[str, np.ndarray]) -> SeriesContext:
    return SeriesContext.from_tensors(tensors, source="m.safetensors")


@pytest.mark.parametrize("ids", [None, HOSTILE_IDS])
def test_the_context_comes_back_equal(ids: list[list[str]] | None) -> None:
    context = make_context(ids)
    back = read(context.to_tensors())
    assert back.id_values.tolist() == context.id_values.tolist()
    np.testing.assert_array_equal(back.values, context.values)
    np.testing.assert_array_equal(back.future_offsets, context.future_offsets)
    assert back.num_series == 3


def test_the_context_comes_back_from_a_model_file(tmp_path: Path) -> None:
    model = make_model()
    write_model(tmp_path / "m", ModelFile(model.manifest, make_context(HOSTILE_IDS).to_tensors()))
    context = read_model(tmp_path / "m").context()
    assert context is not None
    assert context.id_values.tolist() == HOSTILE_IDS


def test_series_without_id_columns_come_back() -> None:
    context = make_context()
    tensors = {
        **context.to_tensors(),
        "context.ids": np.zeros(0, np.uint8),
        "context.id_offsets": np.zeros(1, np.int64),
        "context.id_shape": np.array([3, 0]),
    }
    assert read(tensors).id_values.shape == (3, 0)


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("values", np.zeros(6, np.float32), "`context.values` is float32, not float64"),
        ("values", np.full(6, np.inf), "`context.values` is not finite where it was observed"),
        ("values", np.zeros((6, 1)), r"`context.values` has shape \(6, 1\)"),
        ("observed", np.ones(5, bool), r"`context.observed` has shape \(5,\)"),
        ("offsets", np.array([0, 3, 3, 7]), "`context.offsets` does not cut 6 rows"),
        ("offsets", np.array([0, 4, 3, 6]), "`context.offsets` does not cut 6 rows"),
        ("offsets", np.array([1, 3, 3, 6]), "`context.offsets` does not cut 6 rows"),
        ("offsets", np.array([0, 6]), "`context.offsets` has shape"),
        ("future_offsets", np.array([0, 4, 4, 9]), "`context.future_offsets` does not cut 8 rows"),
        ("static_covariates", np.zeros((4, 0), np.float32), "`context.static_covariates` has shape"),
        ("ids", np.full(6, 0xFF, np.uint8), "`context.ids` is not UTF-8 text"),
        ("id_offsets", np.array([0, 6]), "`context.id_shape` is 3 x 2 for 1 ids"),
        ("id_offsets", np.array([0, 99]), "`context.id_offsets` does not cut 6 characters"),
        ("id_offsets", np.zeros(0, np.int64), "`context.id_offsets` does not cut"),
        ("id_shape", np.array([2, 3]), "`context.id_values` has shape"),
        ("id_shape", np.array([-3, -2]), "`context.id_shape` is -3 x -2"),
        ("id_shape", np.array([2**40, 0]), "`context.id_shape`"),
        ("id_shape", np.array([6]), "`context.id_offsets`"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_rejected(name: str, array: np.ndarray, reason: str) -> None:
    with pytest.raises(ModelFileError, match=reason):
        read({**make_context().to_tensors(), f"context.{name}": array})


def test_a_missing_array_is_named() -> None:
    tensors = make_context().to_tensors()
    del tensors["context.offsets"]
    with pytest.raises(ModelFileError, match=r"`context.offsets` is missing"):
        read(tensors)


def test_ids_take_memory_in_proportion_to_the_file() -> None:
    tensors = {
        **make_context().to_tensors(),
        "context.ids": np.zeros(0, np.uint8),
        "context.id_offsets": np.zeros(1, np.int64),
        "context.id_shape": np.array([2**62, 0]),
    }
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        read(tensors)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()
