"""An emulated fleet: `bnnbench` with a kind of device more, whose engine is in this process and answers at once.

Each device has an id of its own and fails as its entry says: `away` (share of connections that are refused), `lost`
(share of engines whose connection dies), `rebooted` (has another boot id after that), `hung` (share of engines that
never answer), `wrong` (all outputs), `slow_ms` (each timed request). Times are recorded noise. What happens is decided
by the entry's name and a count, so it happens again in the next run.

    python fleet.py LOG COMMAND ...     as `bnnbench COMMAND ...`; connections and orders are written to LOG

With FLEET_BUILDS in the environment, each process has a cache of its own in its working folder, and engines are built
at once, which is also written to LOG. `triple` of an entry is the platform that a device says it is.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

import numpy as np

from bnnbench.devices import entry_rules as rules
from bnnbench.devices.errors import DeviceLost, Unreachable
from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.kinds import KINDS, Kind
from bnnbench.devices.probe_script import SCRIPT
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.local import LocalTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess
from bnnbench.kernels import toolchain
from bnnbench.kernels.ops import NUMPY_DTYPE, SPECS
from bnnbench.kernels.reference import oracle

DEVIATIONS: Final = json.loads((Path(__file__).parents[1] / "harness/recorded_noise.json").read_text())["deviations"]
SHARES: Final = ("away", "lost", "hung")
_percent = rules.whole("whole percent,", 0, 100)
_log: Path | None = None
_log_lock = threading.Lock()
_probed: list[bytes] = []


def log(what: str, device: str) -> None:
    """A line of the log: when, what, which device."""
    if _log is not None:
        with _log_lock, _log.open("a") as file:
            file.write(f"{time.time():.3f} {what} {device}\n")


class Board:
    """What stays of a device between connections."""

    def __init__(self, name: str) -> None:
        self.draw, self.boots, self.holders, self.engines = random.Random(name), 0, 0, 0  # noqa: S311


_boards: dict[str, Board] = {}


class EmulatedTransport(LocalTransport):
    """Shell commands are this machine's; launcher, lock and engine are emulated."""

    def __init__(self, spec: DeviceSpec) -> None:
        super().__init__(spec)
        self.board = _boards.setdefault(spec.name, Board(spec.name))
        self.is_lost = False
        if self.happens("away"):
            raise Unreachable(f"device {spec.name!r} cannot be reached: it is away.")
        log("connect", spec.name)

    def happens(self, what: str) -> bool:
        return self.board.draw.random() * 100 < self.spec.options.get(what, 0)

    def facts(self, found: DeviceFacts) -> DeviceFacts:
        facts = dict(super().facts(found).facts)
        if "triple" in self.spec.options:
            facts["triple"] = Fact(self.spec.options["triple"], "emulated")
        facts["boot_id"] = Fact(f"{self.spec.name}-{self.board.boots}", "emulated")
        return DeviceFacts(facts)

    def lose(self) -> DeviceLost:
        if not self.is_lost and self.spec.options.get("rebooted"):
            self.board.boots += 1
        self.is_lost = True
        return DeviceLost(f"device {self.spec.name!r} was lost.")

    def shell(self, script: str, *args: str, timeout_s: float = 30, input: bytes = b"") -> Any:
        if self.is_lost:
            raise self.lose()
        return super().shell(script, *args, timeout_s=timeout_s, input=input)

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        if self.is_lost:
            raise self.lose()
        if input != SCRIPT.encode():
            return super().run(argv, timeout_s=timeout_s, input=input, limit_bytes=limit_bytes)
        with _log_lock:  # a tenth of a second's work, and the same for all devices
            if not _probed:
                done = super().run(argv, timeout_s=timeout_s, input=input)
                _probed[:] = [argv[-1].encode(), done.stdout]
        return Completed(0, _probed[1].replace(_probed[0], argv[-1].encode()), b"")

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        if self.is_lost:
            raise self.lose()
        return Holder(self.board) if argv[1] == "lock" else Engine(self, cwd)

    def close(self) -> None:
        log("close", self.spec.name)


class InProcess:
    """A RemoteProcess whose replies are there at once."""

    def __init__(self) -> None:
        self.lines: SimpleQueue[str | None] = SimpleQueue()
        self.has_ended = False

    def write_line(self, line: str) -> None: ...

    def read_line(self, deadline: float) -> str:
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, min(0.1, deadline - time.monotonic())))
            except Empty:
                if self.has_ended:
                    raise EOFError("it has ended") from None
                if time.monotonic() >= deadline:
                    raise TimeoutError from None
                continue
            if line is None:
                raise EOFError("it has ended")
            return line

    def stderr_tail(self) -> str:
        return ""

    def close_stdin(self) -> None:
        self.kill()

    def wait(self, deadline: float) -> int | None:
        return 0 if self.has_ended else None

    def close(self) -> None:
        self.kill()

    def kill(self) -> None:
        self.has_ended = True


