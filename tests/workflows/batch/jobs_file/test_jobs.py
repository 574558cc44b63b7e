from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.grammars import Duration
from rnnforecast.workflows.batch.jobs_file.job import RetrainRule
from rnnforecast.workflows.batch.jobs_file.read import JobFile, read_jobs

OTHER = '[[job]]\nname = "b"\ndata = "a.csv"\noutput = "b-out.csv"\n'
GOOD = '[[job]]\nname = "a"\ndata = "a.csv"\noutput = "a-out.csv"\n'


@pytest.fixture(autouse=True)
def _no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)


def _read(folder: Path, text: str) -> JobFile:
    path = folder / "nightly.toml"
    path.write_text(text, encoding="utf-8")
    return read_jobs(path)


def _errors(folder: Path, text: str) -> list[Finding]:
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


def test_files_of_future_covariates_start_at_the_folder_of_the_file_too(tmp_path: Path) -> None:
    job = _read(tmp_path, f'{GOOD}future = "temp"\nfuture_data = "b.csv,/x/c.csv"\n').jobs[0]
    assert job.settings["future_data"] == [str(tmp_path / "b.csv"), "/x/c.csv"]


def test_a_job_asks_what_if(tmp_path: Path) -> None:
    job = _read(tmp_path, f'{GOOD}components = true\nset = "price=1.1x"\nwhat_if = "b.csv"\n').jobs[0]
    assert (job.components, job.set, job.what_if) == (True, ("price=1.1x",), str(tmp_path / "b.csv"))
    (error,) = _errors(tmp_path, f'{GOOD}set = ["price"]\n')
    assert "invalid change `price`" in error.message


def test_absolute_paths_and_urls_stay_as_they_are(tmp_path: Path) -> None:
    job = _read(tmp_path, '[[job]]\nname = "a"\ndata = ["/x/a.csv", "s3://b/c.csv"]\noutput = "/y/a.csv"\n').jobs[0]
    assert job.data == ("/x/a.csv", "s3://b/c.csv")
    assert job.output == Path("/y/a.csv")


def test_brackets_in_the_folder_of_a_glob_are_not_a_pattern(tmp_path: Path) -> None:
    folder = tmp_path / "[x]"
    folder.mkdir()
    (folder / "a.csv").touch()
    job = _read(folder, GOOD.replace('"a.csv"', '"*.csv"').replace("a-out.csv", "a-out.parquet")).jobs[0]
    import glob

    assert glob.glob(job.data[0]) == [str(folder / "a.csv")]


def test_a_key_of_a_job_overrides_the_default(tmp_path: Path) -> None:
    text = '[defaults]\nhorizon = 7\ncell = "gru"\ntimeout = "1h"\nretrain = "every 2d"\n' + GOOD + "horizon = 3\n"
    job = _read(tmp_path, text).jobs[0]
    assert job.settings == {"horizon": 3, "cell": "gru"}
    assert job.timeout == Duration("1h", 3_600)
    assert job.retrain == RetrainRule("every", seconds=172_800, text="every 2d")


def test_defaults_of_training_do_not_apply_to_a_job_with_a_stored_model(tmp_path: Path) -> None:
    text = '[defaults]\nhorizon = 7\ncell = "gru"\nretrain = "every 2d"\ndata = "x.csv"\n'
    job = _read(tmp_path, text + '[[job]]\nname = "b"\nmodel = "shops@2"\noutput = "b.csv"\n').jobs[0]
    assert (job.model, job.data, job.settings) == ("shops@2", (), {"horizon": 7})
    assert job.retrain == RetrainRule()
    assert job.waits_for == "shops"


def test_the_store_and_the_workers_come_before_the_tables(tmp_path: Path) -> None:
    found = _read(tmp_path, 'store = "models"\nworkers = 3\n' + GOOD)
    assert (found.store, found.num_workers) == (tmp_path / "models", 3)


def test_a_given_store_overrides_the_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.toml"
    path.write_text('store = "models"\n' + GOOD)
    assert read_jobs(path, store=tmp_path / "other").store == tmp_path / "other"


