"""The web application of `bnnbench serve`: pages, files and events, to be read only."""

from __future__ import annotations

import asyncio
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bnnbench.results.errors import StoreError
from bnnbench.results.site.live.pages import LivePages, Rendered, WaitingError
from bnnbench.results.site.live.running import EVERY_S, Running

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEARTBEAT_S = 15.0
MOST_STREAMS = 50
_LONGEST_PATH = 400
_SLOWEST_PAGE_S = 120.0
_METHODS = ["GET", "HEAD"]
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_WHOLE_POLICY = "object-src 'none'; connect-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Of a page with its own style and script inside: which script may run, the page itself says, by its SHA-256."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TIMED_HERE = "bnnbench-timed-here"
"""A header of pages that may be older than the store, because a benchmark is timed on this machine."""
_WAITING = (
    "A benchmark is being timed on this machine, so this page is not drawn now. Reload it when the benchmark has "
    "ended.\n"
)


class _Security:
    """Adds headers to every response."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                headers = {"Content-Security-Policy": _POLICY, **_HEADERS}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in headers.items()
                        if name.lower().encode() not in given
                    ),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)


def app(pages: LivePages, running: Running, hosts: Sequence[str], is_timed_here: Callable[[], bool]) -> Starlette:
    """Serves `pages` and the events of `running` to requests for `hosts`: names and addresses without a port, to which
    the Host header must belong, so that no other site's name can lead a browser here."""
    streams = _Streams(running, is_timed_here)

    async def page(request: Request) -> Response:
        path = request.path_params["path"]
        if len(path) > _LONGEST_PATH:
            return _text("The address is too long.", 414)
        if path == "" or path.endswith("/"):
            path += "index.html"
        if path in pages.static:
            return _static(path, pages.static[path])
        try:
            async with asyncio.timeout(_SLOWEST_PAGE_S):
                found = await run_in_threadpool(pages.page, path)
        except WaitingError:
            return _text(_WAITING, 503, {"Retry-After": "30"})
        except TimeoutError:
            return _text("The page takes too long; reload it later.", 503, {"Retry-After": "30"})
        except StoreError as error:
            return _text(f"The store cannot be read: {error}.", 500)
        if found is None:
            return _text("There is no such page.", 404)
        return _page(found, request, is_timed_here())

    async def events(request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if streams.count >= MOST_STREAMS:
            return _text("Too many pages watch already.", 503, {"Retry-After": "30"})
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(streams.of(request), media_type="text/event-stream", headers=headers)

    async def overview(request: Request) -> Response:
        return RedirectResponse("/index.html", 307)

    return Starlette(
        routes=[
            Route("/", overview, methods=_METHODS),
            Route("/events", events, methods=_METHODS),
            Route("/{path:path}", page, methods=_METHODS),
        ],
        middleware=[
            Middleware(_Security),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=2000, compresslevel=5),
        ],
    )


class _Streams:
    """Server-sent events: one reading of the journals for all clients."""

    def __init__(self, running: Running, is_timed_here: Callable[[], bool]) -> None:
        self._running, self._is_timed_here = running, is_timed_here
        self.count = 0

    async def of(self, request: Request) -> AsyncIterator[str]:
        """An event `running` whenever something changed, and a comment now and then, until the client goes."""
        self.count += 1
        try:
            told, silent = None, 0.0
            yield "retry: 5000\n\n"
            while not await request.is_disconnected():
                found = await run_in_threadpool(self._told)
                if found != told:
                    told, silent = found, 0.0
                    yield f"event: running\ndata: {found}\n\n"
                elif silent >= HEARTBEAT_S:
                    silent = 0.0
                    yield ": \n\n"
                await asyncio.sleep(EVERY_S)
                silent += EVERY_S
        finally:
            self.count -= 1

    def _told(self) -> str:
        runs = [msgspec.to_builtins(one) for one in self._running.now()]
        return json.dumps({"runs": runs, "timed_here": self._is_timed_here()}, allow_nan=False)


def _page(found: Rendered, request: Request, is_timed: bool) -> Response:
    headers = {"ETag": f'"{found.tag}"', "Cache-Control": "no-cache"}
    if is_timed:
        headers[TIMED_HERE] = "1"
    if found.is_whole:
        headers["Content-Security-Policy"] = _WHOLE_POLICY
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(found.html, headers=headers, media_type="text/html")


_TYPES = {".js": "text/javascript", ".css": "text/css", ".json": "application/json"}


def _static(path: str, content: bytes) -> Response:
    suffix = f".{path.rpartition('.')[2]}"
    kind = _TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "text/plain"
    return Response(content, headers={"Cache-Control": "no-cache"}, media_type=kind)


def _text(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, headers)
