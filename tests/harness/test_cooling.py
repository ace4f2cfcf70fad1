"""Waiting for a device to cool down ends where nothing gets cooler. The sensors are files; the scripts are real."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.transport import connect
from bnnbench.harness.bench import cooling
from bnnbench.harness.bench.cooling import Cooling

pytestmark = pytest.mark.timeout(30)


class Bench:
    """Two sensors, and what was told."""

    def __init__(self, folder: Path, wanted: float) -> None:
        self.cpu, self.other = folder / "cpu", folder / "other"
        self.shown: list[str] = []
        self.told: list[str] = []
        names = {str(self.cpu): "cpu-thermal", str(self.other): "acpitz"}
        self.cooling = Cooling(names, wanted, self.shown.append, self.told.append)

    def wait(self) -> float:
        """How long it waited, in s."""
        begun = time.monotonic()
        with connect(LOCAL) as transport:
            self.cooling.wait(transport)
        return time.monotonic() - begun


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(cooling, "_POLL_S", 0.02)
    monkeypatch.setattr(cooling, "_STEADY_S", 0.5)
    return Bench(tmp_path, 50)


def test_a_sensor_that_never_moves_is_waited_for_once_and_named(bench: Bench) -> None:
    bench.cpu.write_text("48000\n")
    bench.other.write_text("100000\n")
    assert bench.wait() >= 0.5
    assert bench.told == [
        "it does not get cooler than acpitz at 100 °C: no longer waiting for that; raise cool_to_celsius = 50, "
        "or cool it"
    ]
    assert bench.wait() < 0.5
    assert len(bench.told) == 1
    bench.cpu.write_text("60000\n")  # the other one still counts
    bench.wait()
    assert "cpu-thermal at 60 °C" in bench.told[1]


def test_what_cools_down_is_waited_for(bench: Bench) -> None:
    bench.other.write_text("40000\n")

    def cool() -> None:
        for degrees in (70, 65, 60, 55, 51, 49):
            (bench.cpu.with_suffix(".new")).write_text(f"{degrees}000\n")
            bench.cpu.with_suffix(".new").replace(bench.cpu)  # a sensor is never read half
            time.sleep(0.2)

    bench.cpu.write_text("70000\n")
    thread = threading.Thread(target=cool)
    thread.start()
    assert bench.wait() > 0.8
    thread.join()
    assert not bench.told
    assert "cooling down: 51 °C, 50 wanted" in bench.shown


def test_a_room_that_is_too_warm_is_told_once_and_its_floor_kept(bench: Bench) -> None:
    bench.other.write_text("40000\n")
    bench.cpu.write_text("56000\n")
    bench.wait()
    bench.cpu.write_text("56900\n")
    assert bench.wait() < 0.5
    bench.cpu.write_text("80000\n")  # an engine ran: down to where it can get it is waited for again
    threading.Timer(0.3, lambda: bench.cpu.write_text("56500\n")).start()
    assert 0.25 < bench.wait() < 2
    assert len(bench.told) == 1


def test_nothing_to_read_is_nothing_to_wait_for(bench: Bench) -> None:
    assert bench.wait() < 1
    assert not bench.told
