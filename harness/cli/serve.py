"""`bnnbench serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import DebugOption, StoreOption

if TYPE_CHECKING:
    import socket

EXAMPLES = """Examples:
  bnnbench serve                                   # http://127.0.0.1:8720
  bnnbench serve --port 9000 --store s3://team-results/bench
  bnnbench serve --host 0.0.0.0 --allow-host bench.lab   # for others; there is no password
Ctrl-C ends it. It only reads. While a benchmark is timed on this machine, nothing is drawn."""

app = App(name="serve", help_epilogue=EXAMPLES)
PORT = 8720


@app.default
def serve(
    *,
    host: Annotated[str, Parameter(help="Address to listen at; others reach it only if it is theirs too.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, Parameter(help="Port to listen at; 0 takes a free one.")] = PORT,
    allow_host: Annotated[
        list[str],
        Parameter(
            name="--allow-host",
            negative="",
            show_default=False,
            help="Further name by which browsers reach it, such as that of a proxy.",
        ),
    ] = [],  # noqa: B006 - the parser copies it
    last: Annotated[int, Parameter(name="--last", help="Runs of each device and suite that pages link to.")] = 10,
    since: Annotated[
        str | None, Parameter(name="--since", help="Leave out runs that began before this date, such as 2026-01-31.")
    ] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Serve the site of the store, always as it is now, with the runs that go on. Needs the extra bnnbench[serve]."""
    from bnnbench.results.errors import StoreError
    from bnnbench.results.site.source import Asked
    from bnnbench.results.store.place import require_store
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .progress import Display
    from .published import published_models
    from .site import SiteWatch, moment_of
    from .terminal import Console

    try:
        from bnnbench.results.site.live.server import listen, run_server
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
            raise
        raise CallError("bnnbench serve needs Starlette and uvicorn; run pip install 'bnnbench[serve]'.") from None

    if last < 1:
        raise CallError(f"--last is the number of runs that pages link to, not {last}: give 1 or more.")
    if not 0 <= port <= 65535:
        raise CallError(f"--port is a number from 0 to 65535, not {port}.")
    from ..bench.machine_lock import is_timed_here

    results = Store(store)
    require_store(results.path)
    asked = Asked(last_runs=last, since=moment_of(since), published=published_models())
    try:
        listener = listen(host, port)
    except OSError as error:
        raise CallError(_refused(host, port, error)) from None
    with listener:
        with Display(Console(stderr=True)) as display:
            server = run_server(results, asked, listener, allow_host, is_timed_here, SiteWatch(display))
        print(f"serving {results.place} at {_address(listener, host)} (Ctrl-C ends it)", flush=True)
        try:
            server()
        except StoreError as error:
            raise CallError(str(error)) from None


def _refused(host: str, port: int, error: OSError) -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"port {port} at {host} is taken by another program: end that, or choose another one with --port."
    if error.errno == errno.EACCES:
        return f"this user may not listen at port {port}: choose one above 1023 with --port."
    return f"--host {host} is no address of this machine ({error.strerror or error}): give one of its own."


def _address(listener: socket.socket, host: str) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}/"
