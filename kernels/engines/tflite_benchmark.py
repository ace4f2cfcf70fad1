"""`benchmark_model` of TensorFlow Lite and `lce_benchmark_model`: programs that print a summary, and newer ones write
outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf, sqrt

from ..errors import EngineError
from .base import Accepts, Start
from .custom import CustomEngine

# Statistics of a phase. Op profiling adds its own, as `Timings (microseconds): count=` and `Memory (bytes): count=`.
_PHASE = re.compile(r"(?<![a-z]\): )\bcount=(\d{1,15})\b(.*)")
_FIGURE = re.compile(r"\b(\w+)=\s*([-+.\w]+)")
_TIMINGS = re.compile(r"\btimings in us: (.*)")
_TIMING = re.compile(r"([A-Z][\w ()]*?): ([-+.\w]+)")
_MEMORY = re.compile(r"\bMemory footprint delta.*\boverall=\s*([-+.\w]+)")
_LEAST, _MOST = 1e-5, 1e12
"""us; a hundredth of a clock cycle, and more than anybody waits."""
# Averages are printed with six digits.
_ROUNDING = 1e-5
# The first of equal flags is taken; others, and unknown ones, are listed.
_UNCONSUMED = re.compile(r"\bUnconsumed cmdline flags: (.*)")

ONE_RUN = ("--num_runs=1", "--warmup_runs=0", "--min_secs=0", "--warmup_min_secs=0")
"""Flags for a single inference."""


def output_flags(inputs: Sequence[tuple[str, Sequence[int]]], output: str) -> tuple[str, ...]:
    """Flags by which it takes its inputs from files and writes its outputs.

    `inputs` are path and shape of each, in the model's order; files hold raw little-endian values. The outputs stand in
    the file `output` one after another. Their names are ours: the program goes by their order.
    """
    names = [f"in{number}" for number in range(len(inputs))]
    shapes = [",".join(map(str, shape)) for _, shape in inputs]
    files = [f"{name}:{path}" for name, (path, _) in zip(names, inputs, strict=True)]
    return (
        f"--input_layer={','.join(names)}",
        f"--input_layer_shape={':'.join(shapes)}",
        f"--input_layer_value_files={','.join(files)}",
        f"--output_filepath={output}",
    )


def ignored_flag(text: str, flags: Sequence[str]) -> str | None:
    """The name of the first of these flags that it printed to have ignored; None when it took them all."""
    listed = {word.partition("=")[0] for line in _UNCONSUMED.findall(text) for word in line.split()}
    return next((name for flag in flags if (name := flag.partition("=")[0]) in listed), None)


@dataclass(frozen=True, slots=True)
class Summary:
    """What such a program prints. `latency_ns` is the median where it gives one (newer versions), else the mean.

    `is_median` says which; a median of 0 us is none. `min_ns` is 0 for a run below 1 us. `memory_bytes` is its own
    estimate of what the model takes.
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
    """The measured runs' figures. Raises EngineError, one sentence, when the text holds no sensible summary."""
    phases = [match for line in text.splitlines() if (match := _PHASE.search(line))]
    ends = [match[1] for line in text.splitlines() if (match := _TIMINGS.search(line))]
    if not phases:
        raise EngineError("it printed no line with count=, so nothing was measured.")
    if len(phases) == 1 and not ends:
        raise EngineError("it printed the figures of its warm-up only: it ended before it had measured.")
    # The first is the warm-up's, the last the measured runs'.
    runs = int(phases[-1][1])
    if not runs:
        raise EngineError("its summary has count=0, so nothing was measured.")
    figures = _figures(phases[-1][2])
    low, mean, high = figures["min"], figures["avg"], figures["max"]
    if not high:
        raise EngineError("its runs took 0 us each: the model is faster than it can tell.")
    slack = _ROUNDING * high
    is_ordered = low <= mean + slack and mean <= high + slack and low <= figures.get("median", low) <= high + slack
    if not is_ordered or mean < _LEAST or not (low >= _LEAST or _may_be_cut_off(low, runs, figures)):
        raise EngineError(f"its summary cannot be: {' '.join(f'{name}={value:g}' for name, value in figures.items())}.")
    is_median = figures.get("median", 0.0) >= _LEAST
    timings = {name: _number(value, name) for name, value in _TIMING.findall(ends[-1])} if ends else {}
    stated = timings.get("Inference (avg)", mean)
    if abs(stated - mean) > 0.01 * mean:
        raise EngineError(f"its summary contradicts itself: avg={mean:g}, but Inference (avg): {stated:g}.")
    memory = [match[1] for line in text.splitlines() if (match := _MEMORY.search(line))]
    return Summary(
        latency_ns=1e3 * (figures["median"] if is_median else mean),
        is_median=is_median,
        runs=runs,
        min_ns=1e3 * low,
        max_ns=1e3 * high,
        std_ns=1e3 * figures["std"] if "std" in figures else None,
        first_ns=1e3 * timings["First inference"] if "First inference" in timings else None,
        load_ns=1e3 * timings["Init"] if "Init" in timings else None,
        # It says MB and means MiB.
        memory_bytes=int(_number(memory[-1], "overall") * 2**20) if memory else None,
    )


def _figures(text: str) -> dict[str, float]:
    """`min`, `max`, `avg`, and `median` and `std` where they are given, in us."""
    written = dict(_FIGURE.findall(text))
    if "first" not in written and "curr" in written:  # one run, or all the same
        written = {**dict.fromkeys(("min", "max", "avg"), written["curr"]), **written}
    for name in ("min", "max", "avg"):
        if name not in written:
            raise EngineError(f"its summary has no {name}=.")
    figures = {name: _number(written[name], name) for name in ("min", "max", "avg", "median") if name in written}
    with suppress(EngineError, KeyError):  # of runs that are nearly the same it may be the root of less than nothing
        figures["std"] = _number(written["std"], "std")
    return figures


def _may_be_cut_off(low: float, runs: int, figures: Mapping[str, float]) -> bool:
    """Whether a shortest run of 0 us is one below 1 us, of which whole ones are kept.

    None of n numbers is further from their mean than their standard deviation x sqrt(n - 1) (Samuelson, How deviant can
    you be?, 1968); the deviation is without its fraction too.
    """
    return low == 0 and figures["avg"] <= (figures.get("std", inf) + 1) * sqrt(max(runs - 1, 1))


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise EngineError(f"its summary has {name}={text[:40]!r}, not a number.") from None
    if not 0 <= value < _MOST:
        raise EngineError(f"its summary has {name}={text[:40]}, which cannot be.")
    return value


@dataclass(frozen=True, slots=True)
class SummaryEngine(CustomEngine):
    """A user's binary; `command_line` also holds `{model}` and `{threads}`, and further flags are appended to it."""

    placeholders = ("{binary}", "{files}", "{folder}", "{model}", "{threads}")
    required = ("{binary}", "{model}")
    only_accepts = frozenset[Accepts]({"tflite", "lce"})
    protocol: int | None = None
    accepts: frozenset[Accepts] = frozenset({"tflite", "lce"})
    about: str = field(default="prints a summary; declared by a suite")

    def command(self, start: Start) -> list[str]:
        """The argv that measures a model file."""
        argv = CustomEngine.command(self, start)
        words = [word.replace("{model}", start.model).replace("{threads}", str(start.threads)) for word in argv]
        return [*words, *start.flags]
