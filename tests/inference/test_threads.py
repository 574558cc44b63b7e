from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import rnnforecast
from rnnforecast.inference.threads import one_blas_thread


def blas_threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


def test_matrix_products_keep_to_one_thread_and_have_theirs_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert np.ones((2, 2)).sum() == 4
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() <= {1}
        assert blas_threads() == before


def test_a_training_from_python_keeps_to_one_such_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    found: list[set[int]] = []

    def note(_: object) -> None:
        found.append(blas_threads())
        raise RuntimeError

    monkeypatch.setattr("rnnforecast.workflows.train.inputs_of", note)
    with threadpool_limits(2, user_api="blas"), pytest.raises(RuntimeError):
        rnnforecast.train(["rows.csv"])
    assert found[0] <= {1}


@pytest.mark.parametrize("function", ["train", "predict", "evaluate", "compare", "tune", "detect"])
def test_functions_of_python_that_forecast_do_so_with_one_such_thread(function: str) -> None:
    assert hasattr(getattr(rnnforecast, function), "__wrapped__")
