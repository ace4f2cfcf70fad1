"""Runs of the real command, each with a home, a store and an inventory of its own."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.cache import cache_folder
from bnnbench.results.store.runs import Store, StoredRun
from tests.harness.forked import ForkServer

BNNBENCH = str(Path(sys.executable).with_name("bnnbench"))
AT_START = ("PYTHON", "LC_", "LANG", "OPENBLAS_")

SMALL_SUITE = """
name = "small"
invocations = 2
samples = 3
min_sample_ms = 1
warmup_ms = 1

[[kernel]]
op = "bconv2d"
input = [8, 8, 64]
filters = 32

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
"""

LONG_SUITE = SMALL_SUITE.replace("warmup_ms = 1\n", "warmup_ms = 300\n")
"""The same cases, each for long enough that a test can interrupt it."""


@functools.cache
def fork_server() -> ForkServer:
    """Of this process, the first time that one is needed."""
    return ForkServer()


@dataclass
class Bench:
    """A user's folder: `run(...)` is the command line in it, `forked` with short defaults: see forked.py."""

    folder: Path
    forked: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    _usual: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        home = self.folder / "user-home"
        home.mkdir(exist_ok=True)
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "BNNBENCH_CACHE": str(cache_folder()),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_STATE_HOME": str(home / ".local/state"),
            "COLUMNS": "120",
            "BNNBENCH_LOCK": f"test {self.folder}",  # not the machine's: tests may run beside each other
        }
        self._usual = dict(self.environment)
        self.write("small.toml", SMALL_SUITE)
        self.write("long.toml", LONG_SUITE)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def add_device(self, spec: DeviceSpec) -> None:
        with (self.folder / "devices.toml").open("a") as file:
            file.write(spec.to_toml())

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BNNBENCH, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str | Path, timeout: float = 100) -> subprocess.CompletedProcess[str]:
        """Forked, unless the environment was changed in what Python reads when it starts."""
        changed = {name for name, _ in self.environment.items() ^ self._usual.items()}
        if self.forked and not any(name.startswith(AT_START) for name in changed):
            return fork_server().run([BNNBENCH, *map(str, words)], self.folder, self.environment, timeout)
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    @property
    def state(self) -> Path:
        """Where the user's key is."""
        return self.folder / "user-home/.local/state"

    def trust_again(self, path: Path) -> None:
        """Signs a stored file that a test has changed, as if this user had made it so."""
        code = "import sys, pathlib, bnnbench.results.store.signature as s; s.sign(pathlib.Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(path)], env=self.environment, check=True, timeout=30)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def measure(self, *words: str | Path, status: int = 0) -> StoredRun:
        """A run into `store` that must end with `status`."""
        done = self.run("run", *words, "--store", "store")
        assert done.returncode == status, done.stderr + done.stdout
        return self.store.run("latest")

    def rows(self, *words: str | Path, status: int = 0) -> list[dict[str, object]]:
        done = self.run("run", *words, "--store", "store", "--json")
        assert done.returncode == status, done.stderr + done.stdout
        rows: list[dict[str, object]] = json.loads(done.stdout)["cases"]
        return rows


def one_sentence(text: str) -> str:
    """What the command said on stderr, which must be a sentence and no traceback."""
    lines = [line for line in text.strip().splitlines() if line.startswith("bnnbench: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    assert lines[0].endswith((".", "?")), text
    return lines[0]
