"""The HTTP side of the server: token, caps and media types; forecasts are computed by the pool."""

from __future__ import annotations

import asyncio
import hmac
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from rnnforecast.errors import ResourceError, UsageError
from rnnforecast.findings import plural
from rnnforecast.model_io.base import BASE
from rnnforecast.serving.metrics import Metrics
from rnnforecast.serving.openapi import openapi, page
from rnnforecast.serving.pool import BusyError, CrashedError, Pool
from rnnforecast.serving.request import ANSWERS, KINDS
from rnnforecast.serving.worker import error_body
from rnnforecast.store.registry import Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

    from rnnforecast.serving.request import Kind

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]

#: Names of this machine; a web page elsewhere cannot send them, whatever address its own name is given.
LOCAL_NAMES = ("127.0.0.1", "localhost", "[::1]")
_MEDIA = {kind: media for media, kind in ANSWERS.items()}
_OPEN = ("/health",)
#: Bodies of the largest size whose bytes are held at once; requests beyond are told to come again.
MAX_HELD = 16


class Rejected(Exception):  # noqa: N818 - an answer, not a failure of the program
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, hint: str | None = None, *, code: str = "E_SERVE_REQUEST") -> None:
        super().__init__(message)
        self.status = status
        kind = UsageError if status < 500 else ResourceError
        self.error = kind(message, hint=hint, code=code)


@dataclass
class Server:
    """The server: its processes, its limits and its counts."""

    pool: Pool
    token: str | None
    is_local: bool
    metrics: Metrics = field(default_factory=Metrics)
    held: int = 0  # bytes of the bodies of all requests

    def app(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route("/forecast", self.forecast, methods=["POST"]),
            Route("/health", self.health),
            Route("/metrics", self.show_metrics),
            Route("/openapi.json", self.describe),
            Route("/docs", self.show_page),
        ]
        app = Starlette(routes=routes, lifespan=self._lifespan)
        app.add_middleware(Guard, server=self)
        return app

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        try:
            await self.pool.start()
            yield
        finally:
            await self.pool.close()

    async def forecast(self, request: Request) -> Response:
        """Answer with a forecast of the rows in the body."""
        started, num_series = time.monotonic(), 0
        try:
            answer = await self._forecast(request)
            num_series = int(answer.headers.get("x-num-series", 0))
        except Rejected as error:
            answer = _error(error)
        self.metrics.count(answer.status_code, seconds=time.monotonic() - started, num_series=num_series)
        return answer

    async def _forecast(self, request: Request) -> Response:
        kind, wanted = _kind_of(request), _answer_of(request)
        query: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():  # `getlist` for each name would read all of them again
            query.setdefault(name, []).append(value)
        body = bytearray()
        try:
            await self._read(request, body)
            header, text = await self.pool.ask({"kind": kind, "answer": wanted, "query": query}, bytes(body))
        except BusyError:
            hint = "try again later, or start the server with more --workers"
            raise Rejected(503, "too many requests are waiting", hint, code="E_SERVE_BUSY") from None
        except CrashedError:
            message = "the process that computed this forecast died; it was replaced"
            raise Rejected(500, message, "send fewer series or steps", code="E_SERVE_WORKER") from None
        except TimeoutError:
            message = f"the forecast took longer than {self.pool.timeout:g} s"
            hint = "send fewer series, or start the server with a longer --request-timeout"
            raise Rejected(504, message, hint, code="E_RUN_TIMEOUT") from None
        finally:
            self.held -= len(body)
        if header["status"] != 200:
            return Response(text, header["status"], media_type="application/json")
        return Response(text, headers={"x-num-series": str(header["num_series"])}, media_type=_MEDIA[wanted])

    async def _read(self, request: Request, body: bytearray) -> None:
        """Read the body. Raises Rejected for one that is too large or too slow, BusyError where all take too much memory."""
        cap = self.pool.settings.max_body
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > cap:
            raise _too_large(cap)
        try:
            async with asyncio.timeout(self.pool.timeout):
                async for chunk in request.stream():
                    body += chunk
                    self.held += len(chunk)
                    if len(body) > cap:
                        raise _too_large(cap)
                    if self.held > MAX_HELD * cap:
                        raise BusyError
        except TimeoutError:
            raise Rejected(408, f"the body did not arrive within {self.pool.timeout:g} s") from None
        except ClientDisconnect:
            raise Rejected(400, "the client left before its request was complete") from None

    def trusts(self, authorization: bytes) -> bool:
        """Whether a request has the token, where there is one."""
        return self.token is None or hmac.compare_digest(authorization, f"Bearer {self.token}".encode())

    async def health(self, request: Request) -> Response:
        """Answer with the models, to those who have the token; status 503 while no process can forecast."""
        ready = self.pool.num_ready
        found: dict[str, object] = {"ok": ready > 0, "workers": ready}
        if self.trusts(request.headers.get("authorization", "").encode("latin-1")):
            names = await asyncio.to_thread(Registry(self.pool.settings.store).names)
            found |= {"models": [BASE, *names], "default": self.pool.settings.model}
        return JSONResponse(found, 200 if ready else 503)

    async def show_metrics(self, _: Request) -> Response:
        """Answer with counts and times."""
        pool = self.pool
        text = self.metrics.text(
            num_workers=pool.num_ready, num_waiting=pool.num_waiting, num_replaced=pool.num_replaced
        )
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def describe(self, _: Request) -> Response:
        """Answer with the OpenAPI document."""
        return JSONResponse(openapi(version=version("rnnforecast"), needs_token=self.token is not None))

    async def show_page(self, _: Request) -> Response:
        """Answer with the page for people."""
        return HTMLResponse(page())