def test_the_environment_names_the_store_if_the_file_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFORECAST_STORE", str(tmp_path / "env"))
    assert _read(tmp_path, GOOD).store == tmp_path / "env"


@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        (GOOD + "horizn = 3\n", 5, "horizn", "unknown key `horizn`, did you mean `horizon`?"),
        (GOOD + "horizon = 0\n", 5, "horizon", "`horizon` = 0: "),
        (GOOD + 'horizon = "soon"\n', 5, "horizon", "`horizon` = 'soon': "),
        (GOOD + 'time_budget = "soon"\n', 5, "time_budget", "invalid duration `soon`"),
        (GOOD + 'freq = "foo"\n', 5, "freq", "foo"),
        (GOOD + 'tz = "Nowhere/X"\n', 5, "tz", "unknown time zone `Nowhere/X`"),
        (GOOD + 'date_format = "%Q"\n', 5, "date_format", "invalid date format `%Q`"),
        (GOOD + 'resample = "zz"\n', 5, "resample", "zz"),
        (GOOD + 'calendar = "XXXX"\n', 5, "calendar", "unknown calendar `XXXX`"),
        (GOOD + 'max_bytes = "many"\n', 5, "max_bytes", "invalid size `many`"),
        (GOOD + 'on_alarm = [""]\n', 5, "on_alarm", "a list of a program and its arguments"),
        (GOOD + 'cell = "transformer"\n', 5, "cell", "`cell` = 'transformer': "),
        (GOOD + 'retrain = "daily"\n', 5, "retrain", "`on drift`, `warm`, `warm every 7d`, not `daily`"),
        (
            GOOD + 'max_age = "soon"\n',
            5,
            "max_age",
            "`max_age` must be an age in quotes, such as `36h`, `2d` or `3 steps`, not `soon`",
        ),
        (GOOD + "max_age = 2\n", 5, "max_age", "`max_age` must be an age in quotes"),
        (GOOD + 'refuse_stale = "all"\n', 5, "refuse_stale", "one of `none`, `shrunk`, `any`, not `all`"),
        (GOOD + "refuse_stale = true\n", 5, "refuse_stale", "one of `none`, `shrunk`, `any`, not `True`"),
        (
            GOOD + "timeout = 30\n",
            5,
            "timeout",
            "must be a duration in quotes, such as `90s`, `30m`, `12h` or `7d`, not `30`",
        ),
        (GOOD + 'timeout = "soon"\n', 5, "timeout", "not `soon`"),
        (GOOD + 'on_alarm = "mail me"\n', 5, "on_alarm", "a list of a program and its arguments"),
        (GOOD.replace('"a"', '"a@3"'), 2, "name", "`@`"),
        (GOOD.replace('"a"', "7"), 2, "name", "`name` must be a text in quotes, not `7`"),
        (GOOD.replace('name = "a"\n', ""), 1, "name", "the job has no `name`"),
        (GOOD.replace('"a.csv"', '"-"'), 3, "data", "cannot read standard input"),
        (GOOD.replace('"a.csv"', "[1]"), 3, "data", "a file, a glob or a list of them"),
        (GOOD.replace('data = "a.csv"\n', ""), 1, "data", "neither `data` to train on nor a stored `model`"),
        (GOOD.replace("a-out.csv", "a.ods"), 4, "output", "a.ods"),
        (GOOD.replace('"a-out.csv"', '"-"'), 4, "output", "a .csv or .parquet file"),
        (
            GOOD + 'model = "m"\ncell = "gru"\n',
            6,
            "cell",
            "`cell` is only for training, but this job uses the stored model",
        ),
        (GOOD + 'model = "m"\nretrain = "every 1d"\n', 6, "retrain", "this job uses the stored model `m`"),
        (
            GOOD + "keep = 0\n",
            5,
            "keep",
            "`keep` must be the number of versions of the model to keep, at least 1, not `0`",
        ),
        (
            GOOD + 'keep = "all"\n',
            5,
            "keep",
            "`keep` must be the number of versions of the model to keep, at least 1, not `all`",
        ),
        (GOOD + 'model = "m"\nkeep = 2\n', 6, "keep", "this job uses the stored model `m`"),
        (GOOD.replace('"a"', '"base"'), 2, "name", "`base` is the pretrained model in the package"),
        (
            '[[job]]\nname = "a"\nmodel = "base"\noutput = "a.csv"\n',
            1,
            "data",
            "`base` has no training file, so the job needs `data`",
        ),
        (
            '[[job]]\nname = "a"\nmodel = "got.safetensors"\noutput = "a.csv"\n',
            1,
            "data",
            "`got.safetensors` is a model outside the store, whose paths are not opened, so the job needs `data`",
        ),
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
def test_an_error_names_its_line_and_its_key_and_says_what_is_valid(
    tmp_path: Path, text: str, line: int, key: str, words: str
) -> None:
    found = _errors(tmp_path, text)
    assert [(finding.rows, finding.column) for finding in found] == [((line,), key)]
    assert words in found[0].message
    assert found[0].message.startswith(f"line {line}: ")
    assert f"`{key}`" in found[0].message


