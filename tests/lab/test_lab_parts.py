"""The parts of a lab by themselves: places in the queue, files by content, versions, leases."""

from __future__ import annotations

import asyncio
import random
import resource
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnbench.harness.errors import CallError, CannotMeasure
from bnnbench.harness.lab import hosted
from bnnbench.harness.lab.address import parse_address
from bnnbench.harness.lab.calls import ANNOTATION, PLUGIN, cancel_run, news_of, places_of, queue_of, worker_of
from bnnbench.harness.lab.files import missing, named_by_content, named_by_place, receive
from bnnbench.harness.lab.host import Host
from bnnbench.harness.lab.hosted import HostedSession, Outbox
from bnnbench.harness.lab.queue import HEAD_START_S, Waiting, in_order, kind_here, place, priority
from bnnbench.harness.lab.services import allow_files
from bnnbench.harness.lab.versions import differing, own_versions, require_versions
from bnnbench.harness.lab.wire import Ended, Heard, News, Placed, identity, own_part, to_entry, to_line
from bnnbench.harness.plan.config import RunConfig
from bnnbench.harness.suite.tables import ModelTable, Suite
from bnnbench.results.records import DeviceEvent, Invocation, RunRecord
from bnnbench.results.store import journal

NOON = 1_800_000_000.0


def test_people_are_before_ci_and_age_counts() -> None:
    old_ci, person, new_ci = NOON - HEAD_START_S["person"] - 1, NOON, NOON + 1
    assert priority(person, "person") > priority(new_ci, "ci")
    assert priority(old_ci, "ci") > priority(person, "person")
    assert priority(person, "nobody knows") == priority(person, "ci")


@given(st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(["person", "ci"])), min_size=1, max_size=20))
def test_nobody_waits_for_ever(asked: list[tuple[float, str]]) -> None:
    """Whoever asks later than another one's head start is behind him, whatever they are."""
    queue = in_order([Waiting(str(n), "d", "who", kind, seconds) for n, (seconds, kind) in enumerate(asked)])
    for first, second in pairwise(queue):
        assert first.asked_s <= second.asked_s + HEAD_START_S["person"]


def test_places_and_estimates() -> None:
    running = Waiting("a", "d", "x", "ci", 5.0, expected_s=60.0, is_running=True, running_s=20.0)
    next_, last = Waiting("b", "d", "y", "ci", 1.0, expected_s=10.0), Waiting("c", "d", "z", "ci", 2.0)
    assert [item.run for item in in_order([last, next_, running])] == ["a", "b", "c"]
    assert place([last, next_, running], "a") == (0, 0.0)
    assert place([last, next_, running], "b") == (1, 40.0)
    assert place([last, next_, running], "c") == (2, 50.0)
    assert place([last, next_, running, Waiting("d", "d", "x", "ci", 3.0)], "d") == (3, None)  # nobody knows of c
    late = Waiting("a", "d", "x", "ci", 5.0, expected_s=60.0, is_running=True, running_s=90.0)
    assert place([late, next_], "b") == (1, 0.0)


def test_ten_thousand_devices_in_simulated_time() -> None:
    """Three runs of each device and one job of CI, by the code that orders queues: each device works without a pause,
    so the longest queue decides, and people are served first."""
    draw = random.Random(5)  # noqa: S311
    longest = 0.0
    for number in range(10_000):
        device = f"d{number}"
        takes = [draw.uniform(1, 600) for _ in range(4)]
        kinds = ["ci", "person", "person", "person"]
        queue = [Waiting(str(n), device, "x", kind, NOON + n, expected_s=takes[n]) for n, kind in enumerate(kinds)]
        clock, served = 0.0, []
        while queue:
            first = in_order(queue)[0]
            before, seconds = place(queue, in_order(queue)[-1].run)
            assert (before, round(clock + (seconds or 0) + takes[int(in_order(queue)[-1].run)], 6)) == (
                len(queue) - 1,
                round(sum(takes), 6),
            )
            clock += first.expected_s or 0
            served.append(first.kind)
            queue.remove(first)
        assert served == ["person", "person", "person", "ci"]
        longest = max(longest, clock)
    assert longest <= 4 * 600


class FakeTask:
    """A session in Dask's scheduler, which counts how often it is looked at."""

    looks = 0

    def __init__(self, run: str, device: str, asked_s: float, worker: SimpleNamespace | None) -> None:
        words = {"run": run, "device": device, "who": "x", "kind": "person", "asked_s": asked_s, "expected_s": 60.0}
        self._annotations = {ANNOTATION: words}
        self.processing_on, self.state = worker, "processing" if worker else "no-worker"

    @property
    def annotations(self) -> dict[str, object]:
        FakeTask.looks += 1
        return self._annotations


