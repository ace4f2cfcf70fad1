"""`benchmark_model` of TensorFlow Lite and `lce_benchmark_model`: programs that only print a summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

from ..errors import EngineError
from .base import Accepts
from .custom import CustomEngine

_RUNS = re.compile(r"count=(\d+)\b(.*)")
_FIGURE = re.compile(r"\b(\w+)=\s*([-+.\w]+)")
_TIMINGS = re.compile(r"Inference timings in us: (.*)")
_TIMING = re.compile(r"([A-Z][\w ()]*?): ([-+.\w]+)")
_MEMORY = re.compile(r"Memory footprint delta.*\boverall=\s*([-+.\w]+)")


@dataclass(frozen=True, slots=True)
class Summary:
    """What such a program prints. `latency_ns` is the median where it gives one (newer versions), else the mean.

    `is_median` says which; `memory_bytes` is its own estimate of what the model takes.
    """

    latency_ns: float
    is_median: bool
    runs: int
    min_ns: float
    max_ns: float
    std_ns: float | None = None
    first_ns: float | None = None
    load_ns: float | None = None
    memory_bytes: int | None = None


def parse_summary(text: str) -> Summary:
    """Raises EngineError, one sentence, when the text holds no sensible summary."""
    # The first such line is the warm-up's, the last the measured runs'.
    lines = [match for line in text.splitlines() if (match := _RUNS.search(line))]
    if not lines:
        raise EngineError("it printed no line with count=, so nothing was measured.")
    count, rest = lines[-1].groups()
    figures = {name: _number(value, name) for name, value in _FIGURE.findall(rest)}
    for name in ("min", "max", "avg"):
        if name not in figures:
            raise EngineError(f"its summary has no {name}=.")
    timings: dict[str, float] = {}
    memory = None
    for line in text.splitlines():
        if match := _TIMINGS.search(line):
            timings = {name: _number(value, name) for name, value in _TIMING.findall(match[1])}
        if match := _MEMORY.search(line):
            memory = int(_number(match[1], "overall") * 1e6)
    if not (0 < figures["min"] <= figures["avg"] <= figures["max"]) or not int(count):
        raise EngineError(
            f"its summary cannot be: min={figures['min']:g} avg={figures['avg']:g} max={figures['max']:g}."
        )
    return Summary(
        latency_ns=1e3 * figures.get("median", figures["avg"]),
        is_median="median" in figures,
        runs=int(count),
        min_ns=1e3 * figures["min"],
        max_ns=1e3 * figures["max"],
        std_ns=1e3 * figures["std"] if "std" in figures else None,
        first_ns=_ns(timings.get("First inference")),
        load_ns=_ns(timings.get("Init")),
        memory_bytes=memory,
    )


def _ns(microseconds: float | None) -> float | None:
    return None if microseconds is None else 1e3 * microseconds


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise EngineError(f"its summary has {name}={text[:40]!r}, which is no number.") from None
    if not isfinite(value):
        raise EngineError(f"its summary has {name}={text[:40]}.")
    return value


@dataclass(frozen=True, slots=True)
class SummaryEngine(CustomEngine):
    """A user's binary; `command_line` also holds `{model}` and `{threads}`. Its cases are never verified."""

    protocol: int | None = None
    accepts: frozenset[Accepts] = frozenset({"tflite", "lce"})
    about: str = field(default="prints a summary; declared by a suite")

    def measuring_command(self, paths: Sequence[str], model: str, threads: int) -> list[str]:
        """The argv that measures a model file, relative to the working folder."""
        argv = self.command(paths, None, local=False)
        return [word.replace("{model}", model).replace("{threads}", str(threads)) for word in argv]
