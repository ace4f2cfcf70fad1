"""Random protocol requests against the native engine: `make fuzz`, with sanitizers; a short form in `make test`.

usage: python -m tests.fuzz.fuzz_protocol [--count 1000000] [--seed 0] [--engine PATH]

Every line must get exactly one line of JSON with `ok`, and one sentence where that is false. The engine may not crash,
hang or grow. What it was asked when it broke is kept, and the seed is told.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.tflite_file import read

GOLDEN = Path(__file__).parents[1] / "golden"
BATCH = 2000
HANG_S = 120.0
_VERBS = (
    "hello",
    "load",
    "input",
    "run",
    "output",
    "infer",
    "trace",
    "profile",
    "divide",
    "unload",
    "peak",
    "dance",
    "",
)
_KEYS = (
    *("id", "op", "data", "plan", "path", "index", "samples", "iterations", "min_sample_ns", "threads", "warmup_ns"),
    *("limit_ns", "extra_ppm", "watch", "counters", "input", "output", "count", "dtype", "scale", "offset", "runs"),
    *("isa", "m", "n", "k", "out", "h", "w", "c", "oc", "kh", "kw", "sh", "sw", "dh", "dw", "groups", "pad", "act"),
    *("pad_value", "zero_point", "kernel", "x" * 100, "%"),
)
_VALUES = (
    *(
        "a",
        "b",
        "m",
        "plan",
        "data",
        "in",
        "no/such/file",
        ".",
        "/dev/null",
        "bgemm",
        "bconv2d",
        "bitpack",
        "bmaxpool2d",
    ),
    *("0", "1", "2", "3", "7", "32", "64", "-1", "4095", "65536", "2147483647", "4294967296", "9" * 30, "1e9", "nan"),
    *("i32", "f32", "bits", "u8", "same", "valid", "relu", "none", "%00", "%zz", "%", "%41", "a%20b", "", "x" * 5000),
    *("cycles,instructions", "/proc/cpuinfo", "/proc/self/mem", ",".join(["a"] * 20), "\x7f", "ö", "0.5", "-0.0"),
)
_RIGHT = (
    "load id=m plan=plan", "load id=a op=bgemm m=2 n=2 k=32 out=i32 data=data", "input id=m path=in", "unload id=m",
    "unload id=a", "run id=a samples=1 iterations=1 limit_ns=1000000000",
    "run id=m samples=1 iterations=1 limit_ns=1000000000", "output id=a path=o", "output id=m", "trace id=m path=t",
    "profile id=m runs=1 limit_ns=1000000000", "infer id=m input=in output=o count=1 limit_ns=1000000000", "hello",
    "divide id=m threads=8",
)  # fmt: skip


@dataclass
class Count:
    """Of requests, by what they got."""

    accepted: int = 0
    refused: int = 0

    @property
    def all(self) -> int:
        return self.accepted + self.refused


def request(draw: random.Random) -> bytes:
    """One line, without its newline: right, nearly right, or nothing of the kind. Never long work."""
    kind = draw.random()
    if kind < 0.3:
        line = draw.choice(_RIGHT)
        if draw.random() < 0.5:
            words = line.split()
            words[draw.randrange(len(words))] = f"{draw.choice(_KEYS)}={draw.choice(_VALUES)}"
            line = " ".join(words)
    elif kind < 0.9:
        words = [f"{draw.choice(_KEYS)}={draw.choice(_VALUES)}" for _ in range(draw.randrange(8))]
        line = " ".join([draw.choice(_VERBS), *words])
    else:
        return draw.randbytes(draw.randrange(200)).replace(b"\n", b" ").replace(b"\r", b" ")
    bounded = line if "limit_ns=" in line or not line.startswith(("run", "infer", "profile", "peak")) else ""
    return (bounded or f"{line} limit_ns=20000000").encode()


def ask(engine: Path, folder: Path, lines: list[bytes], count: Count) -> str | None:
    """What the engine did wrong; None: nothing. It must end well, and have answered each line."""
    process = subprocess.Popen(
        [str(engine)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    watch = threading.Timer(HANG_S, process.kill)
    watch.start()
    try:
        out, err = process.communicate(b"\n".join(lines) + b"\nquit\n")
    finally:
        watch.cancel()
    replies = out.split(b"\n")[:-1]
    if process.returncode or len(replies) != len(lines):
        said = err.decode(errors="replace")[-2000:]
        return f"{len(replies)} replies to {len(lines)} requests, status {process.returncode}: {said}"
    for line, raw in zip(lines, replies, strict=True):
        reply = json.loads(raw)
        if reply["ok"]:
            count.accepted += 1
        elif isinstance(reply.get("error"), str) and reply["error"] and "\n" not in reply["error"]:
            count.refused += 1
        else:
            return f"{raw!r} to {line!r}"
    return None


def files() -> dict[str, bytes]:
    """What right requests name."""
    graph = import_model(read(GOLDEN / "tiny_larq.tflite"))
    return {"plan": make_plan(graph).to_bytes(), "in": bytes(graph.inputs[0].bytes), "data": bytes(16)}


def fuzz(engine: Path, folder: Path, total: int, seed: int) -> tuple[Count, str | None]:
    """Asks `total` requests, `BATCH` of each process, with new files for each: `output=plan` replaces one."""
    named = files()
    count, started = Count(), time.monotonic()
    for number in range(0, total, BATCH):
        for name, content in named.items():
            (folder / name).write_bytes(content)
        draw = random.Random(f"{seed} {number}")  # noqa: S311 - repeatable, no secret
        lines = [line for _ in range(min(BATCH, total - number)) if (line := request(draw)).strip() != b"quit"]
        trouble = ask(engine, folder, lines, count)
        if trouble:
            (folder / "broke.txt").write_bytes(b"\n".join(lines))
            return count, f"batch {number} of seed {seed}: {trouble}"
        if number % (50 * BATCH) == 0:
            rate = count.all / (time.monotonic() - started)
            print(f"{count.all} requests, {count.accepted} accepted, {rate:.0f} a second", flush=True)
    return count, None


def main() -> int:
    """0 when nothing broke."""
    from tests.fuzz.sanitized_engine import sanitized_engine

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", type=Path, help="an engine that is built already")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = arguments.engine or sanitized_engine(folder)
        count, trouble = fuzz(engine, folder, arguments.count, arguments.seed)
        print(f"{count.all} requests: {count.accepted} accepted, {count.refused} refused with a sentence")
        if trouble:
            print(trouble)
            Path("broke.txt").write_bytes((folder / "broke.txt").read_bytes())
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
