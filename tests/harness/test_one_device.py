"""One device's trouble is one device's: whatever is raised about it, the others are measured."""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from paramiko.ssh_exception import SSHException

from bnnbench.devices.errors import CommandFailed, InventoryError, Unreachable, told_as
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.harness.bench import reach as reaching
from bnnbench.harness.bench.context import RunContext, Silent
from bnnbench.harness.bench.stop import Interrupted
from bnnbench.harness.bench.trouble import FAULTS
from bnnbench.harness.errors import CannotMeasure
from bnnbench.harness.run import parallel
from bnnbench.results.errors import StoreError

from .bench import Bench

SURPRISES = [
    UnicodeError("label empty or too long"),
    struct.error("unpack requires 4 bytes"),
    SSHException("Channel closed."),
    ValueError("not a number"),
    ZeroDivisionError("division by zero"),
    AttributeError("'NoneType' object has no attribute 'x'"),
    EOFError(),
    OSError(errno.EIO, "Input/output error"),
]


@pytest.mark.parametrize("host", ["pi4..lab", ".lab", "x" * 70, f"a.{'x' * 64}.lab", "é" * 70])
def test_a_name_that_cannot_be_looked_up_is_unreachable(host: str) -> None:
    with pytest.raises(Unreachable, match="evice 'bad'"):
        connect(DeviceSpec("bad", "ssh", host=host))


@pytest.mark.parametrize("error", SURPRISES, ids=repr)
def test_what_a_library_raises_becomes_a_sentence_about_the_device(error: Exception) -> None:
    with (
        pytest.raises(Unreachable, match=r"^Device 'x' cannot be reached: .*\(\w+\)\.$"),
        told_as(Unreachable, "device 'x' cannot be reached"),
    ):
        raise error
    with pytest.raises(OSError, match="full"), told_as(Unreachable, "x"):
        raise OSError(errno.ENOSPC, "full")


@dataclass
class Journal:
    path: Path
    entries: list[Any] = field(default_factory=list)

    def append(self, entry: Any) -> None:
        self.entries.append(entry)


class Work:
    """Raises what it was given, or ends well."""

    def __init__(self, name: str, error: BaseException | None) -> None:
        self.name, self.spent_ns, self.builds_ns = name, 0, 0
        self._error, self.has_ended = error, False

    def close(self) -> None:
        pass

    def run(self) -> None:
        if self._error:
            raise self._error
        self.has_ended = True


def measured(folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two machines, one of which raises."""
    context: Any = RunContext(folder, Journal(folder), Silent(), 1, 1, False, 1, 1, 0)  # type: ignore[arg-type]
    sessions: Any = {"bad": Work("bad", error), "good": Work("good", None)}
    # On one machine: what is raised before must not keep it from the next.
    ending = parallel.measure_machines([["bad", "good"]], sessions, context)
    return SimpleNamespace(ending=ending, good=sessions["good"], context=context, events=context.writer.entries)


@pytest.mark.parametrize("error", [*SURPRISES, CommandFailed("device 'bad' is odd."), CannotMeasure("no figures.")])
def test_an_unexpected_error_ends_one_device_alone(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = measured(tmp_path, error, monkeypatch)
    assert done.good.has_ended
    assert not done.ending.troubles
    assert list(done.ending.lost) == ["bad"]
    (event,) = done.events
    assert (event.device, event.kind, event.message) == ("bad", "gave_up", done.ending.lost["bad"])
    if isinstance(error, CommandFailed | CannotMeasure):
        assert not (tmp_path / FAULTS).exists()
    else:
        assert f"a bug in bnnbench, {type(error).__name__} in test_one_device.py, line " in event.message
        assert "Traceback" in (tmp_path / FAULTS).read_text()


@pytest.mark.parametrize(
    "error", [StoreError("full"), MemoryError(), OSError(errno.ENOSPC, "full"), OSError(errno.EMFILE, "files")]
)
def test_what_concerns_all_devices_ends_the_run(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = measured(tmp_path, error, monkeypatch)
    assert done.ending.troubles == [error]
    assert done.context.stop.is_ordered
    assert not done.good.has_ended


def test_an_order_to_stop_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = measured(tmp_path, Interrupted(), monkeypatch)
    assert not done.ending.troubles
    assert not done.ending.lost


@pytest.mark.parametrize("error", [*SURPRISES, InventoryError("cores asks for CPU 9."), Unreachable("gone")])
def test_the_devices_that_answer_are_gone_on_with(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def reach(spec: DeviceSpec, *_: object) -> str:
        if spec.name == "bad":
            raise error
        return spec.name

    monkeypatch.setattr(reaching, "reach", reach)
    bad, good = DeviceSpec("bad"), DeviceSpec("good")
    assert reaching.reach_all([bad, good], [], print) == (["good"], {"bad": error})
    if isinstance(error, Unreachable):
        assert reaching.reach_all([bad], [], print) == ([], {"bad": error})
    else:
        with pytest.raises(type(error)):
            reaching.reach_all([bad], [], print)


def test_a_bad_name_beside_a_good_device(bench: Bench) -> None:
    bench.write("devices.toml", '[device.bad]\ntransport = "ssh"\nhost = "pi4..lab"\n')
    words = ["small.toml", "--device", "bad", "--device", "local", "--filter", "maxpool", "--engine", "native"]
    run = bench.measure(*words, status=3)
    assert [one.kind for one in run.events if one.device == "bad"] == ["unreached"]
    assert all(one.status == "ok" for one in run.invocations)
    assert run.invocations
