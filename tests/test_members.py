from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from rnnforecast.config import TRAINED_QUANTILE_LEVELS, MemberSettings
from rnnforecast.inference.season_classes import pretrained_settings
from rnnforecast.members import PretrainedSettings
from rnnforecast.store.manifest import Manifest

WEEK = pretrained_settings(7, hidden_size=8, num_layers=1)
RECURRENT = MemberSettings(context_length=14, horizon=7)


def _manifest(*members: MemberSettings | PretrainedSettings) -> Manifest:
    return Manifest(
        name="both", rnnforecast="0", horizon=7, quantile_levels=TRAINED_QUANTILE_LEVELS, members=members, groups=(0, 1)
    )


@pytest.mark.parametrize("season_length", [1, 4, 7, 12, 24, 52, 168, 1440])
def test_a_model_file_keeps_networks_of_both_kinds_apart(season_length: int) -> None:
    member = pretrained_settings(season_length, hidden_size=8, num_layers=1)
    manifest = _manifest(RECURRENT, member)
    read = Manifest.from_json(manifest.to_json(), source="a file")
    assert read.members == (RECURRENT, member)
    assert [type(each) for each in read.members] == [MemberSettings, PretrainedSettings]
    assert read.groups == (0, 1)


def test_a_model_file_keeps_how_much_each_member_counts() -> None:
    manifest = _manifest(RECURRENT, WEEK).model_copy(update={"group_weights": (0.25, 0.75), "theta_weight": 0.125})
    read = Manifest.from_json(manifest.to_json(), source="a file")
    assert (read.group_weights, read.theta_weight) == ((0.25, 0.75), 0.125)


def test_a_model_file_without_shares_has_members_that_count_the_same_and_no_theta_method() -> None:
    written = _manifest(RECURRENT, WEEK).to_dict()
    del written["group_weights"], written["theta_weight"]
    read = Manifest.from_json(json.dumps(written), source="a file")
    assert (read.groups, read.group_weights, read.theta_weight) == ((0, 1), (), 0.0)


@pytest.mark.parametrize(
    "change",
    [{"season_class": "decade"}, {"num_segments": 0}, {"horizon": 0}, {"hidden_size": 10**9}, {"cell": "gru"}],
)
def test_settings_that_no_network_has_are_rejected(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        PretrainedSettings.model_validate({**WEEK.model_dump(), **change})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_segments": 1_000, "segment_length": 100_000}, "ask for 100000000 steps of the past"),
        ({"num_seasons": 64, "season_length": 100_000}, "ask for 6400000 steps of the past"),
        ({"num_long_seasons": 64, "long_season_length": 1_000_000}, "ask for 64000000 steps of the past"),
        ({"num_segments": 1_000, "recent_length": 10_000}, "ask for 20112000 numbers of each series"),
    ],
)
def test_sizes_that_are_fine_one_by_one_and_absurd_together_are_rejected(change: dict[str, int], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PretrainedSettings.model_validate({**WEEK.model_dump(), **change})


@pytest.mark.parametrize("season_length", [1, 24, 1440, 100_000])
def test_no_season_of_the_pretrained_network_is_too_long_to_be_read(season_length: int) -> None:
    assert pretrained_settings(season_length, hidden_size=192, num_layers=2).season_length == season_length


def test_the_context_reaches_as_far_back_as_the_longest_look() -> None:
    assert WEEK.context_length == 2 * 364
    assert PretrainedSettings.model_validate({**WEEK.model_dump(), "num_long_seasons": 0}).context_length == 40 * 7


def test_the_horizon_is_read_off_at_once_without_attention_or_logarithms() -> None:
    assert (WEEK.mapping, WEEK.attention, WEEK.log) == ("many-to-many", None, False)
