"""`serve`: start the server, and stop it in order."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
from typing import TYPE_CHECKING

from rnnforecast.errors import OutputError, ResourceError, UsageError, missing_extra
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Duration, parse_size
from rnnforecast.inference.threads import num_cores
from rnnforecast.model_io.base import BASE
from rnnforecast.serving.pool import Pool
from rnnforecast.serving.worker import WorkerSettings, check_model

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

TOKEN_VARIABLE = "RNNFORECAST_TOKEN"
_PACKAGES = ("starlette", "uvicorn")
_STOP_SECONDS = 10
#: Seconds in which a connection must ask something.
_IDLE_SECONDS = 30


@dataclass(frozen=True)
class ServeOptions:
    """All options of `serve`; the token comes from the environment, where no list of processes shows it."""

    host: str = "127.0.0.1"
    port: int = 8000  # 0: a free one
    workers: int | None = None  # None: one for each processor
    request_timeout: str = "30s"
    max_body: str = "16MiB"


def serve(
    model: str | None = None,
    *,
    store: str | Path | None = None,
    options: ServeOptions | None = None,
    ready: Callable[[str], None] | None = None,
) -> int:
    """Serve forecasts over HTTP until the process is stopped; returns the number of requests for forecasts.

    `model` answers requests that name none (default: `base`). `ready` is called with the address. Raises UsageError for
    an address that others can reach without a token in RNNFORECAST_TOKEN, ResourceError where the extra `serve` is not
    installed or no process starts, OutputError for an address in use, and ModelFileError for an unknown model.
    """
    options = options or ServeOptions()
    token = os.environ.get(TOKEN_VARIABLE) or None
    is_local = _check_address(options, token)
    _check_packages()
    settings = WorkerSettings(
        store=None if store is None else str(store), model=model or BASE, max_body=parse_size(options.max_body)
    )
    check_model(settings.model, store=settings.store)
    timeout = Duration.parse(options.request_timeout, option="--request-timeout").seconds
    pool = Pool(settings, size=options.workers or num_cores(), timeout=timeout)
    with _listen(options) as listener:
        return _run(pool, token, listener, is_local=is_local, ready=ready)


def _run(
    pool: Pool, token: str | None, listener: socket.socket, *, is_local: bool, ready: Callable[[str], None] | None
) -> int:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from rnnforecast.serving.app import Server

    class Prompt(H11Protocol):
        """A connection that is closed where no head of a request arrives: idle ones would use up the files of the process."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.loop.call_later(self.timeout_keep_alive, self._watch, None)

        def _watch(self, last: object) -> None:
            if self.cycle is last and (last is None or self.cycle.response_complete):
                self.transport.close()
            elif not self.transport.is_closing():
                self.loop.call_later(self.timeout_keep_alive, self._watch, self.cycle)

    server = Server(pool, token, is_local)
    config = uvicorn.Config(
        server.app(), log_level="error", access_log=False, lifespan="on", server_header=False, http=Prompt,
        timeout_graceful_shutdown=_STOP_SECONDS, timeout_keep_alive=_IDLE_SECONDS,
    )  # fmt: skip

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            if self.started and ready is not None:
                ready(_url(listener))

    running = Announced(config)
    try:
        running.run(sockets=[listener])
    except BaseException as stop:
        # uvicorn raises the signal that stopped it once more, when everything is closed
        if isinstance(stop, Exception) or not running.should_exit:
            raise
    if not running.started:
        raise ResourceError(
            "the server did not start", hint="run `rnnforecast doctor`, and free memory", code="E_SERVE_WORKER"
        )
    return server.metrics.statuses.total()


def _check_address(options: ServeOptions, token: str | None) -> bool:
    """Return whether the address is one of this machine alone. Raises UsageError."""
    host = options.host.strip("[]")
    try:
        is_local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_local = False
    if not is_local and token is None:
        raise UsageError(
            f"other machines can reach `{options.host}`, and there is no token",
            hint=f"set {TOKEN_VARIABLE} to a long random text, or leave out --host",
            code="E_SERVE_TOKEN",
        )
    if not 0 <= options.port <= 65535:
        raise UsageError(
            f"invalid port {options.port}", hint="use 1 to 65535, or 0 for a free one", code="E_RUN_CONFIG"
        )
    return is_local


def _check_packages() -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise missing_extra("the server needs", missing[0], "serve")


def _listen(options: ServeOptions) -> socket.socket:
    """Return a socket that listens. Raises OutputError."""
    host = options.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off for sockets that name their protocol alone: 40 ms of each answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, options.port))
    except OSError as error:
        listener.close()
        raise OutputError(
            f"{host} port {options.port} cannot be used: {(error.strerror or str(error)).lower()}",
            hint="choose another with --port, 0 for a free one",
            code="E_SERVE_ADDRESS",
        ) from error
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
