"""Rows read one after another lead to the state that reading the whole window leads to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.data.windows import WindowBatch
from rnnforecast.errors import UsageError
from rnnforecast.inference.forecaster import encode
from rnnforecast.inference.stepping import start_state, step_segment
from tests.inference.samples import CELLS, make_batch, make_member, make_network, tensors_of


def _rows(batch: WindowBatch, start: int, stop: int) -> WindowBatch:
    return replace(
        batch,
        past_target=batch.past_target[:, start:stop],
        past_observed=batch.past_observed[:, start:stop],
        past_covariates=batch.past_covariates[:, start:stop],
        future_covariates=batch.future_covariates[:, start:stop],
    )


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("normalisation", ["causal", "global"])
@pytest.mark.parametrize("segment_length", [1, 3])
def test_stepping_equals_reading_the_whole_window(cell: str, normalisation: str, segment_length: int) -> None:
    for log, season_length in ((False, 3), (True, 1)):
        member = make_member(
            cell=cell,
            normalisation=normalisation,
            segment_length=segment_length,
            context_length=12,
            season_length=season_length,
            num_layers=2,
            log=log,
            num_past_covariates=1,
            num_future_covariates=1,
            num_static_covariates=1,
        )
        tensors, batch = tensors_of(make_network(member)), make_batch(member, missing=0.4)
        batch.past_observed[0, :4] = False
        encoded = encode(member, tensors, batch)
        state = start_state(member, num_series=4)
        for segment in range(12 // segment_length):
            rows = _rows(batch, segment * segment_length, (segment + 1) * segment_length)
            state = step_segment(member, tensors, state, rows)
            np.testing.assert_allclose(state.output, encoded.states[:, segment], rtol=1e-4, atol=1e-5)
        if normalisation == "causal":
            np.testing.assert_allclose(state.level, encoded.normalised.level[:, 0], rtol=1e-12)
            np.testing.assert_allclose(state.scale, encoded.normalised.scale[:, 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"normalisation": "window"}, "normalisation `window` reads"), ({"bidirectional": True}, "`bidirectional` reads")],
)
def test_networks_that_read_whole_windows_are_refused(changes: dict[str, object], words: str) -> None:
    member = make_member(**{"normalisation": "causal"} | changes)
    with pytest.raises(UsageError, match=words) as refusal:
        start_state(member, num_series=1)
    assert refusal.value.hint is not None
    assert "--normalisation causal" in refusal.value.hint
