"""A profile as a chart: the steps of a model against the roofs of the device."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from ..errors import CallError
from .profile import ModelProfile


def require_format(path: Path) -> None:
    """Raises CallError for a file that a chart cannot be written to."""
    from bnnbench.results.charts.paper import FORMATS

    if path.suffix.removeprefix(".") not in FORMATS:
        raise CallError(f"--roofline is written as {', '.join(FORMATS)}; give a file with such a suffix.")


def save_roofline(done: ModelProfile, title: str, device: str, path: Path) -> Path:
    """Draws the steps that multiply against the device's roofs, into a file whose suffix is a format of
    `bnnbench.results.charts.paper`, with a caption beside it; returns the caption's path. Raises CallError when no
    step multiplies, OSError."""
    from bnnbench.results.charts import CHARTS
    from bnnbench.results.charts.paper import inches, save
    from bnnbench.results.columns import CASE_COLUMNS, build
    from bnnbench.results.records import Peak

    steps = [op for op in done.ops if op.gops is not None]
    names = Counter(op.name for op in steps)
    rows = [
        {
            "device": device,
            "engine": "native",
            "variant": op.op,
            "engine_build": done.engine_build,
            "isa": done.isa,
            "workload": op.name if names[op.name] == 1 else f"{op.index} {op.name}",
            "kind": "kernel",
            "threads": 1,  # as far as the chart goes: its roofs are those of as many threads as the steps had
            "status": "ok",
            "latency_ns": op.time_ns,
            "gops": op.gops,
            "macs_1bit": op.macs_1bit,
            "macs_32bit": op.macs_32bit,
            "bytes_moved": op.bytes_moved,
        }
        for op in steps
    ]
    peaks = done.peaks
    roofs = Peak(
        device=device,
        isa=done.isa,
        popcount_gops=peaks.popcount_gops,
        fma_gflops=peaks.fma_gflops,
        int8_gops=peaks.int8_gops,
        read_gb_s={**(peaks.read_gb_s or {})},
    )
    threads = "one thread" if done.threads == 1 else f"{done.threads} threads"
    chart = replace(
        CHARTS["roofline"],
        title=f"Steps of {title}",
        caption=f"All multiplying steps, medians of {done.runs} runs, {threads}, by the operations that it does "
        "on each byte it must move at least. Level lines are the most that popcount, int8 and f32 instructions can "
        "do, sloping ones are what each level of the memory can feed.",
    )
    try:
        return save(chart, build(rows, CASE_COLUMNS), path, width=inches("6.9in"), roofs=[roofs])
    except ValueError as error:
        raise CallError(f"--roofline has nothing to draw: {error}.") from None