def fake_scheduler(devices: int, runs: int) -> SimpleNamespace:
    """The indexes that Dask keeps, with two devices at each worker, and all runs at each device; the first run has
    every second one. The last device has no worker."""
    made = SimpleNamespace(tasks={}, workers={}, resources={}, unrunnable={}, extensions={})
    for number in range(devices):
        device, address = f"d{number}", f"tls://h:{number // 2}"
        worker = None
        if number < devices - 1:
            fresh = SimpleNamespace(executing={}, processing=set(), host="h", pid=number // 100)
            worker = made.workers.setdefault(address, fresh)
            made.resources[f"device:{device}"] = {address: 1}
        for run in range(runs):
            task = made.tasks[f"{device}-{run}"] = FakeTask(f"run{run}", device, NOON + run, worker)
            if worker is None:
                made.unrunnable[task] = 0.0
            else:
                worker.processing.add(task)
                if run == 0 and number % 2:
                    worker.executing[task] = 20.0
    return made


def test_places_are_those_of_the_whole_queue() -> None:
    scheduler: Any = fake_scheduler(7, 3)
    devices = [f"d{number}" for number in range(7)]
    whole = queue_of(scheduler)
    for run in ("run0", "run1", "run2"):
        expected = {d: place([item for item in whole if item.device == d], run) for d in devices}
        assert places_of(run, [*devices, "unheard of"], scheduler) == ("", expected)
    assert places_of("another", devices, scheduler) == ("", {})
    assert places_of("run2", ["d1", "d2"], scheduler)[1] == {"d1": (2, 100.0), "d2": (2, 120.0)}
    cancel_run("run1", "anna@desk", scheduler)
    assert places_of("run1", ["d6"], scheduler) == ("anna@desk", {"d6": (1, 60.0)})
    assert worker_of("d3", scheduler) == Placed("tls://h:1", "h/0")
    assert worker_of("d6", scheduler) is None


def test_places_in_ten_thousand_queues_cost_what_is_asked_for() -> None:
    scheduler: Any = fake_scheduler(10_000, 3)
    FakeTask.looks = 0
    places_of("run1", ["d10", "d11", "d5000"], scheduler)
    assert FakeTask.looks <= 3 * 2 * 3 + 3  # their workers' tasks, and those that have no worker


def test_an_order_has_what_concerns_its_device() -> None:
    """Each device's part is as large however many others there are."""

    def record(devices: int) -> RunRecord:
        names = [f"d{number:03}" for number in range(devices)]
        case = {"workload": "w", "kind": "kernel", "op": "bgemm", "variant": None, "engine": "native", "threads": 1}
        plain = {"run_id": "r", "created": "2026-01-01T00:00:00Z", "version": "1", "suite_name": "s", "seed": 1}
        counts = {"invocations_per_case": 2, "samples_per_invocation": 3}
        cases = [case | {"id": f"{name}-{n}", "device": name, "index": n} for name in names for n in range(2)]
        skips = [{"workload": "v", "engine": "lce", "device": name, "threads": 1, "reason": "x"} for name in names]
        facts = {name: {"model": {"value": name, "source": "x"}} for name in names}
        return msgspec.convert(plain | counts | {"cases": cases, "skips": skips, "devices": facts}, RunRecord)

    part = own_part(record(100), "d007")
    assert {case.device for case in part.cases} == {skip.device for skip in part.skips} == set(part.devices) == {"d007"}
    assert len(part.cases) == 2
    assert len(msgspec.json.encode(part)) == len(msgspec.json.encode(own_part(record(8), "d007")))
    assert (part.run_id, part.seed, part.invocations_per_case) == ("r", 1, 2)


def test_a_lab_may_open_more_files_than_a_shell_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most // 2, hard))
        allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("value", "kind"), [("true", "ci"), ("1", "ci"), ("", "person"), ("false", "person")])
def test_ci_says_that_it_is(value: str, kind: str) -> None:
    assert kind_here({"CI": value}) == kind
    assert kind_here({}) == "person"


def test_versions_that_differ_are_named() -> None:
    mine = own_versions()
    assert differing(mine, mine) is None
    assert differing(mine, {**mine, "numpy": "1.0"}) == f"numpy {mine['numpy']} here and 1.0 there"
    assert differing({"a": "1"}, {"b": "2"}) == "a 1 here and none there, b none here and 2 there"


