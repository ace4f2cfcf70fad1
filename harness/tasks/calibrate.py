"""How good verdicts on a device are, measured on it: the engine against itself, slowed down by what is known, and
against itself linked in other orders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.toolchain import build_native
from bnnbench.results.store.calibration import Calibration, summarize
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun

from ..bench.context import Watcher
from ..errors import CannotMeasure
from ..plan.comparisons import CompareConfig
from ..plan.config import RunConfig
from ..plan.side import Selection
from ..run.start import start_run
from ..workload.of_suite import workloads

_PILOT_SHARE = 0.2
_LEAST_PILOT = 10


@dataclass(frozen=True, slots=True)
class SlowDowns:
    """Known slow-downs: `sizes` as shares (0.02 is 2 %), or as multiples of the MDE that the first comparisons state;
    `each` comparisons of every one."""

    sizes: tuple[float, ...]
    each: int
    of_mde: bool = False


def calibrate(
    config: RunConfig,
    *,
    comparisons: int,
    slow_downs: SlowDowns,
    layouts: int,
    store: Store,
    watcher: Watcher,
    command: Sequence[str],
) -> Calibration:
    """`config` has one device. Raises CannotMeasure, HarnessError, DeviceError, StoreError."""
    native = Selection("native")
    cases = len(workloads(config.suite)) * len(config.thread_counts())
    device = config.specs()[0].name

    def measure(series: Sequence[tuple[int, int]], head: Selection = native) -> StoredRun:
        compare = CompareConfig(
            native, head, series=tuple((ppm, math.ceil(count / cases)) for ppm, count in series if count)
        )
        done = start_run(msgspec.structs.replace(config, compare=compare), store, watcher, command)
        if done.outcome != "complete" or done.failures:
            why = " ".join(done.failures.values()) or f"it was {done.outcome}"
            raise CannotMeasure(f"the calibration of '{device}' is not complete: {why}")
        return done.stored

    runs, mde = [], None
    if slow_downs.of_mde:
        pilot = min(comparisons, max(_LEAST_PILOT, math.ceil(comparisons * _PILOT_SHARE)))
        watcher.note(f"comparing the engine with itself {pilot} times, to learn what can be seen")
        runs.append(measure([(0, pilot)]))
        mde = summarize(runs, device).mde
        comparisons -= pilot
    sizes = [size * mde if mde else size for size in slow_downs.sizes]
    ppms = [round(size * 1e6) for size in sizes]
    shown = ", ".join(f"{size * 100:.2g} %" for size in sizes)
    watcher.note(
        f"comparing it with itself {comparisons} times, and slowed down by {shown} {slow_downs.each} times each"
    )
    runs.append(measure([(0, comparisons), *((ppm, slow_downs.each) for ppm in ppms)]))
    relinked = []
    triple = str(runs[-1].record.fact(device, "triple"))
    for number in range(1, layouts + 1):
        watcher.note(f"comparing it with itself, linked in another order ({number} of {layouts})")
        try:
            build = build_native(triple, watcher.note, layout=number)
        except BuildError as error:
            raise CannotMeasure(f"the engine cannot be linked in another order: {error}") from error
        relinked.append(
            measure([(0, cases)], Selection(f"native linked again, {number}", "native", {"": str(build.path)}))
        )
    return summarize(runs, device, layouts=relinked, pilot_mde=mde)
