"""A sample of every part of the rig; the whole is `python -m tests.faults --report FILE`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.calls import count_calls, error_points, fail_at, interrupt_at, kill_at, points_of
from tests.faults.forks import why_no_strace
from tests.faults.mixing import mix_jobs
from tests.faults.parts import Sizes, forged, models, open_stage, races, spread
from tests.faults.power import cut_power
from tests.faults.resuming import kill_trainings
from tests.faults.scenes import SCENES, Scene, Stage
from tests.faults.space import fill_disk, limit_files, why_no_mount
from tests.faults.steady import run_in_a_row

SAMPLE = Sizes(pairs=1, reads=20_000, replacements=50, damaged=700, forged=3, tables=6, seed=3)

every_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
needs_strace = pytest.mark.skipif(bool(why_no_strace()), reason=why_no_strace() or "strace is there")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened


@needs_strace
@every_scene
def test_a_kill_at_any_call_leaves_old_or_new_and_the_next_run_succeeds(stage: Stage, scene: Scene) -> None:
    num_points = 2 if scene.name == "batch" else 6
    tally = kill_at(stage, scene, spread(points_of(count_calls(stage, scene)), num_points))
    assert tally.problems == []
    assert tally.codes[-9] >= num_points // 2  # in a run of its own the last calls may fall away


@needs_strace
@every_scene
def test_an_error_of_the_disk_leaves_the_old_file_and_is_told(stage: Stage, scene: Scene) -> None:
    tally = fail_at(stage, scene, spread(error_points(count_calls(stage, scene)), 1 if scene.name == "batch" else 3))
    assert tally.problems == []


@needs_strace
def test_calls_that_are_interrupted_are_made_again(stage: Stage) -> None:
    tally = interrupt_at(stage, SCENES[1], [("write", 1), ("fsync", 1), ("openat", 3)])
    assert tally.problems == []


@needs_strace
@pytest.mark.parametrize("scene", [SCENES[0], SCENES[3]], ids=lambda scene: scene.name)
def test_a_power_cut_at_any_moment_leaves_old_or_new_and_the_next_run_succeeds(stage: Stage, scene: Scene) -> None:
    tally = cut_power(stage, scene, num_states=9)
    assert tally.problems == []
    assert tally.num_runs == 9  # each a state of its own


@every_scene
def test_files_that_may_not_grow_are_output_not_written(stage: Stage, scene: Scene) -> None:
    tally = limit_files(stage, scene, num_sizes=2)
    assert tally.problems == []
    assert tally.codes[14] >= 1


@pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount() or "a disk can be mounted")
def test_a_full_disk_is_output_not_written(stage: Stage) -> None:
    tally = fill_disk(stage, SCENES[1], max_sizes=2)
    assert tally.problems == []
    assert tally.codes[14] >= 1


def test_two_runs_at_once_and_readers_in_between_see_whole_files(stage: Stage) -> None:
    assert [problem for tally in races(stage, SAMPLE) for problem in tally.problems] == []


def test_every_damaged_and_every_hostile_model_is_rejected(stage: Stage) -> None:
    found = list(models(stage, SAMPLE))
    assert [problem for tally in found for problem in tally.problems] == []
    assert [tally.num_runs for tally in found] == [700, found[1].codes[12]]
    assert found[1].num_runs >= 150


def test_forged_models_and_hostile_files_harm_no_command(stage: Stage) -> None:
    found = list(forged(stage, SAMPLE))
    assert [problem for tally in found for problem in tally.problems] == []
    assert [tally.num_runs for tally in found] == [3 * 19, 6 * 13]


def test_forecasts_in_a_row_leave_no_object_no_descriptor_and_no_file_behind(stage: Stage) -> None:
    tally = run_in_a_row(stage, num_runs=25)
    assert tally.problems == []
    assert tally.figures["objects_a_run"] < 1


def test_trainings_killed_at_random_moments_store_what_they_would_have_stored(stage: Stage) -> None:
    tally = kill_trainings(stage, num_kills=2)
    assert tally.problems == []


def test_bad_jobs_of_every_kind_change_no_byte_of_good_ones_and_are_named_with_their_cause(
    stage: Stage,
) -> None:
    tally = mix_jobs(stage, num_bad=4, num_jobs=6)  # killed, unparsable data, no memory, no folder
    assert tally.problems == []
    assert tally.codes[3] == 1
