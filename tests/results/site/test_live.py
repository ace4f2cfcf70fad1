"""`bnnbench serve` without its command line: what it answers, what it refuses, and when it does not draw."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from bnnbench.results.records import Gate, Invocation, RunEnd
from bnnbench.results.site.live import pages as live_pages
from bnnbench.results.site.live.app import MOST_STREAMS, TIMED_HERE, app
from bnnbench.results.site.live.pages import LivePages, WaitingError
from bnnbench.results.site.live.running import Running
from bnnbench.results.site.live.server import listen, names_of
from bnnbench.results.site.source import Asked
from bnnbench.results.store.journal import encode
from bnnbench.results.store.run_lock import lock_run
from bnnbench.results.store.runs import Store
from tests.results.generated_store import Team, write_run

pytestmark = pytest.mark.timeout(120)


@dataclass
class Clock:
    """Time that passes when it is told to, and whether something is timed on this machine."""

    now: float = 100.0
    timed: bool = False

    def __call__(self) -> float:
        return self.now

    def is_timed(self) -> bool:
        return self.timed


@dataclass
class Server:
    """A server of a copy of a store, in a thread."""

    store: Store
    clock: Clock
    pages: LivePages
    port: int
    client: httpx.Client

    def get(self, path: str, **more: object) -> httpx.Response:
        return self.client.request("GET", path, **more)  # type: ignore[arg-type]


@pytest.fixture
def server(small: Path, tmp_path: Path) -> Iterator[Server]:
    store = Store(shutil.copytree(small, tmp_path / "store"))
    clock = Clock()
    pages = LivePages(store, Asked(last_runs=2), clock.is_timed, clock)
    listener = listen("127.0.0.1", 0)
    application = app(pages, Running(store), names_of("127.0.0.1"), clock.is_timed)
    config = uvicorn.Config(application, log_level="warning", lifespan="off", ws="none", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield Server(store, clock, pages, port, client)
    running.should_exit = True
    thread.join(20)
    listener.close()
    assert not thread.is_alive()


def raw(port: int, request: bytes) -> bytes:
    """The beginning of the answer to a request that no library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        return connection.recv(1 << 16)


def test_pages_are_those_of_the_site(server: Server) -> None:
    for path in ("/index.html", "/compare/index.html", "/models.html", "/alerts.html", "/cases.html"):
        found = server.get(path)
        assert found.status_code == 200, path
        assert found.headers["content-type"] == "text/html; charset=utf-8"
        assert 'static/live.js"' in found.text
    assert server.get("/", follow_redirects=False).headers["location"] == "/index.html"
    assert server.get("/compare/").text == server.get("/compare/index.html").text
    assert server.get("/static/site.js").headers["content-type"].startswith("text/javascript")
    assert server.client.head("/index.html").content == b""


def test_any_two_runs_of_the_store_can_be_compared(server: Server) -> None:
    first, last = server.store.run_ids()[0], server.store.run_ids()[-1]
    assert "No verdicts" in server.get(f"/compare/{first}--{last}.html").text
    assert server.get(f"/compare/{first}--no-such-run.html").status_code == 404


def test_headers_of_every_answer(server: Server) -> None:
    for path in ("/index.html", "/static/site.css", "/nothing", "/events/x"):
        headers = server.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/index.html", "/events", "/static/site.css", "/"])
def test_nothing_can_be_sent(server: Server, method: str, path: str) -> None:
    assert server.client.request(method, path).status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "10.0.0.1"])