def test_all_errors_are_reported_together_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = "[defaults]\nhorizn = 3\n" + GOOD + "seed = 'x'\n" + GOOD.replace('"a"', '"@"') + "cel = 1\n"
    found = _errors(tmp_path, text)
    assert [finding.rows[0] for finding in found] == [2, 7, 9, 11, 12]
    assert [finding.column for finding in found] == ["horizn", "seed", "name", "output", "cel"]


def test_two_jobs_cannot_share_a_name(tmp_path: Path) -> None:
    found = _errors(tmp_path, GOOD + GOOD.replace("a-out", "b").replace('"a"', '"A"'))
    assert found[0].message == "line 6: two jobs have the `name` `A`, the other in line 2"


def test_two_jobs_cannot_write_the_same_file_under_different_paths(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    found = _errors(tmp_path, GOOD + GOOD.replace('"a"', '"b"').replace("a-out.csv", "link/a-out.csv"))
    assert "job `b`: its `output` is also that of job `a` (line 4)" in found[0].message


@pytest.mark.parametrize("text", ["", "[defaults]\n", "workers = 2\n"])
def test_a_file_without_jobs_is_rejected(tmp_path: Path, text: str) -> None:
    assert "0 jobs, it needs 1 to 10,000" in _errors(tmp_path, text)[0].message


def test_one_bracket_too_few_is_explained(tmp_path: Path) -> None:
    assert "`[[job]]` with two brackets" in _errors(tmp_path, '[job]\nname = "a"\n')[0].message


def test_invalid_toml_is_rejected_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nightly.toml is not valid TOML: .*line 2") as caught:
        _read(tmp_path, "[[job]]\nname: a\n")
    assert 'name = "shops"' in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 3000 + "]" * 3000, "it is nested too deeply"),
        (GOOD + f"horizon = {'9' * 5000}\n", "a number has too many digits"),
        (GOOD + 'what_if = "a\\u0000.csv"\n', "it holds a NUL character"),
    ],
    ids=["nested", "digits", "NUL"],
)
def test_toml_that_python_cannot_hold_is_rejected(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"nightly.toml is not valid TOML: {reason}"):
        _read(tmp_path, text)


def test_a_duplicate_key_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"not valid TOML: .*line 5"):
        _read(tmp_path, GOOD + 'data = "b.csv"\n')


def test_a_missing_file_a_folder_and_bytes_that_are_not_utf8_are_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot be read: no such file") as caught:
        read_jobs("nothing.toml")
    assert caught.value.hint == f"looked in {tmp_path}"
    with pytest.raises(UsageError, match="cannot be read: it is a folder"):
        read_jobs(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"# \xff\n")
    with pytest.raises(UsageError, match="not UTF-8: byte 0xff at offset 2"):
        read_jobs(tmp_path / "x.toml")


def test_the_path_of_an_alarm_program_starts_at_the_folder_of_the_file(tmp_path: Path) -> None:
    script = tmp_path / "alarm.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    assert _read(tmp_path, GOOD + 'on_alarm = ["./alarm.sh", "-v"]\n').jobs[0].on_alarm == (str(script), "-v")
