"""A process that has imported everything and forks: a run of the command line without the second that imports take.

Requests and replies are lines of JSON on standard input and output. A forked child waits until it is told to go, so
that a tracer can be attached to it before its first system call of interest.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import resource
import signal
import sys
import traceback
from typing import Any

WARM = (
    "pandas",
    "pyarrow.parquet",
    "scipy.stats",
    "torch",
    "rnnforecast.cli.main",
    "rnnforecast.cli.batch",
    "rnnforecast.cli.models",
    "rnnforecast.cli.predict",
    "rnnforecast.cli.train",
    "rnnforecast.workflows.batch.run",
    "rnnforecast.workflows.models",
    "rnnforecast.workflows.predict",
    "rnnforecast.workflows.train",
)


_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ of Linux


def serve() -> None:
    """Answer requests until standard input is closed."""
    for name in WARM:
        importlib.import_module(name)
    gates: dict[int, int] = {}
    ears: dict[int, int] = {}
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        request = json.loads(line)
        reply: dict[str, Any] = {}
        if request["do"] == "fork":
            pid, gate, ear = _fork(request, replies.fileno())
            gates[pid], ears[pid] = gate, ear
            reply = {"pid": pid}
        elif request["do"] == "go":
            os.write(gates[request["pid"]], b"!")
            os.close(gates.pop(request["pid"]))
        elif request["do"] == "wait":
            code = os.waitstatus_to_exitcode(os.waitpid(request["pid"], 0)[1])
            reply = {"code": code, "output": _read_output(ears.pop(request["pid"]))}
        elif request["do"] == "import":
            for name in request["names"]:
                _import_if_there(name)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _fork(request: dict[str, Any], reply_descriptor: int) -> tuple[int, int, int]:
    """Return the child, the pipe that starts it, and the pipe of its output, to which no file size limit applies."""
    read, write = os.pipe()
    ear, mouth = os.pipe()
    fcntl.fcntl(mouth, _SET_PIPE_SIZE, 2**20)
    pid = os.fork()
    if pid:
        os.close(read)
        os.close(mouth)
        return pid, write, ear
    os.close(write)
    os.close(ear)
    os.close(reply_descriptor)
    try:
        _run(request, read, mouth)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        raise
    finally:
        os._exit(99)


def _read_output(ear: int) -> str:
    """Return the output of a child, whose descendants may still have the pipe open."""
    os.set_blocking(ear, False)
    output = b""
    try:
        while chunk := os.read(ear, 2**16):
            output += chunk
    except BlockingIOError:
        pass
    os.close(ear)
    return output.decode("utf-8", "replace")


def _run(request: dict[str, Any], gate: int, mouth: int) -> None:
    """Run the command line in this process; never returns."""
    from rnnforecast.cli.main import main
    from rnnforecast.training import checkpoints

    nothing = os.open(os.devnull, os.O_RDONLY)
    for old, new in ((nothing, 0), (mouth, 1), (mouth, 2)):
        os.dup2(old, new)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False, buffering=1)
    os.chdir(request["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request.get("every_step"):
        checkpoints.INTERVAL_SECONDS = 0.0
    if request.get("max_file_bytes") is not None:
        limit = int(request["max_file_bytes"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    os.read(gate, 1)
    code = main(request["words"])
    if request.get("modules"):
        with open(request["modules"], "w", encoding="utf-8") as file:
            json.dump(sorted(sys.modules), file)
    sys.stdout.flush()
    os._exit(code)


def _import_if_there(name: str) -> None:
    try:
        importlib.import_module(name)
    except ImportError:
        return


if __name__ == "__main__":
    serve()
