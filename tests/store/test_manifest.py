"""Specification of the manifest: what is rejected, what is ignored, what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rnnforecast.errors import ModelFileError
from rnnforecast.store.manifest import FORMAT, Manifest
from rnnforecast.store.model_file import read_model
from tests.store.builders import forge_file, make_model


def changed(**values: object) -> str:
    """The JSON of a sound manifest with some of its keys changed."""
    return json.dumps({**make_model().manifest.to_dict(), **values})


def member(**values: object) -> list[dict[str, object]]:
    return [{**make_model().manifest.members[0].model_dump(mode="json"), **values}]


def read(text: str) -> Manifest:
    return Manifest.from_json(text, source="m.safetensors")


def test_a_manifest_comes_back_equal() -> None:
    manifest = make_model().manifest
    assert read(manifest.to_json()) == manifest


def test_a_metric_that_is_not_finite_becomes_null() -> None:
    manifest = make_model().manifest.model_copy(update={"metrics": {"naive": {"wape": float("nan"), "mae": [1e400]}}})
    assert read(manifest.to_json()).metrics == {"naive": {"wape": None, "mae": [None]}}


def test_the_label_is_name_and_version() -> None:
    assert read(changed(version=3)).label == "prices@3"
    assert read(changed(version=0)).label == "prices"


def test_an_unknown_key_is_ignored() -> None:
    assert read(changed(colour="blue")) == make_model().manifest


def test_a_newer_format_is_rejected_by_the_version_it_needs() -> None:
    with pytest.raises(
        ModelFileError, match=rf"has format {FORMAT + 1}, .* it needs rnnforecast 9.1 or newer"
    ) as caught:
        read(changed(format=FORMAT + 1, rnnforecast="9.1", members="unreadable"))
    assert "pip install --upgrade" in (caught.value.hint or "")
    assert caught.value.code == "E_MODEL_TOO_NEW"


def test_a_newer_format_is_rejected_in_a_whole_file(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(forge_file("", manifest=changed(format=99)))
    with pytest.raises(ModelFileError, match=r"needs rnnforecast 0.1.0 or newer"):
        read_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "it is a list"),
        ("null", "it is a NoneType"),
        ('{"horizon":', "Expecting value"),
        ('{"horizon":1,"horizon":2}', "the key `horizon` occurs twice"),
        ('{"horizon":NaN}', "`NaN` is not a JSON number"),
        ('{"horizon":-Infinity}', "`-Infinity` is not a JSON number"),
        ('{"horizon":' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[" + "{}," * 300_000 + "{}]", "more than 200,000 brackets"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        (changed(horizon=10**9), "`horizon`"),
        (changed(horizon=None), "`horizon`"),
        (changed(format=0), "`format`"),
        (changed(format="one"), "`format`"),
        (changed(metrics="none"), "`metrics`"),
        (changed(members=member(cell="os.system")), r"`members.0.cell`"),
        (changed(members=member(mapping={"class": "os.system"})), r"`members.0.mapping`"),
        (changed(members=member(hidden_size=10**9)), r"`members.0.hidden_size`"),
        (changed(members=member(num_layers=10**6)), r"`members.0.num_layers`"),
        (changed(members=member(horizon=10**9)), r"`members.0.horizon`"),
        (changed(members=member(__class__="os.system")), r"`members.0.__class__`"),
        (changed(members=member() * 65), "`members`"),
        (changed(theta_weight=1.5), "`theta_weight`"),
        (changed(theta_weight=1), "`theta_weight`"),
        (changed(theta_weight=-0.1), "`theta_weight`"),
        (changed(theta_weight="all"), "`theta_weight`"),
        (changed(theta_weight=None), "`theta_weight`"),
        ('{"theta_weight":NaN}', "`NaN` is not a JSON number"),
        (changed(shares=[0.5, -0.5]), r"`group_weights.1`"),
        (changed(shares=[0.0]), r"`group_weights.0`"),
        (changed(shares=[1.5]), r"`group_weights.0`"),
        (changed(shares=0.5), "`group_weights`"),
        (changed(shares=[0.01] * 65), "`group_weights`"),
    ],
)
def test_what_is_not_a_manifest_is_rejected_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ModelFileError, match=rf"`m.safetensors` holds no manifest .*{reason}"):
        read(text)