def test_other_versions_are_refused_in_a_sentence() -> None:
    address = parse_address("tcp://127.0.0.1:8786")
    require_versions(address, own_versions())
    with pytest.raises(CannotMeasure, match=r"has other versions: Python 3\.\d+ here and 2\.7 there"):
        require_versions(address, own_versions() | {"Python": "2.7"})


def config(folder: Path) -> RunConfig:
    model, images = folder / "net.tflite", folder / "data.npz"
    model.write_bytes(b"model")
    images.write_bytes(b"images")
    suite = Suite(name="net", model=[ModelTable(file=str(model), name="net", dataset=str(images))])
    return RunConfig(suite=suite, devices=["pi"], inventory=str(folder / "devices.toml"), inventory_given=True)


def test_files_travel_by_their_content(tmp_path: Path) -> None:
    sent = named_by_content(config(tmp_path))
    text = msgspec.json.encode(sent.config).decode()
    assert str(tmp_path) not in text
    assert sorted(path.name for path in sent.files.values()) == ["data.npz", "net.tflite"]
    there = tmp_path / "there"
    assert missing(there, list(sent.files)) == list(sent.files)
    with pytest.raises(CannotMeasure, match=r"does not have the file net\.tflite"):
        named_by_place(sent.config, there)
    for name, path in sent.files.items():
        content = path.read_bytes()
        receive(there, name, "a1", 0, content[:2], is_last=False)
        receive(there, name, "b2", 0, content[:3], is_last=False)  # another client at the same time
        receive(there, name, "a1", 2, content[2:], is_last=True)
    assert missing(there, list(sent.files)) == []
    (table,) = named_by_place(sent.config, there).suite.model
    assert Path(table.file).read_bytes() == b"model"
    assert Path(str(table.dataset)).read_bytes() == b"images"


def test_files_that_are_not_what_they_are_called_are_refused(tmp_path: Path) -> None:
    sent = named_by_content(config(tmp_path))
    name = next(iter(sent.files))
    with pytest.raises(CannotMeasure, match="arrived damaged"):
        receive(tmp_path, name, "a1", 0, b"other", is_last=True)
    digest = name.partition("/")[0]
    for bad in (f"{digest}/..", f"{digest}/a/b", "../x", f"{digest[:-1]}/x", f"/{digest}/x"):
        with pytest.raises(CannotMeasure, match="is no name"):
            receive(tmp_path, bad, "a1", 0, b"", is_last=True)
    with pytest.raises(CannotMeasure, match="is no name"):
        receive(tmp_path, name, "../a", 0, b"", is_last=True)


def test_a_folder_is_not_sent(tmp_path: Path) -> None:
    suite = Suite(name="net", model=[ModelTable(file="x.tflite", dataset=str(tmp_path))])
    with pytest.raises(CallError, match=r"pack the images into an \.npz"):
        named_by_content(RunConfig(suite=suite, devices=["pi"]))


def test_a_record_is_the_same_wherever_it_is_read() -> None:
    """Also one with a text that a journal shortens, once for each time that it is written."""
    entry = Invocation(case_id="a", index=1, order=2, status="ok", samples_ns=[0.1, 1e9], stderr="x" * 200_000)
    once = to_entry(to_line(entry))
    twice = to_entry(to_line(once))
    assert identity(entry) == identity(once) == identity(twice)
    other = msgspec.structs.replace(entry, samples_ns=[0.1, 1e9 + 1])
    assert identity(other) != identity(entry)
    assert identity(DeviceEvent(device="a", kind="lost", message="m")) != identity(
        DeviceEvent(device="a", kind="back", message="m")
    )
    with pytest.raises(ValueError, match="no record"):
        to_entry('{"type":"unheard of"}')
    assert journal.decode(to_line(entry).encode()) == once


def test_a_session_ends_when_its_client_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(session: HostedSession) -> Ended:
        while True:
            session.stop.check()
            time.sleep(0.01)

    monkeypatch.setattr(hosted, "LEASE_S", 0.3)
    session = HostedSession("run", "pi", work)
    session.start()
    for _ in range(4):
        time.sleep(0.1)
        session.seen()
        session.end_if_left()
    assert not session.stop.is_ordered
    time.sleep(0.4)
    session.end_if_left()
    ended = session.ended.result(timeout=10)
    assert ended.outcome == "stopped"
    assert "not heard of" in ended.message


