"""A busy device is refused at once, and waited for with `--wait`."""

from __future__ import annotations

import platform
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from bnnbench.devices.errors import DeviceBusy
from bnnbench.harness.bench.stop import Interrupted, Stop
from bnnbench.harness.bench.waiting import Waiting, current, in_words, waiting
from bnnbench.harness.cli.main import app
from bnnbench.kernels.toolchain import build
from tests.harness.bench import Bench, one_sentence

pytestmark = pytest.mark.timeout(90)
HOLDER = "bnnbench run 1 of ann on desk, pid 12, since 2026-01-02 03:04:05 UTC"


class Taken:
    """A lock that another holds for so many looks."""

    def __init__(self, looks: int, holders: tuple[str, ...] = (HOLDER,)) -> None:
        self.looks, self.holders, self.asked, self.held = looks, holders, 0, False

    def acquire(self) -> None:
        self.asked += 1
        if self.asked <= self.looks:
            who = self.holders[min(self.asked, len(self.holders)) - 1]
            raise DeviceBusy(f"device 'pi4' is busy: {who}; wait with --wait 10m.", holder=who)
        self.held = True

    def release(self) -> None:
        self.held = False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that passes by sleeping only."""
    clock = SimpleNamespace(now=100.0)

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(
        "bnnbench.harness.bench.waiting.time", SimpleNamespace(monotonic=lambda: clock.now, sleep=sleep)
    )
    return clock


def hold(waits: Waiting, lock: Any, stop: Stop | None = None) -> None:
    with waits.hold(lock, "pi4", stop):
        assert lock.held
    assert not lock.held


def test_without_wait_it_is_refused_at_once(clock: SimpleNamespace) -> None:
    lock = Taken(1)
    with pytest.raises(DeviceBusy, match="wait with --wait 10m"):
        hold(current(), lock)
    assert (lock.asked, clock.now) == (1, 100.0)


def test_it_is_told_who_holds_it_and_how_long_it_is_still_waited_for(clock: SimpleNamespace) -> None:
    told: list[str] = []
    hold(Waiting(600, told.append), Taken(20, (HOLDER,) * 15 + ("another",)))
    assert told[0] == f"device 'pi4' is busy: {HOLDER}; waiting up to 10 min more"
    assert told[1] == f"device 'pi4' is busy: {HOLDER}; waiting up to 9 min more"
    assert told[-1].startswith("device 'pi4' is busy: another; waiting ")
    assert len(told) < 6


def test_it_gives_up_when_the_time_is_over_over_all_looks(clock: SimpleNamespace) -> None:
    waits = Waiting(10)
    hold(waits, Taken(3))
    begun = clock.now
    with pytest.raises(DeviceBusy, match=r"busy: .*; waited 10 s; wait longer with --wait\.") as caught:
        hold(waits, Taken(1000))
    assert clock.now - 100 == pytest.approx(10)
    assert clock.now > begun
    assert caught.value.holder == HOLDER


def test_a_stop_ends_the_wait() -> None:
    stop = Stop()
    threading.Timer(0.3, stop.order).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        hold(Waiting(60), Taken(1000), stop)
    assert time.monotonic() - begun < 5


def test_the_policy_ends_with_its_block() -> None:
    with waiting(5, print):
        assert current().limit_s == 5
    assert current().limit_s == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (99, "99 s"), (100, "2 min"), (600, "10 min"), (3600, "1 h"), (5400, "1 h 30 min")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    "words",
    [
        *(("run",), ("ab",), ("check",), ("eval",), ("infer",), ("profile",), ("peak",), ("replay",)),
        *(("devices", "calibrate"), ("devices", "restore")),
    ],
    ids=" ".join,
)
def test_every_command_that_leases_a_device_has_it(words: tuple[str, ...]) -> None:
    command = app
    for word in words:
        command = command[word]
    assert "--wait" in {name for one in command.assemble_argument_collection() for name in one.names}


@contextmanager
def held(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """This machine's lock, as another benchmark holds it."""
    engine = build("native", f"{platform.machine()}-linux-musl", None, lambda _: None).path
    command = [str(engine), "lock", "--name", bench.environment["BNNBENCH_LOCK"], "--holder", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert '"ok":true' in process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_the_command_waits_and_then_measures(bench: Bench) -> None:
    with held(bench) as other:
        refused = bench.run("devices", "restore", "local")
        assert refused.returncode == 3
        assert HOLDER in one_sentence(refused.stderr)
        assert "wait with --wait 10m" in refused.stderr
        waits = bench.start("devices", "restore", "local", "--wait", "1m")
        assert waits.stderr is not None
        assert f"device 'local' is busy: {HOLDER}; waiting up to 60 s more\n" == waits.stderr.readline()
        other.kill()
        assert waits.wait(30) == 0
        waits.communicate()


def test_an_interrupt_ends_the_wait(bench: Bench) -> None:
    with held(bench):
        waits = bench.start("run", "small.toml", "--store", "store", "--wait", "10m")
        assert waits.stderr is not None
        assert any("waiting up to 10 min more" in line for line in waits.stderr)
        waits.send_signal(signal.SIGINT)
        assert waits.wait(30) == 130
        waits.communicate()
    assert not list((bench.folder / "store").glob("runs/*"))


def test_a_wrong_length_of_time_is_refused(bench: Bench) -> None:
    done = bench.run("run", "--wait", "soon")
    assert done.returncode == 2
    assert "'soon'" in one_sentence(done.stderr)
