"""`keep` in a jobs file: old versions of the job's model go after the job."""

from __future__ import annotations

from pathlib import Path

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.batch.run import batch

TINY: dict[str, object] = {"horizon": 7, "num_steps": 3, "num_members": 1, "hidden_size": 4}


def test_keep_leaves_the_newest_versions_of_the_model_and_the_active_one(workplace: Path) -> None:
    for seed in (2, 3, 4):
        rnnforecast.train(["good.csv"], Settings.from_flat({**TINY, "seed": seed}), activate="never")
    settings = "".join(f"{key} = {value}\n" for key, value in TINY.items())
    jobs = workplace / "nightly.toml"
    jobs.write_text(f'[[job]]\nname = "good"\ndata = "good.csv"\noutput = "a.csv"\nkeep = 2\n{settings}')
    result = batch(jobs)
    assert (result.exit_code, result.jobs[0].status, result.jobs[0].trained) == (0, "done", True)
    registry = Registry(workplace / ".rnnforecast")
    left = {stored.version for stored in registry.list()}
    assert left == {4, 5, registry.resolve("good").version}
    assert "models prune good --keep 2" in Path(str(result.jobs[0].log)).read_text()
    assert batch(jobs).jobs[0].status == "unchanged"


def test_round_and_columns_shape_the_output_of_a_job_and_a_change_writes_it_again(workplace: Path) -> None:
    jobs = workplace / "nightly.toml"
    job = '[[job]]\nname = "a"\nmodel = "good"\ndata = "good.csv"\noutput = "new/a.csv"\nround = 1\n'
    jobs.write_text(f'{job}columns = ["date", "forecast"]\n')
    assert batch(jobs).jobs[0].status == "done"
    header, first, *_ = (workplace / "new" / "a.csv").read_text().splitlines()
    assert header == "date,forecast"
    assert len(first.partition(".")[2]) <= 1
    assert batch(jobs).jobs[0].status == "unchanged"
    jobs.write_text(f'{job}columns = ["date", "mean"]\n')
    assert batch(jobs).jobs[0].status == "done"
    assert (workplace / "new" / "a.csv").read_text().startswith("date,mean\n")