def test_what_goes_wrong_in_a_session_is_told_as_at_home() -> None:
    def work(session: HostedSession) -> Ended:
        raise ZeroDivisionError("surprise")

    session = HostedSession("run", "pi", work)
    session.start()
    ended = session.ended.result(timeout=10)
    assert (ended.outcome, ended.kind) == ("failed", "ZeroDivisionError")
    assert "a bug in bnnbench, ZeroDivisionError" in ended.message
    assert "Traceback" in str(ended.trace)


def test_news_come_in_pieces_and_are_kept() -> None:
    session = HostedSession("run", "pi", lambda session: Ended(outcome="done"))
    for number in range(1200):
        session.outbox.add(str(number))
    session.outbox.phase("pi", "timing", 3, 9)
    session.outbox.note("hot")
    assert session.outbox.has_moved()
    first = session.outbox.news(0, 500)
    assert (len(first.lines), first.phase, first.notes) == (500, ("timing", 3, 9), ["hot"])
    assert session.outbox.news(0, 500).lines == first.lines  # until the client has them on its disk
    assert session.outbox.news(0, 500).notes == []
    assert len(session.outbox.news(1000, 500).lines) == 200
    assert session.outbox.has_more(1199)
    assert not session.outbox.has_more(1200)
    assert not session.outbox.has_moved()


def hosted_sessions(tmp_path: Path, *devices: str) -> Host:
    """Of the run `run`, which have not begun."""
    host = Host(tmp_path, {})
    for device in devices:
        outbox = Outbox(changed=partial(host.changes.tell, "run"))
        host.sessions["run", device] = HostedSession("run", device, lambda session: Ended(outcome="done"), outbox)
    return host


def test_one_answer_has_the_news_of_all_devices(tmp_path: Path) -> None:
    host = hosted_sessions(tmp_path, "a", "b", "c")
    nothing = Heard()
    heard = dict.fromkeys(["a", "b", "c", "gone"], nothing)
    assert {device: news.lines for device, news in host.news("run", heard).items()} == {"a": [], "b": [], "c": []}
    heard = dict.fromkeys(heard, Heard(0, is_known=True))
    assert {device: news.is_known for device, news in host.news("run", heard).items()} == {"gone": False}
    del heard["gone"]
    for device in ("a", "b"):
        for number in range(700):
            host.sessions["run", device].outbox.add(str(number))
    found = host.news("run", heard)
    assert {device: len(news.lines) for device, news in found.items()} == {"a": 333, "b": 333}
    heard |= {"a": Heard(333, is_known=True), "b": Heard(699, is_known=True)}
    assert {device: news.lines[0] for device, news in host.news("run", heard).items()} == {"a": "333", "b": "699"}
    host.sessions["run", "c"].start()
    host.sessions["run", "c"].ended.result(timeout=10)
    heard = {"c": Heard(0, is_known=True)}
    assert host.news("run", heard)["c"].has_ended
    assert host.news("run", {"c": Heard(0, is_known=True, has_ended=True)}) == {}


def test_a_phase_is_news_to_who_has_waited(tmp_path: Path) -> None:
    host, heard = hosted_sessions(tmp_path, "a"), {"a": Heard(0, is_known=True)}
    host.sessions["run", "a"].outbox.phase("a", "timing", 1, 2)
    assert host.news("run", heard) == {}
    assert host.news("run", heard, phases=True)["a"].phase == ("timing", 1, 2)
    assert host.news("run", heard, phases=True) == {}


def test_news_are_waited_for_without_a_thread(tmp_path: Path) -> None:
    """Those of a thread wake; those of another run do not."""
    host, heard = hosted_sessions(tmp_path, "a"), {"a": Heard(0, is_known=True)}
    worker = SimpleNamespace(plugins={PLUGIN: SimpleNamespace(host=host)})

    async def ask(wait_s: float) -> dict[str, News]:
        return await news_of("run", heard, wait_s, worker)  # type: ignore[arg-type]

    async def told(add: Callable[[], None]) -> dict[str, News]:
        asked = asyncio.ensure_future(ask(30.0))
        await asyncio.sleep(0.05)
        assert not asked.done()
        threading.Thread(target=add).start()
        return await asyncio.wait_for(asked, 10)

    assert asyncio.run(ask(0.05)) == {}
    assert asyncio.run(told(lambda: host.sessions["run", "a"].outbox.add("x")))["a"].lines == ["x"]
    heard["a"] = Heard(1, is_known=True)
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(told(lambda: host.changes.tell("another")), 0.5))
    assert host.changes._waiting == {}
    host.changes.tell("run")  # nobody waits
