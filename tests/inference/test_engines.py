"""Both engines compute the same forecast from the same tensors."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from rnnforecast.config import MemberSettings
from rnnforecast.inference.forecaster import attention_weights, encode, expected_shapes, forecast_windows
from rnnforecast.networks import engine
from tests.inference.samples import CELLS, as_tensors, make_batch, make_member, make_network, tensors_of

CATEGORIES: dict[str, object] = {
    "num_past_covariates": 1,
    "past_categories": (3,),
    "num_future_covariates": 3,
    "future_categories": (0, 5, 0),
    "num_static_covariates": 2,
    "static_categories": (0, 2),
}
MAPPINGS = ("one-to-one", "one-to-many", "many-to-one", "many-to-many", "encoder-decoder")


def _disagreement(member: MemberSettings) -> float:
    network, batch = make_network(member), make_batch(member)
    ours = forecast_windows(member, tensors_of(network), batch)
    theirs = network.forecast(as_tensors(batch)).numpy()
    assert ours.shape == (4, member.horizon, len(member.quantile_levels))
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_engines_agree_for_every_cell_mapping_direction_and_depth(cell: str, mapping: str) -> None:
    for bidirectional, num_layers in itertools.product((False, True), (1, 2)):
        member = make_member(cell=cell, mapping=mapping, bidirectional=bidirectional, num_layers=num_layers)
        assert _disagreement(member) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_engines_agree_for_every_attention(cell: str, attention: str) -> None:
    assert _disagreement(make_member(cell=cell, mapping="encoder-decoder", attention=attention)) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
def test_engines_agree_for_the_segment_head(cell: str) -> None:
    assert _disagreement(make_member(cell=cell, head="segment", num_future_covariates=2)) < 1e-5


@pytest.mark.parametrize("normalisation", ["window", "last", "season", "causal", "global"])
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("base", ["none", "last", "season"])
def test_engines_agree_for_every_normalisation_and_base(normalisation: str, log: bool, base: str) -> None:
    for season_length in (1, 4):
        member = make_member(normalisation=normalisation, log=log, base=base, skip=True, season_length=season_length)
        assert _disagreement(member) < 1e-5


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("residual", [False, True])
def test_engines_agree_with_all_kinds_of_covariates(mapping: str, residual: bool) -> None:
    member = make_member(
        mapping=mapping,
        residual=residual,
        num_layers=2,
        num_past_covariates=2,
        num_future_covariates=3,
        num_static_covariates=1,
    )
    assert _disagreement(member) < 1e-5


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("head", ["linear", "segment"])
def test_engines_agree_with_categories_among_the_covariates(mapping: str, head: str) -> None:
    assert _disagreement(make_member(mapping=mapping, head=head, **CATEGORIES)) < 1e-5


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_expected_shapes_with_categories_are_the_tensors_of_the_network(mapping: str) -> None:
    member = make_member(mapping=mapping, **CATEGORIES)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors_of(make_network(member)).items()}
    assert shapes == expected_shapes(member)
    assert shapes["future_embedding.1"] == (5, 3)
    assert shapes["past_embedding.0"] == (3, 2)
    assert "past_mean" not in shapes


def test_a_category_that_is_not_known_is_read_as_the_mean_of_those_that_are() -> None:
    member = make_member(num_static_covariates=1, static_categories=(3,))
    tensors, batch = tensors_of(make_network(member)), make_batch(member)
    unknown = replace(batch, static_covariates=np.zeros_like(batch.static_covariates))
    first = replace(batch, static_covariates=np.ones_like(batch.static_covariates))
    table = tensors["static_embedding.0"]
    alike = tensors | {"static_embedding.0": np.repeat(table.mean(0)[None], 3, axis=0)}
    np.testing.assert_allclose(
        forecast_windows(member, tensors, unknown), forecast_windows(member, alike, first), rtol=1e-6
    )
    assert not np.allclose(forecast_windows(member, tensors, first), forecast_windows(member, tensors, unknown))


def test_categories_must_be_named_for_every_covariate_of_their_kind() -> None:
    with pytest.raises(ValueError, match="`past_categories` has 1 entries for 2 covariates"):
        make_member(num_past_covariates=2, past_categories=(3,))


def test_engines_agree_for_synchronous_networks() -> None:
    assert _disagreement(make_member(synchronous=True, normalisation="causal", base="season", skip=True)) < 1e-5


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("mapping", MAPPINGS)
def test_expected_shapes_are_the_tensors_of_the_network(cell: str, mapping: str) -> None:
    for bidirectional, skip, covariates in itertools.product((False, True), (False, True), (0, 2)):
        for head, attention in (("linear", "additive"), ("segment", "dot"), ("segment", None)):
            for normalisation in ("global",) if mapping == "one-to-many" else ("window", "causal", "global"):
                member = make_member(
                    cell=cell,
                    mapping=mapping,
                    bidirectional=bidirectional,
                    normalisation=normalisation,
                    skip=skip,
                    head=head,
                    attention=attention if mapping == "encoder-decoder" else None,
                    num_past_covariates=covariates,
                    num_future_covariates=covariates,
                    num_static_covariates=covariates,
                )
                shapes = {name: tensor.shape for name, tensor in tensors_of(make_network(member)).items()}
                assert shapes == expected_shapes(member)


@pytest.mark.parametrize("attention", ["additive", "dot"])
def test_attention_weights_agree_and_sum_to_one(attention: str) -> None:
    member = make_member(mapping="encoder-decoder", attention=attention)
    network, batch = make_network(member), make_batch(member)
    weights = attention_weights(member, tensors_of(network), batch)
    assert weights.shape == (4, 2, 4)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(weights, network.attention_weights(as_tensors(batch)).numpy(), atol=1e-6)


def test_attention_weights_of_a_network_without_attention_are_rejected() -> None:
    member = make_member()
    with pytest.raises(ValueError, match="without attention has no attention weights"):
        attention_weights(member, tensors_of(make_network(member)), make_batch(member))


def test_the_torch_engine_takes_and_gives_numpy_arrays() -> None:
    member = make_member(mapping="many-to-one", num_past_covariates=1)
    tensors, batch = tensors_of(make_network(member)), make_batch(member)
    np.testing.assert_allclose(
        engine.forecast_windows(member, tensors, batch), forecast_windows(member, tensors, batch), rtol=1e-5
    )


def test_encoder_states_end_in_the_final_state() -> None:
    member = make_member(num_layers=2)
    encoded = encode(member, tensors_of(make_network(member)), make_batch(member))
    assert encoded.states.shape == (4, 4, 5)
    np.testing.assert_array_equal(encoded.states[:, -1], encoded.final)
