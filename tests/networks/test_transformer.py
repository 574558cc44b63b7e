"""The Transformer encoder of `compare`: it sees no later segment, has the size of a GRU, and forecasts as a network does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnforecast.config import MemberSettings
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.networks.forecaster import build_network
from rnnforecast.networks.transformer import TransformerEncoder, build_transformer, forecast_windows, sinusoids
from tests.training.toy import make_series, wave

MEMBER = MemberSettings(hidden_size=16, num_layers=2, context_length=12, horizon=3)


def test_a_state_depends_on_no_later_segment() -> None:
    torch.manual_seed(0)
    encoder = TransformerEncoder(input_size=3, hidden_size=8, num_layers=2, dropout=0.0)
    inputs = torch.randn(2, 6, 3)
    later = inputs.clone()
    later[:, 4:] += 1.0
    states, last = encoder(inputs)
    changed, _ = encoder(later)
    torch.testing.assert_close(states[:, :4], changed[:, :4])
    assert (states[:, 4:] - changed[:, 4:]).abs().max() > 0.01
    torch.testing.assert_close(encoder(inputs, last_only=True)[0][:, 0], last)


def test_positions_are_told_from_each_other() -> None:
    assert len({tuple(row) for row in sinusoids(50, 7).tolist()}) == 50


def test_it_has_about_as_many_weights_as_a_gru() -> None:
    sizes = [sum(each.numel() for each in make(MEMBER).parameters()) for make in (build_network, build_transformer)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.15)


def test_the_engine_forecasts_what_the_network_forecasts() -> None:
    flat = FlatSeries.from_series(make_series(wave(40)))
    windows = Windows(series=np.zeros(2, dtype=np.int64), cutoffs=np.array([20, 30]))
    batch = gather(flat, windows, context_length=12, horizon=3)
    network = build_transformer(MEMBER, seed=3)
    tensors = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    found = forecast_windows(MEMBER, tensors, batch)
    assert found.shape == (2, 3, len(MEMBER.quantile_levels))
    assert (np.diff(found, axis=-1) >= 0).all()
    assert np.array_equal(found, forecast_windows(MEMBER, tensors, batch))