class Guard:
    """Turns requests away before their body is read: without the token, or with the name of another machine."""

    def __init__(self, app: Any, server: Server) -> None:
        self.app = app
        self.server = server

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        rejected = self._reject(scope) if scope["type"] == "http" else None
        if rejected is None:
            await self.app(scope, receive, send)
            return
        answer = _error(rejected)
        if rejected.status == 401:
            answer.headers["www-authenticate"] = "Bearer"
        await answer(scope, receive, send)

    def _reject(self, scope: Message) -> Rejected | None:
        headers = dict(scope["headers"])
        server = self.server
        if server.token is None:
            name = headers.get(b"host", b"").decode("latin-1").lower()
            if server.is_local and name.rsplit(":", 1)[0] not in LOCAL_NAMES and name not in LOCAL_NAMES:
                return Rejected(
                    403, "the request names another machine", "call the server as 127.0.0.1, or set a token"
                )
            return None
        if scope["path"] in _OPEN or server.trusts(headers.get(b"authorization", b"")):
            return None
        return Rejected(
            401, "the token is missing or wrong", "send `Authorization: Bearer TOKEN`", code="E_SERVE_TOKEN"
        )


def _error(rejected: Rejected) -> Response:
    headers = {"retry-after": "1"} if rejected.status == 503 else {}
    if rejected.status in (408, 413, 503):
        headers["connection"] = "close"  # the rest of the body is not read
    return Response(error_body(rejected.error), rejected.status, headers, media_type="application/json")


def _too_large(cap: int) -> Rejected:
    return Rejected(413, f"the body is larger than {plural(cap, 'byte')}", "start the server with a larger --max-body")


def _kind_of(request: Request) -> Kind:
    """Return what the body is. Raises Rejected."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in KINDS:
        raise Rejected(415, f"the media type `{media[:100]}` is not read", f"send {', '.join(KINDS)}")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Rejected(415, "an encoded body is not read", "send it without `Content-Encoding`")
    return KINDS[media]


def _answer_of(request: Request) -> Kind:
    """Return the first accepted answer, JSON where any will do. Raises Rejected."""
    accepted = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    for media in accepted:
        if media in ("*/*", "application/*", ""):
            return "json"
        if media in ANSWERS:
            return ANSWERS[media]
    raise Rejected(406, "no answer of the accepted media types", f"accept {', '.join(ANSWERS)}")
