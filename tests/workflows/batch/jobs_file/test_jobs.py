from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.workflows.batch.jobs_file.jobs import JobFile, read_jobs
from rnnforecast.workflows.batch.jobs_file.retrain_rules import RetrainRule

OTHER = '[[job]]\nname = "b"\ndata = "a.csv"\noutput = "b-out.csv"\n'
GOOD = '[[job]]\nname = "a"\ndata = "a.csv"\noutput = "a-out.csv"\n'


@pytest.fixture(autouse=True)
def _no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)


def _read(folder: Path, text: str) -> JobFile:
    path = folder / "nightly.toml"
    path.write_text(text, encoding="utf-8")
    return read_jobs(path)


def _faults(folder: Path, text: str) -> list[Finding]:
    with pytest.raises(UsageError) as caught:
        _read(folder, text)
    assert all(finding.message in caught.value.message for finding in caught.value.findings)
    return list(caught.value.findings)


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    found = _read(tmp_path, GOOD)
    job = found.jobs[0]
    assert job.data == (str(tmp_path / "a.csv"),)
    assert job.output == tmp_path / "a-out.csv"
    assert found.store == tmp_path / ".rnnforecast"


def test_files_of_what_is_known_ahead_start_at_the_folder_of_the_file_too(tmp_path: Path) -> None:
    job = _read(tmp_path, f'{GOOD}future = "temp"\nfuture_data = "b.csv,/x/c.csv"\n').jobs[0]
    assert job.settings["future_data"] == [str(tmp_path / "b.csv"), "/x/c.csv"]


def test_absolute_paths_and_urls_stay_as_they_are(tmp_path: Path) -> None:
    job = _read(tmp_path, '[[job]]\nname = "a"\ndata = ["/x/a.csv", "s3://b/c.csv"]\noutput = "/y/a.csv"\n').jobs[0]
    assert job.data == ("/x/a.csv", "s3://b/c.csv")
    assert job.output == Path("/y/a.csv")


def test_a_glob_below_a_folder_with_brackets_means_the_files_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "[x]"
    folder.mkdir()
    (folder / "a.csv").touch()
    job = _read(folder, GOOD.replace('"a.csv"', '"*.csv"')).jobs[0]
    import glob

    assert glob.glob(job.data[0]) == [str(folder / "a.csv")]


def test_a_job_beats_the_defaults(tmp_path: Path) -> None:
    text = '[defaults]\nhorizon = 7\ncell = "gru"\ntimeout = "1h"\nretrain = "every 2d"\n' + GOOD + "horizon = 3\n"
    job = _read(tmp_path, text).jobs[0]
    assert job.settings == {"horizon": 3, "cell": "gru"}
    assert job.timeout == 3_600
    assert job.retrain == RetrainRule("every", seconds=172_800, text="every 2d")


def test_a_job_with_a_stored_model_sets_aside_the_defaults_of_training(tmp_path: Path) -> None:
    text = '[defaults]\nhorizon = 7\ncell = "gru"\nretrain = "every 2d"\ndata = "x.csv"\n'
    job = _read(tmp_path, text + '[[job]]\nname = "b"\nmodel = "shops@2"\noutput = "b.csv"\n').jobs[0]
    assert (job.model, job.data, job.settings) == ("shops@2", (), {"horizon": 7})
    assert job.retrain == RetrainRule()
    assert job.waits_for == "shops"


def test_the_store_and_the_workers_stand_before_the_tables(tmp_path: Path) -> None:
    found = _read(tmp_path, 'store = "models"\nworkers = 3\n' + GOOD)
    assert (found.store, found.num_workers) == (tmp_path / "models", 3)


def test_a_given_store_beats_the_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.toml"
    path.write_text('store = "models"\n' + GOOD)
    assert read_jobs(path, store=tmp_path / "other").store == tmp_path / "other"


