"""What bnnbench makes of one model file of others, and how far that is from LiteRT."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.models.open_sizes import open_sizes
from tests.kernels.judges import Array, Judge

_LIMIT_S = 300
_MEMORY = 8 << 30
RIGHT, WRONG, REFUSED, UNLOADABLE, UNJUDGED = "right", "wrong", "refused", "not loadable", "not judged"
OPEN = "needs a size"
ALLOWED = 1e-4
"""Of the output's range: what sums in another order may differ by. In deep networks it is more, and then as much as
LiteRT's own kernels differ from each other by."""


@dataclass(frozen=True)
class Row:
    """`difference` is the largest one from LiteRT, by the range of that output; None where nothing was compared."""

    verdict: str
    why: str = ""
    difference: float | None = None


def verdict(path: Path) -> Row:
    """In a process of its own, with limits on time and memory."""
    command = [sys.executable, "-m", "tests.wild.verdicts", str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return Row(UNJUDGED, f"it took more than {_LIMIT_S} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return Row(UNLOADABLE, f"it ended with {done.returncode}: {done.stderr.strip()[-200:]}")
    return Row(**json.loads(lines[-1]))


def _judged(path: Path) -> Row:
    with tempfile.TemporaryDirectory(prefix="bnnbench-wild-") as folder:
        judge = Judge("litert-reference", Path(folder))
        try:
            model = read_model(path)
            if any(map(open_sizes, model.inputs)):
                return Row(OPEN, "one of its inputs has an open size, which is given with --shape")
            graph = graph_of(model)
        except ModelError as error:
            text = str(error).removeprefix(f"{path}").strip(" :")
            judge.close()
            judge = Judge("litert", Path(folder))  # whose kernels know some ops that are not TensorFlow Lite's own
            loads = judge.outputs(path.read_bytes(), [])
            judge.close()
            is_loaded = not isinstance(loads, str)
            return Row(REFUSED if is_loaded else UNLOADABLE, text if is_loaded else f"{text} LiteRT: {loads}")
        return _compared(graph, path.read_bytes(), judge, Path(folder))


def _compared(graph: Graph, content: bytes, judge: Judge, folder: Path) -> Row:
    rng = np.random.default_rng(0)
    draw = {
        "f32": lambda shape: rng.uniform(-1, 1, shape).astype("<f4"),
        "i8": lambda shape: rng.integers(-128, 128, shape).astype("|i1"),
        "u8": lambda shape: rng.integers(0, 256, shape).astype("|u1"),
    }
    inputs = [draw[tensor.dtype](tensor.shape) for tensor in graph.inputs]
    theirs = judge.outputs(content, inputs)
    judge.close()
    if isinstance(theirs, str):  # an op that only the faster kernels have
        judge = Judge("litert", folder)
        theirs = judge.outputs(content, inputs)
        judge.close()
    if isinstance(theirs, str):
        return Row(UNJUDGED, f"LiteRT: {theirs}")
    ours = interpret(graph, inputs).outputs
    for mine, other in zip(ours, theirs, strict=True):
        if mine.shape != other.shape or mine.dtype != other.dtype:
            return Row(WRONG, f"an output is {mine.dtype}{list(mine.shape)}, LiteRT's {other.dtype}{list(other.shape)}")
    largest = _difference(ours, theirs)
    exact = all(array.dtype.kind != "f" for array in ours)
    if exact or largest <= ALLOWED:
        return Row(WRONG if exact and largest else RIGHT, "", largest)
    faster = Judge("litert", folder)
    others = faster.outputs(content, inputs)
    faster.close()
    between = 0.0 if isinstance(others, str) else _difference(others, theirs)
    why = f"LiteRT's own kernels differ from each other by {between:.1e}"
    return Row(RIGHT if largest <= between else WRONG, why, largest)


def _difference(outputs: Sequence[Array], right: Sequence[Array]) -> float:
    """The largest of all, by the range of the right output."""
    largest = 0.0
    for output, other in zip(outputs, right, strict=True):
        a, b = output.astype(np.float64), other.astype(np.float64)
        span = float(b.max() - b.min()) or 1.0
        largest = max(largest, float(np.nan_to_num(np.abs(a - b), nan=np.inf).max(initial=0.0)) / span)
    return largest


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    print(json.dumps(asdict(_judged(Path(sys.argv[1])))))
