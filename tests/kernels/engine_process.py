"""An engine as a child process of the test, driven through the real client."""

from __future__ import annotations

import platform
import selectors
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from bnnbench.kernels.data import data_bytes, make_data
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Hello
from bnnbench.kernels.ops import KernelSpec
from bnnbench.kernels.reference import oracle
from bnnbench.kernels.targets import DEFAULT_TRIPLES, ISA_LEVELS, TRIPLES

WHOLE_LEVELS = [level for level in ISA_LEVELS if level.others is None and level.triple in DEFAULT_TRIPLES]
"""Levels with kernels of their own for all that models do, and for Numba; test_sme2.py and test_riscv64.py have
others."""
INTEGER_LEVELS = [level for level in ISA_LEVELS if not level.grows and level.triple in DEFAULT_TRIPLES]
"""Levels with int8 kernels of their own."""
HOST = next(name for name, triple in TRIPLES.items() if triple.architecture == platform.machine())


def runner(triple: str) -> list[str] | None:
    """Command prefix that executes binaries of `triple` here; None when there is none."""
    if triple == HOST:
        return []
    emulator = shutil.which(f"qemu-{TRIPLES[triple].architecture}-static")
    return [emulator, "-cpu", "max"] if emulator else None


class EngineProcess:
    """Implements LineChannel over pipes, with the deadline that the client gives."""

    def __init__(self, command: Sequence[str | Path], folder: Path) -> None:
        self._process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._rest = b""
        self.folder = folder
        self.client = EngineClient(self, "under test")

    def write_line(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def read_line(self, deadline: float) -> str:
        import os

        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError
            chunk = os.read(self._process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise EOFError
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self, timeout: float = 20) -> int:
        return self._process.wait(timeout)

    def errors(self) -> str:
        """Ends it; the last of what it said on stderr."""
        self._process.kill()
        return self._process.communicate()[1].decode(errors="replace")[-4000:]

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()


def compute(engine: EngineProcess, spec: KernelSpec, data: bytes) -> np.ndarray:
    """The engine's output of one case."""
    (engine.folder / "data.bin").write_bytes(data)
    engine.client.load("case", {**spec.protocol_items(), "data": "data.bin"})
    engine.client.run("case", samples=1, iterations=2, limit_ns=60_000_000_000)
    engine.client.output("case", "out.bin")
    engine.client.unload("case")
    output = np.fromfile(
        engine.folder / "out.bin",
        dtype=np.dtype("<" + {"u32": "u4", "i32": "i4", "f32": "f4"}[spec.output.dtype]),
    )
    return output.reshape(spec.output.shape)


def mismatches(engine: EngineProcess, specs: Sequence[KernelSpec], seed: int = 7) -> list[str]:
    """Names of the cases whose bytes differ from the oracle's."""
    wrong = []
    for spec in specs:
        arrays = make_data(spec, seed)
        if compute(engine, spec, data_bytes(arrays)).tobytes() != oracle.run(spec, arrays).tobytes():
            wrong.append(spec.name)
    return wrong


def hello(engine: EngineProcess) -> Hello:
    return engine.client.hello()