def test_the_environment_names_the_store_where_the_file_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNNFORECAST_STORE", str(tmp_path / "env"))
    assert _read(tmp_path, GOOD).store == tmp_path / "env"


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        (GOOD + "horizn = 3\n", 5, "horizn", "unknown key `horizn`, did you mean `horizon`?"),
        (GOOD + "horizon = 0\n", 5, "horizon", "`horizon` = 0: "),
        (GOOD + 'horizon = "soon"\n', 5, "horizon", "`horizon` = 'soon': "),
        (GOOD + 'cell = "transformer"\n', 5, "cell", "`cell` = 'transformer': "),
        (GOOD + 'retrain = "daily"\n', 5, "retrain", "`on new data of 30 steps`, `on drift`, not `daily`"),
        (GOOD + 'max_age = "soon"\n', 5, "max_age", "invalid duration `soon` for `max_age`"),
        (GOOD + "max_age = 2\n", 5, "max_age", "invalid duration `2` for `max_age`"),
        (GOOD + 'refuse_stale = "all"\n', 5, "refuse_stale", "one of `none`, `shrunk`, `any`, not `all`"),
        (GOOD + "refuse_stale = true\n", 5, "refuse_stale", "one of `none`, `shrunk`, `any`, not `True`"),
        (GOOD + "timeout = 30\n", 5, "timeout", "invalid duration `30` for `timeout`"),
        (GOOD + 'timeout = "soon"\n', 5, "timeout", "invalid duration `soon` for `timeout`"),
        (GOOD + 'on_alarm = "mail me"\n', 5, "on_alarm", "a list of a program and its arguments"),
        (GOOD.replace('"a"', '"a@3"'), 2, "name", "`@`"),
        (GOOD.replace('"a"', "7"), 2, "name", "`name` is a text, in quotes, not `7`"),
        (GOOD.replace('name = "a"\n', ""), 1, "name", "the job has no `name`"),
        (GOOD.replace('"a.csv"', '"-"'), 3, "data", "cannot read standard input"),
        (GOOD.replace('"a.csv"', "[1]"), 3, "data", "a file, a glob or a list of them"),
        (GOOD.replace('data = "a.csv"\n', ""), 1, "data", "neither `data` to train on nor a stored `model`"),
        (GOOD.replace("a-out.csv", "a.xlsx"), 4, "output", "a.xlsx"),
        (GOOD.replace('"a-out.csv"', '"-"'), 4, "output", "a .csv or .parquet file"),
        (
            GOOD + 'model = "m"\ncell = "gru"\n',
            6,
            "cell",
            "`cell` is for training, but this job takes the stored model",
        ),
        (GOOD + 'model = "m"\nretrain = "every 1d"\n', 6, "retrain", "this job takes the model `m`"),
        (GOOD + "keep = 0\n", 5, "keep", "`keep` is a number of versions, one at least, not `0`"),
        (GOOD + 'keep = "all"\n', 5, "keep", "`keep` is a number of versions, one at least, not `all`"),
        (GOOD + 'model = "m"\nkeep = 2\n', 6, "keep", "this job takes the model `m`"),
        (GOOD.replace('"a"', '"base"'), 2, "name", "`base` is the network that comes with the tool"),
        ('[[job]]\nname = "a"\nmodel = "base"\noutput = "a.csv"\n', 1, "data", "`base` was trained on no file"),
        ('[[job]]\nname = "a"\nmodel = "m"\n', 1, "output", "trains nothing and has no `output`"),
        ('[defaults]\nnam = "x"\n' + GOOD, 2, "nam", "unknown key `nam`, did you mean `name`?"),
        ('[defaults]\noutput = "x.csv"\n' + GOOD, 2, "output", "cannot be a default"),
        ("[defaults]\nhorizon = 0\n" + GOOD + OTHER, 2, "horizon", "`horizon` = 0: "),
        ("workers = 0\n" + GOOD, 1, "workers", "a number of processes"),
        ("store = 3\n" + GOOD, 1, "store", "the path of a folder"),
        (GOOD + '[[jobs]]\nname = "b"\n', 5, "jobs", "unknown key `jobs`, did you mean `job`?"),
        ("stor = 'x'\n" + GOOD, 1, "stor", "unknown key `stor`, did you mean `store`?"),
    ],
)
def test_a_fault_is_named_with_its_line_its_key_and_its_words(
    tmp_path: Path, text: str, line: int, key: str, words: str
) -> None:
    found = _faults(tmp_path, text)
    assert [(finding.rows, finding.column) for finding in found] == [((line,), key)]
    assert words in found[0].message
    assert found[0].message.startswith(f"line {line}: ")
    assert f"`{key}`" in found[0].message


def test_all_faults_are_named_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = "[defaults]\nhorizn = 3\n" + GOOD + "seed = 'x'\n" + GOOD.replace('"a"', '"@"') + "cel = 1\n"
    found = _faults(tmp_path, text)
    assert [finding.rows[0] for finding in found] == [2, 7, 9, 11, 12]
    assert [finding.column for finding in found] == ["horizn", "seed", "name", "output", "cel"]


def test_two_jobs_cannot_share_a_name(tmp_path: Path) -> None:
    found = _faults(tmp_path, GOOD + GOOD.replace("a-out", "b").replace('"a"', '"A"'))
    assert found[0].message == "line 6: two jobs have the `name` `A`, the other in line 2"


def test_two_jobs_cannot_write_one_file_by_any_spelling(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = _faults(tmp_path, GOOD + GOOD.replace('"a"', '"b"').replace("a-out.csv", "link/a-out.csv"))
    assert "job `b`: its `output` is that of job `a` (line 4)" in found[0].message


@pytest.mark.parametrize("text", ["", "[defaults]\n", "workers = 2\n"])
def test_a_file_without_jobs_is_refused(tmp_path: Path, text: str) -> None:
    assert "0 jobs, it needs 1 to 10,000" in _faults(tmp_path, text)[0].message


def test_one_bracket_too_few_is_explained(tmp_path: Path) -> None:
    assert "`[[job]]` with two brackets" in _faults(tmp_path, '[job]\nname = "a"\n')[0].message


def test_what_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nightly.toml is not TOML: .*line 2") as caught:
        _read(tmp_path, "[[job]]\nname: a\n")
    assert 'name = "shops"' in str(caught.value.hint)


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not TOML: .*line 5"):
        _read(tmp_path, GOOD + 'data = "b.csv"\n')


def test_a_missing_file_a_folder_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        read_jobs(tmp_path / "nothing.toml")
    with pytest.raises(UsageError, match="cannot be read: it is a folder"):
        read_jobs(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"# \xff\n")
    with pytest.raises(UsageError, match="is not UTF-8: byte 0xff at offset 2"):
        read_jobs(tmp_path / "x.toml")


def test_an_alarm_below_the_file_is_found_from_any_folder(tmp_path: Path) -> None:
    script = tmp_path / "alarm.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert _read(tmp_path, GOOD + 'on_alarm = ["./alarm.sh", "-v"]\n').jobs[0].on_alarm == (str(script), "-v")
