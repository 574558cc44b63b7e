"""`--on ray`: a Ray cluster runs functions as tasks, for the members of a training, trials of a search and parts of a folder.

A task whose process or machine is lost is run again by Ray. What all tasks need is sent to the cluster once.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from rnnforecast.errors import ResourceError, RnnForecastError, UsageError, first_line, missing_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")
Shared = TypeVar("Shared")
Result = TypeVar("Result")

#: How often a task is run again whose process or machine was lost.
MAX_RETRIES = 5
#: Seconds between two looks for a signal to stop.
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_CONNECT = 10.0


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: its address, None for a Ray of this machine that is started and stopped."""

    address: str | None = None

    @classmethod
    def named(cls, on: str | None, address: str | None) -> Cluster | None:
        """Return the cluster of `--on` and `--ray-address`. Raises UsageError, ResourceError without the extra `ray`."""
        if on is None:
            if address is not None:
                raise UsageError("--ray-address has no effect without --on", hint="add `--on ray`, or leave it out")
            return None
        if find_spec("ray") is None:
            raise missing_extra("--on ray needs", "ray", "ray")
        return cls(address)

    @contextmanager
    def connected(self) -> Iterator[Workers]:
        """Connect. Raises ResourceError where the cluster does not answer, or has another version."""
        import ray

        on_main = threading.current_thread() is threading.main_thread()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            # without an address Ray looks for a cluster that was once started here, and waits minutes for one that is gone
            address = self.address or "local"
            host, _, port = address.rpartition(":")
            if host and "/" not in host and port.isdecimal():  # Ray itself tries for minutes
                socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_CONNECT).close()
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
            where = "a Ray of this machine" if self.address is None else f"the Ray cluster at `{self.address}`"
            raise ResourceError(
                f"{where} cannot be used: {first_line(error)}",
                hint="`ray status` shows whether it runs; every machine needs the same versions of ray, Python and rnnforecast",
                code="E_RAY_ADDRESS",
            ) from error
        if on_main:
            signal.signal(signal.SIGTERM, handler)  # Ray has set another
        try:
            untyped: Any = ray
            yield Workers(max(1, int(untyped.cluster_resources().get("CPU", 1))))
        finally:
            ray.shutdown()


@dataclass(frozen=True)
class Workers:
    """The processors of a connected cluster."""

    count: int

    def each(
        self,
        function: Callable[[Shared, Item], Result],
        shared: Shared,
        items: Sequence[Item],
        *,
        look: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Callable[[], Result]]]:
        """Run `function(shared, item)` for each item; yield the number of each that is done, and what returns its result.

        That raises the error of this program that the task raised, ResourceError where its processes were lost again and
        again. `look` is called now and then, and may raise.
        """
        import ray

        stored = ray.put(shared)
        task: Any = ray.remote(num_cpus=1, max_retries=MAX_RETRIES)(_in_folder)
        left: dict[Any, int] = {
            task.remote(function, stored, item, os.getcwd()): number for number, item in enumerate(items)
        }
        while left:
            look()
            try:
                ready, _ = ray.wait(list(left), num_returns=1, timeout=_SECONDS_BETWEEN_LOOKS)
            except SystemError as error:  # Ray hides what the handler of a signal raised
                raise error.__cause__ or error from None
            for done in ready:
                yield left.pop(done), lambda done=done: _result(done)  # type: ignore[misc]


def _in_folder(function: Callable[[Any, Any], Result], shared: object, item: object, folder: str) -> Result:
    """Run a function in a process of the cluster; relative paths are those of the folder of the command."""
    os.chdir(folder)
    torch = sys.modules.get("torch")  # loaded with the function, if at all
    if torch is not None:
        torch.set_num_threads(1)  # results do not depend on the processors of the machine
    return function(shared, item)


def _result(done: Any) -> Any:
    import ray

    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RnnForecastError):
            raise error.cause from None
        raise
    except ray.exceptions.RayError as error:
        raise ResourceError(
            f"its processes were lost {MAX_RETRIES + 1} times: {first_line(error)}",
            hint="run the same command again; `ray status` shows the machines",
            code="E_RAY_LOST",
        ) from error
