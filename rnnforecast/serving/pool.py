"""The processes that forecast: one request each at a time; one that takes too long or dies is replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnforecast.errors import ResourceError
from rnnforecast.serving.worker import LENGTHS, WorkerSettings, pack

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

#: Seconds until a new process is ready to forecast.
START_SECONDS = 60.0
#: Requests that wait for each process, at most; more are turned away.
WAITING_PER_WORKER = 32
#: Pause before a process that does not start is started again.
_RETRY_SECONDS = 1.0


class BusyError(Exception):
    """Too many requests wait already."""


class CrashedError(Exception):
    """The process died over a request."""


@dataclass(eq=False)
class Worker:
    """One process, and the pipes to it."""

    process: Process

    @classmethod
    async def start(cls, settings: WorkerSettings) -> Worker:
        """Start a process and wait until it is ready. Raises ResourceError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "rnnforecast.serving.worker", settings.to_json()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # Ctrl-C reaches the server alone
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                await worker._receive()
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            await worker.kill()
            raise ResourceError(
                "a process that forecasts did not start",
                hint="run `rnnforecast doctor`, and free memory",
                code="E_SERVE_WORKER",
            ) from error
        return worker

    async def ask(self, header: Mapping[str, object], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the answer to a request. Raises CrashedError."""
        stdin = self.process.stdin
        if stdin is None:
            raise CrashedError
        try:
            stdin.write(pack(header, body))
            await stdin.drain()
            return await self._receive()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise CrashedError from error

    async def _receive(self) -> tuple[dict[str, Any], bytes]:
        stdout = self.process.stdout
        if stdout is None:
            raise CrashedError
        header_size, body_size = LENGTHS.unpack(await stdout.readexactly(LENGTHS.size))
        header = json.loads(await stdout.readexactly(header_size))
        return header, await stdout.readexactly(body_size)

    async def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@dataclass(eq=False)
class Pool:
    """Several processes; requests take turns."""

    settings: WorkerSettings
    size: int
    timeout: float  # seconds of a request, waiting included
    num_waiting: int = 0
    num_replaced: int = 0
    _idle: asyncio.LifoQueue[Worker] = field(default_factory=asyncio.LifoQueue)
    _all: set[Worker] = field(default_factory=set)
    _starts: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        """Start all processes. Raises ResourceError."""
        for worker in await asyncio.gather(*(Worker.start(self.settings) for _ in range(self.size))):
            self._add(worker)

    @property
    def num_ready(self) -> int:
        """How many processes there are now."""
        return len(self._all)

    async def ask(self, header: Mapping[str, object], body: bytes) -> tuple[dict[str, Any], bytes]:
        """Return the answer of the next free process. Raises BusyError, CrashedError or TimeoutError."""
        if self.num_waiting >= WAITING_PER_WORKER * self.size:
            raise BusyError
        self.num_waiting += 1
        try:
            async with asyncio.timeout(self.timeout):
                return await self._ask_next(header, body)
        finally:
            self.num_waiting -= 1

    async def _ask_next(self, header: Mapping[str, object], body: bytes) -> tuple[dict[str, Any], bytes]:
        worker = await self._idle.get()
        done = False
        try:
            found = await worker.ask(header, body)
            done = True
            return found
        finally:  # a process that was interrupted would give its answer to the next request
            if done:
                self._idle.put_nowait(worker)
            else:
                self._all.discard(worker)
                self._replace(worker)

    def _add(self, worker: Worker) -> None:
        self._all.add(worker)
        self._idle.put_nowait(worker)

    def _replace(self, worker: Worker) -> None:
        async def renew() -> None:
            self.num_replaced += 1
            await worker.kill()
            while True:
                try:
                    self._add(await Worker.start(self.settings))
                    return
                except (ResourceError, OSError):
                    await asyncio.sleep(_RETRY_SECONDS)

        task = asyncio.create_task(renew())
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def close(self) -> None:
        """End all processes."""
        for task in tuple(self._starts):
            task.cancel()
        await asyncio.gather(*self._starts, *(worker.kill() for worker in self._all), return_exceptions=True)
        self._all.clear()
