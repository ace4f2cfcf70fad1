"""Suites whose engine replays recorded noise, and the settings of its two sides."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.harness.bench import Bench

ENGINE = Path(__file__).with_name("replay_engine.py")
RECORDING = Path(__file__).with_name("recorded_noise.json")
NOISE = 0.1
"""Of the recorded deviations, which are a shared machine's: its pairs differ by a tenth."""


def replayed(bench: Bench, cases: int = 1, **head: float) -> list[str]:
    """Words for `bnnbench ab`: `cases` small kernels, and a head with these settings."""
    base = write_engine(bench, "base.py", noise=NOISE)
    other = write_engine(bench, "head.py", noise=NOISE, **head)
    shared = bench.folder / "replay"
    shared.mkdir(exist_ok=True)
    kernels = "\n".join(f'[[kernel]]\nop = "bgemm"\nm = {m}\nn = 4\nk = 32\n' for m in range(1, cases + 1))
    command = json.dumps(["{binary}", str(shared), str(RECORDING)])
    bench.write(
        "replay.toml",
        f'name = "replay"\nwarmup_ms = 1\nmin_sample_ms = 1\nengines = ["replay"]\n{kernels}\n'
        f'[engine.replay]\ncommand = {command}\nbinary = {{ x86_64 = "base.py", aarch64 = "base.py" }}\n',
    )
    return ["ab", "replay.toml", "--base", f"replay@{base}", "--head", f"replay@{other}", "--store", "store"]


def write_engine(bench: Bench, name: str, **settings: float) -> Path:
    source = ENGINE.read_text().replace("SETTINGS: dict[str, float] = {}", f"SETTINGS: dict[str, float] = {settings!r}")
    path = bench.folder / name
    path.write_text(
        f"#!{sys.executable} -S\n{source}"  # without packages it starts in a fifth of the time
    )
    path.chmod(0o755)
    return path


def verdicts(bench: Bench, words: list[str], status: int = 0, timeout: float = 110) -> list[dict[str, Any]]:
    """The verdicts on latency of a call, which must end with `status`."""
    done = bench.run(*words, "--json", "-", timeout=timeout)
    assert done.returncode == status, done.stderr + done.stdout
    found: list[dict[str, Any]] = json.loads(done.stdout)["verdicts"]
    return [one for one in found if one["metric"] == "latency"]
