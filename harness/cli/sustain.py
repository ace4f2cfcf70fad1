"""`bnnbench sustain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import (
    AllOption,
    AnyOption,
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    JsonOption,
    LabOption,
    ShapeOption,
    StoreOption,
    ThreadCountsOption,
    TrustOption,
    WaitOption,
)

if TYPE_CHECKING:
    from bnnbench.results.sustained import Sustained

    from ..run.execute import RunResult
    from ..tasks.sustained import Document, OneCase
    from .terminal import Console

EXAMPLES = """Examples:
  bnnbench sustain model.tflite -d pi4                   # half an hour back to back
  bnnbench sustain suite.toml -d pi4 --minutes 10        # ten minutes for each case
  bnnbench sustain model.tflite -d pi4 --fps 15          # an image every 67 ms, as from a camera
  bnnbench sustain --resume latest                       # what was cut off begins again
  bnnbench chart sustained latest                        # speed, clock and temperature over time"""

app = App(name="sustain", help_epilogue=EXAMPLES)
_LONGEST_MIN, _MOST_FPS = 24 * 60, 10_000
_WINDOWS, _SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 360, 0.1, 5.0


@app.default
def sustain(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite, .onnx); default: quickstart.")
    ] = None,
    /,
    *,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    any: AnyOption = None,
    all: AllOption = False,
    minutes: Annotated[float | None, Parameter(help="How long each case runs; default: 30.")] = None,
    fps: Annotated[float | None, Parameter(help="Executions per second; default: back to back.")] = None,
    engine: Annotated[
        list[str] | None,
        Parameter(name=["--engine", "-e"], negative="", help="Engines to measure; default: the suite's."),
    ] = None,
    threads: ThreadCountsOption = None,
    shape: ShapeOption = None,
    filter: FilterOption = None,
    resume: Annotated[str | None, Parameter(help="Finish an interrupted run: its id, or latest.")] = None,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Run models on and on, and tell what speed is left when the device is warm."""
    from bnnbench.results.records import Sustain
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from ..tasks.measure import sustain_files
    from .measuring import called, finish
    from .words import pattern, thread_counts

    results = Store(store)
    if resume is not None:
        asked = [files, device, all, engine, threads, shape, filter]
        if [each for each in asked if each] or {any, fps, minutes} != {None}:
            raise CallError("--resume goes with --store, --inventory, --wait, --trust and --json only.")
        return _ended(finish(results, resume, inventory, trust, lab), json, store)
    minutes = 30.0 if minutes is None else minutes
    if not 0 < minutes <= _LONGEST_MIN:
        raise CallError(f"--minutes {minutes:g} is not a length of time; it is more than 0 and at most {_LONGEST_MIN}.")
    if fps is not None and not 0 < fps <= _MOST_FPS:
        raise CallError(f"--fps {fps:g} is not a rate; it is more than 0 and at most {_MOST_FPS:,}.")
    seconds = minutes * 60
    window_s = min(_LONGEST_WINDOW_S, max(_SHORTEST_WINDOW_S, seconds / _WINDOWS))
    plan = Sustain(seconds=seconds, window_s=window_s, pause_s=min(300.0, seconds / 10), fps=fps)
    with called(results, device, inventory, thread_counts(threads), pattern(filter), lab=lab, any=any, all=all) as call:
        names = [name for word in engine for name in word.split(",")] if engine else None
        result = sustain_files(call, files or [], plan, engines=names, shapes=shape or ())
    return _ended(result, json, store)


def _ended(result: RunResult, json: bool, store: Path | None) -> int:
    from ..errors import CallError
    from ..plan.cases import refused_models
    from ..tasks.sustained import document
    from .documents.document import text_of
    from .measuring import INTERRUPTED, NOT_MEASURED
    from .terminal import Console

    done = document(result.stored, result.outcome)
    if done is None:
        raise CallError(f"run {result.stored.record.run_id} is not one of bnnbench sustain; use bnnbench run --resume.")
    if json:
        print(text_of(done))
    else:
        _show(result, done, Console(), store)
    if result.outcome == "interrupted":
        return INTERRUPTED
    record = result.stored.record
    is_whole = result.outcome == "complete" and not result.failures and len(done.cases) == len(record.cases)
    is_whole = is_whole and not refused_models(record.skips, record.cases)
    return 0 if is_whole and all(case.whole for case in done.cases) else NOT_MEASURED


def _show(result: RunResult, done: Document, console: Console, store: Path | None) -> None:
    from bnnbench.results import load
    from bnnbench.results.columns import equal
    from bnnbench.results.sheet import say
    from bnnbench.results.sustained import order, sustained
    from bnnbench.results.table import notes

    from ..plan.cases import NOT_IMPORTED
    from .next_command import with_store

    for case in done.cases:
        _print_minutes(case, console)
    cases = list(sustained(result.stored).values())
    for one in cases:
        for line in sentences(one):
            say(console, line)
    for name in dict.fromkeys(one.case.device for one in cases):
        if (word := order([one for one in cases if one.case.device == name])) is not None:
            say(console, f"{name}: the order of the models in the first minute and when warm: {word}", "bold")
    frame = load(result.stored)
    for text in notes(frame[equal(frame["status"], "unverified") | equal(frame["reason_code"], NOT_IMPORTED)]):
        say(console, text)
    for reason in result.failures.values():
        say(console, reason, "red")
    run_id = result.stored.record.run_id
    say(console, f"run {run_id} in {result.stored.path}")
    if result.outcome != "complete":
        say(
            console,
            f"{result.outcome}: finish it with {with_store(f'bnnbench sustain --resume {run_id}', store)}",
            "yellow",
        )
    else:
        say(console, f"next: {with_store(f'bnnbench chart sustained {run_id}', store)}")


def _print_minutes(case: OneCase, console: Console) -> None:
    """A line for each minute; what the device does not tell has no column."""
    from bnnbench.results import quantity
    from bnnbench.results.sheet import Column, Sheet, say

    if not case.minutes:
        return
    say(console, f"{case.workload} on {case.engine}, {case.device}", "bold")
    names = ("minute", "median", "p90", "p99", "clock", "temperature", "energy", "late", "throttled")
    sheet = Sheet(*(Column(name, right=True) for name in names))
    for one in case.minutes:
        times = (quantity.duration(ns) for ns in (one.median_ns, one.p90_ns, one.p99_ns))
        sheet.add(
            f"{one.begin_s / 60 + 1:.0f}",
            *times,
            "" if one.clock_hz is None else quantity.clock(one.clock_hz),
            "" if one.temperature_celsius is None else f"{one.temperature_celsius:.1f} °C",
            "" if one.energy_mj is None else quantity.energy(one.energy_mj),
            "" if not one.missed_ticks else f"{one.missed_ticks:,}",
            one.throttled or "",
        )
    sheet.print(console)


def sentences(one: Sustained) -> list[str]:
    """What is said of a case."""
    from bnnbench.results.quantity import duration_between

    name = f"{one.case.workload} on {one.case.engine}, {one.case.device}"
    if one.starts > 1:
        name += f" (start {one.starts}: a pause is a new start)"
    if one.reason is not None:
        return [f"{name}: {one.reason}"]
    fall = one.fall
    if fall is None or not fall.is_reliable:
        return [f"{name}: {one.why_unknown}"]
    first, last = (duration_between(each.value, each.low, each.high) for each in (fall.first, fall.equilibrium))
    if fall.knee is None or fall.reached is None:
        return [f"{name}: steady at {last} for {one.seconds:.0f} s; no fall is shown"]
    loss, knee = fall.loss, fall.knee
    lines = [
        f"{name}: {first} at first, {last} when warm: "
        f"{loss.value * 100:+.1f} % ({loss.low * 100:+.1f} to {loss.high * 100:+.1f} %)",
        f"  it begins to fall after {knee.value:.0f} s ({knee.low:.0f}-{knee.high:.0f}), and is warm after "
        f"{fall.reached.value:.0f} s ({fall.reached.low:.0f}-{fall.reached.high:.0f})",
    ]
    if not fall.is_settled:
        lines.append("  it was still becoming slower at the end: what is said of the warm device is extrapolated")
    return lines
