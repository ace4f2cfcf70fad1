"""`bnnbench serve` as a user runs it: a run's progress while it is measured, a taken port, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest

from bnnbench.harness.cli.serve import serve
from bnnbench.harness.errors import CallError
from tests.harness.bench import Bench

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")

pytestmark = pytest.mark.timeout(180)

SUITE = """
name = "tiny"
engines = ["native"]
invocations = 4
samples = 3
min_sample_ms = 60
warmup_ms = 300

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 65]
"""


@pytest.fixture
def served(bench: Bench) -> Iterator[tuple[Bench, subprocess.Popen[str], str]]:
    """A bench with one run, its server, and the address."""
    bench.write("tiny.toml", SUITE)
    bench.environment["BNNBENCH_LOCK"] = f"test-{os.getpid()}-{bench.folder.name}"  # /proc/net/unix splits at blanks
    first = bench.run("run", "tiny.toml", "--store", "store", "--invocations", "1")
    assert first.returncode == 0, first.stderr
    server = bench.start("serve", "--port", "0", "--store", "store")
    assert server.stdout is not None
    line = server.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found, line
    yield bench, server, found[0]
    server.kill()
    server.wait(20)


def test_a_run_is_seen_while_it_is_measured(served: tuple[Bench, subprocess.Popen[str], str]) -> None:
    bench, _, address = served
    events: list[dict[str, object]] = []
    stop = threading.Event()

    def watch() -> None:
        with suppress(httpx.HTTPError), httpx.stream("GET", f"{address}/events", timeout=60) as stream:
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
                if stop.is_set():
                    return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    before = httpx.get(f"{address}/compare/index.html", timeout=60).text
    done = bench.run("run", "tiny.toml", "--store", "store")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 30
    while not (events and events[-1] == {"runs": [], "timed_here": False}) and time.monotonic() < deadline:
        time.sleep(0.2)
    stop.set()
    runs = [run for event in events for run in event["runs"]]  # type: ignore[attr-defined]
    assert runs, events
    assert {run["suite"] for run in runs} == {"tiny"}
    assert {run["planned"] for run in runs} == {2}
    shares = [run["share"] for run in runs]
    assert shares == sorted(shares)
    assert len(set(shares)) >= 2, shares
    assert any(event["timed_here"] for event in events), "the machine's lock was not seen"
    run_id = runs[-1]["run"]
    time.sleep(1.1)
    after = httpx.get(f"{address}/compare/index.html", timeout=60).text
    assert run_id not in before
    assert run_id in after


def test_ctrl_c_ends_it(served: tuple[Bench, subprocess.Popen[str], str]) -> None:
    _, server, address = served
    with httpx.stream("GET", f"{address}/events", timeout=60) as stream:
        next(stream.iter_lines())
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert server.stderr is not None
    assert "Traceback" not in server.stderr.read()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "{taken}"], "port {taken} at 127.0.0.1 is taken by another program"),
        (["--port", "70000"], "--port is a number from 0 to 65535"),
        (["--host", "203.0.113.9"], "--host 203.0.113.9 is no address of this machine"),
        (["--since", "yesterday"], "--since 'yesterday' is no date or time"),
        (["--last", "0"], "--last is the number of runs"),
        (["--store", "nowhere"], "nowhere"),
    ],
)
def test_what_is_wrong_is_one_sentence(bench: Bench, made: object, options: list[str], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        store = [] if "--store" in options else ["--store", str(made) + "/store"]
        done = bench.run("serve", *(word.format(taken=taken) for word in options), *store, timeout=60)
    assert done.returncode == 2
    assert said.format(taken=taken) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("bnnbench.results.site.live.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == "starlette"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(CallError, match=r"pip install 'bnnbench\[serve\]'"):
        serve()
