"""Less memory, other users, other file systems, keys and programs than a run expects: it says so, and loses nothing."""

from __future__ import annotations

import base64
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.cli.main import main
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError, ExitCode
from rnnforecast.store.ledger import Ledger, ledger_names
from rnnforecast.store.model_file import read_model
from tests.conftest import DAYS, GOOD_ROWS
from tests.faults.forks import Zygote, zygote
from tests.faults.scenes import SCENES, STORE, Stage
from tests.house import ROOT

NOBODY = 65_534
#: Long enough that its memory can be taken away in the middle.
LONG = ["train", "good.csv", "--horizon", "7", "--num-steps", "100000", "--num-members", "1", "--hidden-size", "64"]
_MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.fixture(scope="module")
def warm() -> Iterator[Zygote]:
    with zygote() as started:
        yield started


@pytest.fixture(scope="module")
def stage(warm: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(warm, tmp_path_factory.mktemp("places"), scenes=SCENES[:1])


def test_memory_that_is_taken_away_in_the_middle_of_a_training_is_a_matter_of_resources(stage: Stage) -> None:
    place = stage.copy()
    child = stage.zygote.begin(LONG, place, every_step=True)
    child.go()
    _wait_for(place, "*.checkpoint")
    used = int(Path(f"/proc/{child.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(child.pid, resource.RLIMIT_AS, (used, used))
    ended = child.wait()
    assert (ended.code, "Traceback" in ended.output) == (ExitCode.RESOURCES, False)
    assert "memory ran out" in ended.output
    assert stage.problems(SCENES[0], place) == []
    # the same training resumes from its checkpoint, without its limit and to an earlier end
    assert stage.zygote.run(["models", "verify"], place).code == 0
    assert stage.zygote.run(SCENES[0].words, place, every_step=True).code == 0


def _why_no_cgroup() -> str:
    probe = _MEMORY / f"rnnforecast-{os.getpid()}"
    try:
        probe.mkdir()
    except OSError as error:
        return f"no group of processes with little memory can be made: {error.strerror}"
    is_there = (probe / "memory.limit_in_bytes").exists()
    probe.rmdir()
    return "" if is_there else "the groups of this system limit no memory"


@pytest.mark.skipif(bool(_why_no_cgroup()), reason=_why_no_cgroup() or "there are groups")
def test_a_job_that_the_kernel_kills_for_the_memory_of_its_group_is_named_and_the_next_run_succeeds(
    workplace: Path,
) -> None:
    group = _MEMORY / f"rnnforecast-{os.getpid()}"
    group.mkdir()
    jobs = '[[job]]\nname = "a"\nmodel = "good"\ndata = "good.csv"\noutput = "a.csv"\n'
    (workplace / "jobs.toml").write_text(jobs)
    try:
        (group / "memory.limit_in_bytes").write_text(str(2**25))
        with suppress(OSError):  # swap, where the kernel counts it
            (group / "memory.memsw.limit_in_bytes").write_text(str(2**25))
        script = f'echo $$ > {group}/tasks && exec "$@"'
        ended = _run(["/bin/sh", "-c", script, "sh", *_words("batch", "jobs.toml")], workplace)
        assert ended.returncode in (ExitCode.RESOURCES, -9)
        assert "Traceback" not in ended.stderr
    finally:
        _wait_for_end(group)
        group.rmdir()
    assert main(["batch", "jobs.toml", "--quiet"]) == 0
    assert (workplace / "a.csv").exists()


def _words(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "rnnforecast", *words]


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def _as_nobody(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return _run([*user, *_words(*words)], folder)


def _why_no_other_user() -> str:
    if os.geteuid() or shutil.which("setpriv") is None:
        return "only root becomes another user, and by `setpriv`"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        ended = _as_nobody("--version", folder=Path(folder))
    return "" if ended.returncode == 0 else f"another user cannot run this program: {ended.stderr[-100:]}"


@pytest.fixture
def open_place(trained_folder: Path) -> Iterator[Path]:
    """Yield a copy of the trained folder below a folder that everyone may enter."""
    with tempfile.TemporaryDirectory() as top:
        place = Path(top) / "work"
        shutil.copytree(trained_folder, place)
        for path in (Path(top), *Path(top).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield place


@pytest.mark.skipif(bool(_why_no_other_user()), reason=_why_no_other_user() or "there is another user")
def test_another_user_reads_a_store_and_is_told_what_it_cannot_write(open_place: Path) -> None:
    def content() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in open_place.rglob("*") if path.is_file()}

    before = content()
    rows = ["--data", "good.csv"]
    shown = _as_nobody("predict", "good", *rows, "--format", "csv", folder=open_place)
    assert shown.returncode == 0, shown.stderr
    assert "the forecasts were not logged in the ledger" in shown.stderr
    for words in (
        ["predict", "good", *rows, "--output", "out.csv"],
        ["train", "good.csv", "--num-steps", "1"],
        ["models", "remove", "good", "--yes"],
        ["models", "prune", "--keep", "1"],
    ):
        ended = _as_nobody(*words, folder=open_place)
        assert ended.returncode in (ExitCode.OUTPUT, 0 if "prune" in words else ExitCode.OUTPUT), (words, ended.stderr)
        assert "bug" not in ended.stderr
    assert content() == before


@pytest.mark.skipif(bool(_why_no_other_user()), reason=_why_no_other_user() or "there is another user")
def test_a_store_that_another_user_may_not_enter_is_named(open_place: Path) -> None:
    (open_place / STORE).chmod(0o700)
    for words in (["predict", "good"], ["models", "list"], ["score", "good"], ["models", "verify", "good"]):
        ended = _as_nobody(*words, folder=open_place)
        assert ended.returncode == ExitCode.MODEL_FILE, (words, ended.stderr)
        assert "cannot be read: permission denied" in ended.stderr


@pytest.mark.skipif(bool(_why_no_other_user()), reason=_why_no_other_user() or "there is another user")
def test_a_store_that_two_users_write_in_turn_loses_nothing(open_place: Path) -> None:
    for path in (open_place, *open_place.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    words = ["predict", "good", "--data", "good.csv"]
    runs = [
        _as_nobody(*words, folder=open_place),
        _run(_words(*words, "--horizon", "3"), open_place),
        _as_nobody(*words, "--horizon", "5", folder=open_place),
    ]
    assert [ended.returncode for ended in runs] == [0, 0, 0], "".join(ended.stderr for ended in runs)
    assert "bug" not in "".join(ended.stderr for ended in runs)
    assert Ledger(open_place / STORE, "good").read() is not None
    assert read_model(open_place / STORE / "models" / "good" / "1.safetensors")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="there is no second file system")
def test_a_store_on_another_file_system_works_from_end_to_end(workplace: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        assert Path(other).stat().st_dev != workplace.stat().st_dev
        store = ["--store", f"{other}/store", "--quiet"]
        small = ["--horizon", "7", "--num-steps", "3", "--num-members", "1", "--hidden-size", "4"]
        for words in (
            ["train", "good.csv", *small],
            ["train", "good.csv", *small, "--seed", "5", "--activate", "never"],
            ["predict", "good", "--output", "out.csv"],
            ["predict", "base", "--data", "good.csv", "--output", f"{other}/base.parquet"],
            ["models", "promote", "good@2"],
            ["models", "prune", "--keep", "1"],
        ):
            assert main([*words, *store]) == 0, words
        assert (workplace / "out.csv").exists()
        assert len(ledger_names(Path(other) / "store")) == 2
        assert list(Path(other).rglob(".rnnforecast*")) == []


def test_forecasts_and_scores_that_race_through_the_command_line_lose_no_forecast(stage: Stage) -> None:
    place = stage.copy()
    ends = range(60, 90, 6)
    for end in ends:
        (place / f"to{end}.csv").write_text("\n".join(["date,value", *GOOD_ROWS[:end]]) + "\n")
    words = [["predict", "good", "--data", f"to{end}.csv", "--ledger", "--quiet"] for end in ends]
    words += [["predict", "base", "--data", f"to{end}.csv", "--horizon", "3", "--ledger", "--quiet"] for end in ends]
    words += [["score", "good", "--data", "good.csv", "--format", "json"]] * 3 + [["models", "list"]]
    racing = [stage.zygote.begin(each, place) for each in words]
    for child in racing:
        child.go()
    ended = [child.wait() for child in racing]
    forecasts, readers = ended[: 2 * len(ends)], ended[2 * len(ends) :]
    assert [each.code for each in forecasts] == [0] * len(forecasts), [each.output for each in forecasts if each.code]
    # a score may come before the first forecast
    assert {each.code for each in readers} <= {0, ExitCode.MODEL_FILE}, [each.output for each in readers]
    assert not any("Traceback" in each.output for each in ended)
    assert len(Ledger(place / STORE, "good").parts()) == len(ends)
    assert len(ledger_names(place / STORE)) == 1 + len(ends)
    assert stage.zygote.run(["score", "good", "--data", "good.csv", "--quiet"], place).code == 0
    assert stage.leftovers(place) == []


def _encrypted(path: Path, *, is_footer_plain: bool) -> Path:
    """Write a Parquet file whose column `value` needs a key."""
    crypto = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(crypto.KmsClient):  # type: ignore[misc,name-defined]
        def wrap_key(self, key: bytes, _: str) -> str:
            return base64.b64encode(key).decode()

        def unwrap_key(self, wrapped: str, _: str) -> bytes:
            return base64.b64decode(wrapped)

    table = pa.table(
        {"date": DAYS, "value": [float(row) for row in range(90)], "other": [row / 2 for row in range(90)]}
    )
    factory = crypto.CryptoFactory(lambda _: Keys())
    chosen = crypto.EncryptionConfiguration("footer", column_keys={"data": ["value"]}, plaintext_footer=is_footer_plain)
    properties = factory.file_encryption_properties(crypto.KmsConnectionConfig(), chosen)
    with pq.ParquetWriter(path, table.schema, encryption_properties=properties) as writer:
        writer.write_table(table)
    return path


def test_an_encrypted_parquet_file_is_named_as_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is an encrypted Parquet file"):
        read_series([_encrypted(tmp_path / "rows.parquet", is_footer_plain=False)])


@pytest.mark.parametrize("target", [(), ("--target", "value"), ("--target", "other")], ids=" ".join)
def test_an_encrypted_column_is_rejected_where_it_is_named_and_said_where_it_is_not(
    tmp_path: Path, target: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = _encrypted(tmp_path / "rows.parquet", is_footer_plain=True)
    code = main(["inspect", str(path), *target, "--format", "json"])
    told = "".join(capsys.readouterr())
    if "value" in target:
        assert (code, "E_DATA_ENCRYPTED" in told) == (ExitCode.DATA, True)
    else:
        assert (code, "W_DATA_ENCRYPTED" in told) == (0, True)


def _wait_for(place: Path, pattern: str, *, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not list(place.rglob(pattern)):
        assert time.monotonic() < until, f"no {pattern} after {seconds} s"
        time.sleep(0.02)


def _wait_for_end(group: Path, *, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while (group / "tasks").read_text().strip() and time.monotonic() < until:
        time.sleep(0.05)
