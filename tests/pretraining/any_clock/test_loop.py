from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from pretraining.any_clock.batches import make_batch, use_again
from pretraining.any_clock.export import as_tensors, read_arrays, read_weights, write_weights
from pretraining.any_clock.loop import Run, batch_loss, train
from pretraining.any_clock.network import HOLD, GatedLayer
from pretraining.any_clock.settings import ClockSettings, RunSettings, read_settings
from pretraining.feed import feed
from pretraining.run import CHECKPOINT, LOG
from rnnforecast.errors import DivergedError, UsageError

CPU = torch.device("cpu")


def _settings(**changes: object) -> RunSettings:
    plain: dict[str, object] = {
        "hidden_size": 16,
        "head_size": 16,
        "minutes": 1.0,
        "learning_rate": 3e-3,
        "warm_up_steps": 2,
        "clocks": (
            ClockSettings(
                seasons=((12.0,),), domain="monthly", share=1.0, history=(24, 60), near=12, far=40, batch_size=16
            ),
        ),
    }
    return RunSettings.model_validate({**plain, **changes})


def test_the_pretrained_settings_are_read() -> None:
    assert len(read_settings().clocks) > 5


def test_a_bad_value_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("minutes = -1\nclocks = []\n")
    with pytest.raises(UsageError, match="minutes"):
        read_settings(path)


def test_a_batch_is_the_same_for_the_same_number_alone() -> None:
    one, same = (make_batch(_settings(), 3) for _ in range(2))
    np.testing.assert_array_equal(one.values, same.values)
    np.testing.assert_array_equal(one.leads, same.leads)
    assert not np.array_equal(one.values, make_batch(_settings(), 4).values)


def test_every_lead_lies_inside_the_series() -> None:
    for number in range(30):
        batch = make_batch(_settings(), number)
        ends = batch.end - (batch.clock.num_segments - 1 - batch.positions) * batch.clock.segment_length
        assert batch.leads.min() >= 1
        assert (ends[:, None] + batch.leads <= batch.values.shape[1]).all()


def test_workers_make_the_same_batches_in_order() -> None:
    make, numbers = partial(make_batch, _settings()), range(5, 9)
    own, made = feed(make, numbers), feed(make, numbers, num_workers=1)
    for _ in range(3):
        np.testing.assert_array_equal(next(own).values, next(made).values)
    del made  # ends its worker


def test_a_batch_used_again_keeps_its_clock_and_asks_other_questions() -> None:
    settings = _settings(num_uses=2)
    batch = make_batch(settings, 3)
    again = use_again(settings, batch, 1)
    assert (again.clock, again.end, again.values.shape) == (batch.clock, batch.end, batch.values.shape)
    assert not torch.equal(again.leads, batch.leads)
    assert not (again.observed & ~batch.observed).any()
    as_drawn = (again.values == batch.values).all(1)
    assert 0 < as_drawn.sum() < len(batch.values)
    assert torch.isfinite(again.values).all()
    torch.testing.assert_close(again.values, use_again(settings, batch, 1).values)


def test_the_recurrence_of_the_library_is_the_one_written_out() -> None:
    torch.manual_seed(0)
    layer = GatedLayer(12)
    inputs, hold = torch.randn(7, 5, 12), torch.zeros(7, 5, 1)
    hold[:3, 2] = HOLD
    states = []
    for scan in (layer.scan, layer.library_scan):
        hidden = scan(inputs, hold)
        hidden.square().sum().backward()  # type: ignore[no-untyped-call]
        states.append((hidden.detach(), layer.weight_hh.grad, layer.weight_ih.grad))
        layer.zero_grad(set_to_none=True)
    for one, other in zip(*states, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.filterwarnings("ignore:RNN module weights")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_device_computes_the_loss_and_gradients_of_the_cpu(tmp_path: Path) -> None:
    device, losses, gradients = torch.device("cuda"), [], []
    for place in (CPU, device):
        run = Run(_settings(), tmp_path / place.type, place)
        loss = batch_loss(run.network, make_batch(run.settings, 1), place)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach().cpu())
        found = [weight.grad for weight in run.network.parameters() if weight.grad is not None]
        gradients.append(torch.cat([gradient.cpu().flatten() for gradient in found]))
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=2e-2, atol=1e-3)


def test_the_loss_falls(tmp_path: Path) -> None:
    run = Run(_settings(), tmp_path, CPU)
    batch = make_batch(run.settings, 0)
    first = float(batch_loss(run.network, batch, CPU).detach())
    for _ in range(25):
        run.learn(batch)
    assert float(batch_loss(run.network, batch, CPU).detach()) < first


def test_a_run_resumes_where_it_was_stopped(tmp_path: Path) -> None:
    whole = Run(_settings(), tmp_path / "whole", CPU)
    for number in range(6):
        whole.learn(make_batch(whole.settings, number))
    half = Run(_settings(), tmp_path / "half", CPU)
    for number in range(3):
        half.learn(make_batch(half.settings, number))
    half.save()
    rest = Run(_settings(), tmp_path / "half", CPU)
    assert rest.step == 3
    for number in range(3, 6):
        rest.learn(make_batch(rest.settings, number))
    for one, other in zip(whole.network.parameters(), rest.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_training_stops_by_the_clock_and_leaves_checkpoint_and_log(tmp_path: Path) -> None:
    run = Run(_settings(minutes=0.02), tmp_path, CPU)
    train(run, log_every=1)
    assert run.seconds >= 1.2
    assert (tmp_path / CHECKPOINT).exists()
    assert (tmp_path / LOG).read_text().count("\n") >= 1
    assert run.rate() == pytest.approx(0, abs=1e-6)


def test_a_checkpoint_of_other_settings_is_rejected(tmp_path: Path) -> None:
    Run(_settings(), tmp_path, CPU).save()
    with pytest.raises(UsageError, match="other settings"):
        Run(_settings(hidden_size=8), tmp_path, CPU)


def test_a_gradient_that_is_not_finite_is_named(tmp_path: Path) -> None:
    run = Run(_settings(), tmp_path, CPU)
    with torch.no_grad():
        run.network.norm.weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="not finite"):
        run.learn(make_batch(run.settings, 0))


def test_exported_weights_begin_another_run(tmp_path: Path) -> None:
    run = Run(_settings(), tmp_path / "one", CPU)
    path = tmp_path / "weights.safetensors"
    write_weights(path, as_tensors(run.average))
    other = Run(_settings(seed=9), tmp_path / "two", CPU)
    other.start_from(read_weights(path))
    for one, two in zip(run.average.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=2e-3, rtol=1e-3)
    assert "head.width" in read_arrays(path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_file_without_weights_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        Run(_settings(), tmp_path / "run", CPU).start_from(read_weights(path))
