"""Parts as tasks of a Ray cluster: the same bytes as in one process, also where a machine is lost midway."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.cli.main import main
from rnnforecast.config import DataSettings
from rnnforecast.errors import ResourceError
from rnnforecast.store.registry import Registry
from rnnforecast.training import cluster as cluster_module
from rnnforecast.training.cluster import Cluster
from rnnforecast.workflows import tune
from rnnforecast.workflows.model_rows import Files
from rnnforecast.workflows.predict import ForecastRequest
from rnnforecast.workflows.shards import on_ray
from rnnforecast.workflows.shards.plan import Shard
from rnnforecast.workflows.shards.run import predict_shard
from tests.house import ROOT
from tests.workflows.shards.test_renewed import write_panel
from tests.workflows.toy import write_days

pytest.importorskip("ray")

NUM_FILES = 10
#: Waits until the cluster has two machines.
WAIT = """
import sys, time, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
while sum(node["Alive"] for node in ray.nodes()) < 2:
    time.sleep(0.2)
"""
#: All of the cluster have one token, which another user of this machine does not have.
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


def start_node(*words: str) -> subprocess.Popen[bytes]:
    """Start a machine of the cluster with one processor, in a process group that can be killed as a whole."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, "--num-cpus", "1", "--block"]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        [*command, "--disable-usage-stats"], env=ENVIRONMENT, start_new_session=True, stdout=nothing, stderr=nothing
    )


def kill(node: subprocess.Popen[bytes]) -> None:
    if node.poll() is None:
        os.killpg(node.pid, signal.SIGKILL)
        node.wait()


@pytest.fixture
def cluster() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the address of a cluster of two machines, and the second one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    folder = tempfile.mkdtemp(prefix="ray-")  # a short path, as sockets lie in it
    head = start_node("--head", "--port", str(port), "--include-dashboard", "false", "--temp-dir", folder)
    second = None
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        time.sleep(2)
        second = start_node("--address", address)
        wait = subprocess.run([sys.executable, "-c", WAIT, address], env=ENVIRONMENT, timeout=120, check=False)
        assert wait.returncode == 0
        yield address, second
    finally:
        for node in (second, head):
            if node is not None:
                kill(node)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    for number in range(NUM_FILES):
        write_panel(tmp_path / "rows" / f"p{number}.parquet")
    return tmp_path / "rows"


def command(rows: Path, output: Path, *words: str) -> list[str]:
    line = ["predict", "base", "--data", str(rows), "--id", "shop", "--horizon", "5", "--output", str(output)]
    return [*line, *words, "--quiet"]


def test_a_machine_that_is_lost_midway_changes_no_byte(
    cluster: tuple[str, subprocess.Popen[bytes]], rows: Path, tmp_path: Path
) -> None:
    address, second = cluster
    request = ForecastRequest(output=tmp_path / "alone", reading=DataSettings(id=("shop",), horizon=5))
    assert predict_shard(request, "base", data=Files((rows,)), shard=Shard(1, 1)).exit_code == 0

    words = command(rows, tmp_path / "ray", "--on", "ray", "--ray-address", address)
    with subprocess.Popen([sys.executable, "-m", "rnnforecast", *words], env=ENVIRONMENT) as running:
        while running.poll() is None and len(list((tmp_path / "ray").glob("*.parquet"))) < 2:
            time.sleep(0.05)
        kill(second)
        assert running.wait(timeout=240) == 0

    names = sorted(path.name for path in (tmp_path / "alone").glob("*.parquet"))
    assert len(names) == NUM_FILES
    assert [(tmp_path / "ray" / name).read_bytes() for name in names] == [
        (tmp_path / "alone" / name).read_bytes() for name in names
    ]


def test_members_and_trials_have_the_bytes_of_this_machine(
    cluster: tuple[str, subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = str(write_days(tmp_path))
    monkeypatch.setattr(tune, "num_processes", lambda: 2)  # as many as the cluster has
    small = ["--num-steps", "3", "--hidden-size", "4", "--context-length", "14", "--horizon", "7", "--num-windows", "1"]
    fit = ["train", data, *small, "--from", "scratch", "--num-members", "2", "--no-refit", "--quiet"]
    search = ["tune", data, *small, "--trials", "4", "--quiet"]
    for words in (fit, search):
        where = ["--on", "ray", "--ray-address", cluster[0], "--store", str(tmp_path / "ray-store")]
        subprocess.run([sys.executable, "-m", "rnnforecast", *words, *where], env=ENVIRONMENT, check=True, timeout=120)
        assert main([*words, "--store", str(tmp_path / "store")]) == 0
    mine, theirs = (Registry(tmp_path / store).resolve("days").load().tensors for store in ("store", "ray-store"))
    assert mine.keys() == theirs.keys()
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    local, on_cluster = (_trials(tmp_path / store / "tuning" / "days.db") for store in ("store", "ray-store"))
    assert local == on_cluster
    assert {row[0] for row in local} == {0, 1, 2, 3}


def _trials(study: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(study)) as connection:
        return connection.execute(
            "select number, state, value, param_name, param_value from trials left join trial_values using (trial_id) "
            "left join trial_params using (trial_id) order by number, param_name"
        ).fetchall()


def test_an_address_that_does_not_answer_is_named(rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: object) -> None:
        raise ConnectionError("Failed to connect to GCS\nat head")

    monkeypatch.setattr(ray, "init", refuse)
    request = ForecastRequest(output=tmp_path / "out", reading=DataSettings(id=("shop",), horizon=5))
    runner = on_ray.ray_runner(Cluster("ray://head:1"))
    with pytest.raises(ResourceError, match=r"cluster at `ray://head:1` cannot be used: Failed to connect to GCS"):
        predict_shard(request, "base", data=Files((rows,)), shard=Shard(1, 1), on=runner)


def test_an_address_where_nothing_listens_is_named_at_once() -> None:
    with (
        pytest.raises(ResourceError, match=r"cluster at `127\.0\.0\.1:1` cannot be used: .*refused"),
        Cluster("127.0.0.1:1").connected(),
    ):
        pass


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_module, "find_spec", lambda _: None)
    with pytest.raises(ResourceError, match="--on ray needs the package ray, which is not installed"):
        Cluster.named("ray", None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ray-address", "auto"], "--ray-address has no effect without --on"),
        (["--on", "ray", "--device", "cuda"], "--device cuda and --on ray exclude each other"),
    ],
)
def test_flags_of_training_that_do_not_fit_are_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(["train", str(write_days(tmp_path)), "--store", str(tmp_path / "store"), "--horizon", "7", *words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ray-address", "auto"], "--ray-address has no effect without --on"),
        (["--on", "ray", "--shard", "1/2"], "--on and --shard both divide the folder"),
        (["--on", "ray", "--ledger"], "--ledger is not available with --shard"),
    ],
)
def test_flags_that_do_not_fit_are_rejected(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert main(command(rows, tmp_path / "out", *words)) == 2
    assert message in capsys.readouterr().err