def test_another_host_is_refused(server: Server, host: str) -> None:
    answer = raw(server.port, f"GET /index.html HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400"), answer[:100]
    for own in ("127.0.0.1", f"localhost:{server.port}"):
        assert server.get("/static/site.css", headers={"Host": own}).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/static/..%2f..%2fapp.py",
        "/static/../templates/base.html",
        "/run/..%5c..%5crun.json",
        "/compare/..--...html",
        "/index.html%00.txt",
        "//etc/passwd",
        "/runs/",
        "/.bnnbench-site.json",
        "/" + "a" * 5000,
        "/%ff%fe",
    ],
)
def test_no_path_leads_out(server: Server, path: str) -> None:
    answer = raw(server.port, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split(b" ")[1] in (b"404", b"400", b"414"), answer[:200]
    assert b"root:" not in answer


def test_a_query_changes_nothing(server: Server) -> None:
    plain = server.get("/cases.html")
    for query in ("device=pi4", "device='%20OR%201=1", "q=__import__('os')", "x=" + "y" * 2000):
        found = server.get(f"/cases.html?{query}")
        assert (found.status_code, found.text) == (200, plain.text)


def test_a_page_is_drawn_again_only_when_the_store_changed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    reader = live_pages.read_source
    monkeypatch.setattr(live_pages, "read_source", lambda *given: (read.append(1), reader(*given))[1])
    first = server.get("/index.html")
    server.clock.now += 10
    assert server.get("/index.html").text == first.text
    assert len(read) == 1
    tag = first.headers["etag"]
    assert server.get("/index.html", headers={"If-None-Match": tag}).status_code == 304
    new = _new_run(server.store)
    server.clock.now += 0.5
    assert server.get("/index.html", headers={"If-None-Match": tag}).status_code == 304  # looked at most once a second
    server.clock.now += 1
    assert new in server.get("/index.html").text
    assert len(read) == 2


def test_nothing_is_drawn_while_something_is_timed_here(server: Server) -> None:
    kept = server.get("/index.html").text
    new = _new_run(server.store)
    server.clock.timed = True
    server.clock.now += 10
    during = server.get("/index.html")
    assert during.text == kept
    assert during.headers[TIMED_HERE] == "1"
    waiting = server.get("/alerts.html")
    assert waiting.status_code == 503
    assert "being timed" in waiting.text
    server.clock.timed = False
    server.clock.now += 10
    assert new in server.get("/index.html").text
    assert server.get("/alerts.html").status_code == 200


def test_nothing_is_read_when_it_starts_while_something_is_timed(small: Path) -> None:
    clock = Clock(timed=True)
    pages = LivePages(Store(small), Asked(), clock.is_timed, clock)
    with pytest.raises(WaitingError):
        pages.page("index.html")


def test_a_report_may_have_its_own_style_and_no_more(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "bnnbench.results.report.html.render", lambda run, context: f"<!doctype html>{run.record.run_id}"
    )
    server.pages.refresh()
    path = next(path for path in server.pages._planned if path.startswith("run/"))
    found = server.get(f"/{path}")
    assert found.status_code == 200
    policy = found.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "default-src" not in policy


def test_events_tell_how_far_a_run_is(server: Server) -> None:
    record, entries = Team(1).run(2)
    folder = write_run(server.store.runs_path, record, entries[:1])
    lock = lock_run(folder)
    gates = [entry for entry in entries if isinstance(entry, Gate)]
    timed = [entry for entry in entries if isinstance(entry, Invocation)]
    planned = len(record.cases)
    with server.client.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = _events(stream)
        begun = next(events)["runs"]
        assert [(one["run"], one["done"], one["planned"]) for one in begun] == [(record.run_id, 0, planned)]
        number = 2
        with (folder / "journal.jsonl").open("ab") as journal:
            for entry in (*gates, *timed[: len(timed) // 2]):
                journal.write(encode(entry, number))
                number += 1
        half = next(events)["runs"][0]
        assert 0.3 < half["share"] < 0.9
        with (folder / "journal.jsonl").open("ab") as journal:
            for entry in timed[len(timed) // 2 :]:
                journal.write(encode(entry, number))
                number += 1
        whole = next(events)["runs"][0]
        assert (whole["done"], whole["share"]) == (planned, 1.0)
        with (folder / "journal.jsonl").open("ab") as journal:
            journal.write(encode(RunEnd(finished=record.created, outcome="complete"), number))
        assert next(events)["runs"] == []
    lock.release()


def test_a_run_that_was_cut_off_does_not_run(server: Server) -> None:
    record, entries = Team(1).run(2)
    write_run(server.store.runs_path, record, entries[:3])
    assert Running(server.store).now() == []


def test_journals_are_read_once_a_second_at_most(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    running = Running(server.store, clock)
    read: list[float] = []
    monkeypatch.setattr(running, "_read", lambda moment: read.append(moment) or [])
    for _ in range(50):
        running.now()
        clock.now += 0.1
    assert len(read) <= 6


def test_too_many_that_watch_are_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_STREAMS >= 10
    monkeypatch.setattr("bnnbench.results.site.live.app.MOST_STREAMS", 1)
    with server.client.stream("GET", "/events") as first:
        events = _events(first)
        next(events)
        with server.client.stream("GET", "/events") as second:
            assert second.status_code == 503
    deadline = time.monotonic() + 20
    while True:  # the first one has gone, which is noticed within a second or two
        with server.client.stream("GET", "/events") as again:
            if again.status_code == 200:
                break
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_damaged_store_is_a_sentence(server: Server) -> None:
    shutil.rmtree(server.store.path)
    found = server.get("/index.html")
    assert found.status_code == 500
    assert "no store" in found.text or "cannot be read" in found.text


def test_names_that_it_answers_to() -> None:
    assert set(names_of("127.0.0.1")) == {"127.0.0.1", "localhost", "[::1]", "::1"}
    assert "bench.lab" in names_of("0.0.0.0", ["Bench.Lab"])  # noqa: S104 - a name, nothing listens
    assert socket.gethostname().lower() in names_of("0.0.0.0")  # noqa: S104
    assert "*" not in names_of("0.0.0.0")  # noqa: S104


def _events(stream: httpx.Response) -> Iterator[dict[str, list[dict[str, object]]]]:
    for line in stream.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def _new_run(store: Store) -> str:
    record, entries = Team(60, every=4).run(57)
    write_run(store.runs_path, record, entries)
    return record.run_id