class Holder(InProcess):
    """Of the device's lock."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board
        is_free = not board.holders
        self.is_holding = is_free
        board.holders += is_free
        self.lines.put(json.dumps({"ok": is_free, "error": "held by another session"}))

    def kill(self) -> None:
        if self.is_holding:
            self.board.holders, self.is_holding = self.board.holders - 1, False
        super().kill()


class Engine(InProcess):
    """Speaks the protocol."""

    def __init__(self, transport: EmulatedTransport, cwd: str) -> None:
        super().__init__()
        self.transport, self.cwd, self.output = transport, Path(cwd), b""
        self.number, transport.board.engines = transport.board.engines, transport.board.engines + 1
        self.is_lost, self.is_hung = transport.happens("lost"), transport.happens("hung")
        self.is_silent = False

    def read_line(self, deadline: float) -> str:
        if self.is_silent:
            raise TimeoutError  # now, and not at the deadline
        return super().read_line(deadline)

    def write_line(self, line: str) -> None:
        verb, *words = line.split()
        keys = dict(word.split("=", 1) for word in words)
        if verb == "run" and self.is_lost:
            raise self.transport.lose()
        if self.has_ended or verb == "quit":
            self.kill()
        elif self.is_hung and verb == "run":
            self.is_silent = True
        else:
            reply = getattr(self, f"do_{verb}", None)
            said = reply(keys) if reply else {"ok": False, "error": f"unknown verb {verb}"}
            self.lines.put(json.dumps({"ok": True} | said))

    def do_hello(self, keys: dict[str, str]) -> dict[str, Any]:
        return {"protocol": 1, "engine": "emulated", "isa": "emulated"}

    def do_load(self, keys: dict[str, str]) -> dict[str, Any]:
        self.output = right_output(tuple(sorted(keys.items())), self.cwd / keys["data"])
        if self.transport.spec.options.get("wrong"):
            self.output = bytes(255 - byte for byte in self.output)
        return {}

    def do_run(self, keys: dict[str, str]) -> dict[str, Any]:
        time.sleep(self.transport.spec.options.get("slow_ms", 0) / 1000)
        wanted, row = int(keys["samples"]), DEVIATIONS[self.number % len(DEVIATIONS)]
        times = [1e6 * (1 + 0.1 * row[place % len(row)]) for place in range(wanted)]
        return {"samples_ns": times, "iterations": 1, "first_ns": times[0]}

    def do_output(self, keys: dict[str, str]) -> dict[str, Any]:
        if "path" in keys:
            (self.cwd / keys["path"]).write_bytes(self.output)
        return {"sha256": sha256(self.output).hexdigest(), "bytes": len(self.output)}


_oracle = oracle.run
_outputs: dict[tuple[tuple[str, str], ...], bytes] = {}


def right_output(key: tuple[tuple[str, str], ...], data: Path) -> bytes:
    """By the oracle, once."""
    if key not in _outputs:
        keys = dict(key)
        kind = SPECS[keys["op"]]
        names = [item.name for item in fields(kind)]
        given = {n: int(keys[n]) if keys[n].lstrip("-").isdigit() else keys[n] for n in names if n in keys}
        spec = kind(**given)
        raw, arrays, start = data.read_bytes(), {}, 0
        for array in spec.inputs():
            dtype, count = np.dtype(NUMPY_DTYPE[array.dtype]), int(np.prod(array.shape))
            arrays[array.name] = np.frombuffer(raw, dtype, count, start).reshape(array.shape)
            start += count * dtype.itemsize
        _outputs[key] = _oracle(spec, arrays).tobytes()
    return _outputs[key]


ROW: Final = Kind(
    f"{__name__}:EmulatedTransport",
    KINDS["local"].keys
    | dict.fromkeys(SHARES, _percent)
    | {
        "triple": rules.text,
        "rebooted": rules.flag,
        "wrong": rules.flag,
        "slow_ms": rules.whole("whole milliseconds,", 0, 60_000),
    },
    machine=("workdir",),
)


def build_at_once() -> None:
    """Instead of compiling: the file says its key."""
    os.environ["BNNBENCH_CACHE"] = str(Path.cwd() / "cache")

    def compiled(scratch: Path, key: str, triple: str, *_: Any) -> None:
        log("build", f"{triple}@{Path.cwd().name}")
        (scratch / "engine").write_text(key)

    toolchain._compile_and_link = compiled  # type: ignore[attr-defined]


def main() -> None:
    global _log
    _log = Path(sys.argv[1])
    sys.modules["fleet"] = sys.modules["__main__"]
    KINDS["emulated"] = Kind("fleet:EmulatedTransport", ROW.keys, machine=ROW.machine)
    from bnnbench.harness.cli.main import main as bnnbench
    from bnnbench.harness.lab.link import Link

    def logged_oracle(spec: Any, arrays: Any) -> Any:
        log("compute", f"{spec.op}@{Path.cwd().name}")
        return _oracle(spec, arrays)

    oracle.run = logged_oracle
    if "FLEET_BUILDS" in os.environ:
        build_at_once()
    submit = Link.submit

    def submitted(self: Link, function: Any, order: bytes, device: str, priority: float, words: Any) -> Any:
        log("ask", device)
        return submit(self, function, order, device, priority, words)

    Link.submit = submitted  # type: ignore[method-assign]
    bnnbench(sys.argv[2:])


if __name__ == "__main__":
    main()
