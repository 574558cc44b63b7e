"""The pretraining loop: stopped at any step, it ends where it would have ended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from pretraining import loop
from pretraining.batches import make_batch
from pretraining.checkpoint import read_checkpoint
from pretraining.loop import CHECKPOINT, LOG, build_networks, season_scale
from rnnforecast.errors import DivergedError, UsageError
from rnnforecast.inference.season_classes import SEASON_CLASSES
from rnnforecast.networks.pretrained_loss import dense_pinball
from tests.pretraining.toy import CPU, run, tiny_settings


class _StopError(Exception):
    """Ends a run."""


def _stop_after(step: int) -> loop.Watcher:
    """Return a watcher that ends the run after some steps, as a signal would."""
    calls = 0

    def watch(networks: nn.ModuleDict) -> dict[str, float]:  # noqa: ARG001
        nonlocal calls
        calls += 1
        if calls == step:
            raise _StopError
        return {}

    return watch


def _records(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / LOG).read_text(encoding="utf-8").splitlines()]


def _assert_same(first: nn.Module, second: nn.Module) -> None:
    wanted = second.state_dict()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_a_run_that_was_stopped_ends_with_the_weights_of_one_that_was_not(tmp_path: Path, stop: int) -> None:
    settings = tiny_settings()
    whole = run(settings, tmp_path / "whole")
    with pytest.raises(_StopError):
        run(settings, tmp_path / "stopped", watcher=_stop_after(stop))
    _assert_same(run(settings, tmp_path / "stopped"), whole)


def test_a_run_prolonged_before_its_rate_falls_is_the_longer_run(tmp_path: Path) -> None:
    flat = {"decay_share": 0.0}
    run(tiny_settings(num_steps=4, **flat), tmp_path / "prolonged")
    prolonged = run(tiny_settings(num_steps=6, **flat), tmp_path / "prolonged")
    _assert_same(prolonged, run(tiny_settings(num_steps=6, **flat), tmp_path / "whole"))


def test_a_run_that_has_ended_goes_no_step_further(tmp_path: Path) -> None:
    settings = tiny_settings()
    ended = run(settings, tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    _assert_same(run(settings, tmp_path), ended)
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_weights_move_and_the_average_follows_them(tmp_path: Path) -> None:
    settings = tiny_settings()
    start = build_networks(settings).state_dict()
    average = run(settings, tmp_path).state_dict()
    groups, step = read_checkpoint(tmp_path / CHECKPOINT)
    assert step == 6
    moved = [name for name in start if not torch.equal(groups["network"][name], start[name])]
    assert any("trunk" in name for name in moved)
    assert any("quarter.head" in name for name in moved)
    for name in moved:
        assert not torch.equal(average[name], start[name]), name
        assert not torch.equal(average[name], groups["network"][name]), name


def test_classes_that_no_clock_draws_keep_their_weights(tmp_path: Path) -> None:
    settings = tiny_settings()
    start, average = build_networks(settings).state_dict(), run(settings, tmp_path).state_dict()
    for name, tensor in average.items():
        if name.startswith("week.") and "trunk" not in name:
            torch.testing.assert_close(tensor, start[name])


def test_the_trunk_is_one_for_all_classes() -> None:
    networks = build_networks(tiny_settings())
    assert list(networks) == [entry.name for entry in SEASON_CLASSES]
    trunks = {id(network.get_submodule("trunk")) for network in networks.values()}
    assert len(trunks) == 1


def test_networks_are_drawn_from_the_seed() -> None:
    first, again, other = (build_networks(tiny_settings(seed=seed)).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_the_log_holds_steps_rates_and_losses_of_the_classes_drawn(tmp_path: Path) -> None:
    run(tiny_settings(), tmp_path, watcher=lambda networks: {"score": float(len(networks))})
    records = _records(tmp_path)
    losses = [record for record in records if "loss" in record]
    assert [record["step"] for record in losses] == [2, 4, 6]
    for record in losses:
        loss = record["loss"]
        assert isinstance(loss, dict)
        assert set(loss) <= {"none", "quarter"}
        assert all(value > 0 for value in loss.values())
    assert [record["scores"] for record in records if "scores" in record] == [{"score": 7.0}] * 6


def test_the_rate_rises_stays_and_falls_to_nearly_zero(tmp_path: Path) -> None:
    rates = _rates(tmp_path, num_steps=100, warm_up_steps=10, decay_share=0.2)
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[10:80] == [1.0] * 70
    assert rates[80:] == pytest.approx([(100 - step) / 20 for step in range(80, 100)])


def test_a_run_without_a_fall_keeps_its_rate(tmp_path: Path) -> None:
    assert _rates(tmp_path, num_steps=10, warm_up_steps=1, decay_share=0.0) == [1.0] * 10


def _rates(folder: Path, **changes: object) -> list[float]:
    """Return the rate of each step of a run."""
    kept = loop.Run(tiny_settings(learning_rate=1.0, **changes), folder, CPU)
    rates = []
    for step in range(kept.settings.num_steps):
        kept.step = step
        rates.append(kept.rate())
    return rates


def test_a_run_of_minutes_ends_with_them_and_its_rate_follows_them(tmp_path: Path) -> None:
    kept = loop.Run(tiny_settings(minutes=2.0, learning_rate=1.0, decay_share=0.5), tmp_path, CPU)
    kept.step, found = 1_000, []
    for seconds in (0.0, 60.0, 90.0, 120.0):
        kept.seconds = seconds
        found.append((kept.rate(), kept.done >= 1))
    assert found == [(1.0, False), (1.0, False), (0.5, False), (0.0, True)]


@pytest.mark.filterwarnings("ignore:RNN module weights")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_device_computes_the_loss_and_gradients_of_the_cpu(tmp_path: Path) -> None:
    losses, gradients = [], []
    for device in (CPU, torch.device("cuda")):
        kept = loop.Run(tiny_settings(hidden_size=32, learning_rate=1e-9), tmp_path / device.type, device)
        kept.learn(loop.ask(make_batch(kept.settings, 1), device))
        losses.append(next(iter(kept.losses.values()))[0].cpu())
        found = [weight.grad for weight in kept.parameters if weight.grad is not None]
        gradients.append(torch.cat([gradient.cpu().flatten() for gradient in found]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=2e-2, atol=1e-3)


def test_a_gradient_that_is_not_finite_stops_the_run_and_names_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, calls = dense_pinball, 0

    def spoil(outputs: torch.Tensor, *arguments: object, **options: object) -> torch.Tensor:
        nonlocal calls
        calls += 1
        factor = float("nan") if calls == 4 else 1.0
        return factor * plain(outputs, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "dense_pinball", spoil)
    with pytest.raises(DivergedError, match="step 3: the gradient is not finite"):
        run(tiny_settings(), tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT)[1] == 2


def test_the_average_of_a_run_is_read_back_with_its_step(tmp_path: Path) -> None:
    average = run(tiny_settings(), tmp_path)
    found, step = loop.read_average(tmp_path, tiny_settings())
    assert step == 6
    _assert_same(found, average)


@pytest.mark.parametrize("size", [{"hidden_size": 16}, {"num_layers": 2}])
def test_a_run_of_another_size_is_neither_read_nor_continued_with(tmp_path: Path, size: dict[str, object]) -> None:
    run(tiny_settings(), tmp_path)
    other = tiny_settings(**size)
    with pytest.raises(UsageError, match=r"checkpoint.npz holds networks of other settings than these"):
        loop.read_average(tmp_path, other)
    with pytest.raises(UsageError, match=r"give the settings of that run with `--settings`"):
        run(other, tmp_path)


def test_half_precision_products_train_too(tmp_path: Path) -> None:
    networks = run(tiny_settings(precision="bfloat16"), tmp_path)
    for name, tensor in networks.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.isfinite(tensor).all(), name


def test_a_history_shorter_than_the_segments_is_padded_in_front(tmp_path: Path) -> None:
    clock = {"season_class": "quarter", "season_length": [4], "domain": "any", "share": 1, "batch_size": 3}
    settings = tiny_settings(clocks=[{**clock, "history_length": 20}], num_positions=24)
    kept = loop.Run(settings, tmp_path, CPU)
    kept.learn(loop.ask(make_batch(settings, 0), CPU))
    loss = kept.losses["quarter"][0]
    assert torch.isfinite(loss)
    assert float(loss) > 0


@pytest.mark.parametrize("history", [None, 20])
def test_targets_of_a_position_are_the_steps_after_its_segment(history: int | None) -> None:
    clock = {"season_class": "quarter", "season_length": [4], "domain": "any", "share": 1, "batch_size": 1}
    settings = tiny_settings(clocks=[{**clock, "history_length": history}], num_positions=24)
    batch = make_batch(settings, 0)
    length, horizon = batch.values.shape[1], batch.member.horizon
    values, observed = torch.arange(float(length))[None], torch.ones(1, length, dtype=torch.bool)
    question = loop.ask(replace(batch, values=values, observed=observed), CPU)
    ends = [length - horizon - 4 * behind for behind in range(23, -1, -1)]
    for end, found, usable in zip(ends, question.target[0].tolist(), question.observed[0].tolist(), strict=True):
        assert usable == [end >= 0] * horizon
        assert end < 0 or found == list(range(end, end + horizon))


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
