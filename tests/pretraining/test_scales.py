from __future__ import annotations

import torch

from pretraining.scales import season_scale


def test_the_scale_is_the_mean_absolute_seasonal_difference() -> None:
    values = torch.tensor([[1.0, 5.0, 2.0, 3.0, 4.0, 7.0]])
    # 2 - 1, 3 - 5, 4 - 2, 7 - 3
    assert season_scale(values, torch.ones_like(values, dtype=torch.bool), 2).tolist() == [(1 + 2 + 2 + 4) / 4]


def test_pairs_with_a_missing_step_count_nothing() -> None:
    values = torch.tensor([[1.0, 5.0, 1e9, 3.0, 4.0, 7.0]])
    observed = torch.tensor([[True, True, False, True, True, True]])
    assert season_scale(values, observed, 2).tolist() == [(2 + 4) / 2]


def test_a_series_without_a_pair_has_no_scale() -> None:
    values = torch.tensor([[1.0, 5.0, 2.0]])
    assert season_scale(values, torch.tensor([[True, False, False]]), 1).tolist() == [0.0]
