"""The server of `bnnbench serve`: a socket, the names that it answers to, and uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

import uvicorn

from bnnbench.results.site.live.app import app
from bnnbench.results.site.live.pages import LivePages
from bnnbench.results.site.live.running import Running
from bnnbench.results.site.source import Asked, Watch
from bnnbench.results.store.runs import Store

_AT_ONCE = 100
"""Connections; more get status 503."""
_KEEP_ALIVE_S = 10
_END_S = 2
_LONGEST_HEAD = 16 << 10
"""Bytes of a request before its body; there is none."""
_LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
_ALL = ("0.0.0.0", "::", "")  # noqa: S104 - what a user asks for


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises OSError when the port is taken, or the host is none of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_AT_ONCE)
    except BaseException:
        listener.close()
        raise
    return listener


def names_of(host: str, further: Sequence[str] = ()) -> list[str]:
    """What the Host header of a request may be, without its port: local names, the given ones and, where all addresses
    are listened at, those of this machine."""
    found = [*_LOCAL, *further]
    if host in _ALL:
        found.append(socket.gethostname())
        with contextlib.suppress(OSError):
            found += [str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None)]
    else:
        found.append(host)
    return list(dict.fromkeys(name.lower() for name in found if name))


def run_server(
    store: Store,
    asked: Asked,
    listener: socket.socket,
    further_hosts: Sequence[str],
    is_timed_here: Callable[[], bool],
    watch: Watch = lambda *_: None,
) -> Callable[[], None]:
    """Reads the store, and returns what serves it until Ctrl-C or SIGTERM. Raises StoreError."""
    pages = LivePages(store, asked, is_timed_here)
    pages.refresh(watch)
    host = str(listener.getsockname()[0])
    application = app(pages, Running(store), names_of(host, further_hosts), is_timed_here)
    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http="h11",
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_END_S,
        h11_max_incomplete_event_size=_LONGEST_HEAD,
    )
    server = uvicorn.Server(config)

    def run() -> None:
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has ended
            asyncio.run(server.serve(sockets=[listener]))

    return run
