"""`bnnbench estimate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import (
    DebugOption,
    DeviceOption,
    FilterOption,
    InventoryOption,
    JsonOption,
    LabOption,
    StoreOption,
    ThreadCountsOption,
)

if TYPE_CHECKING:
    from ..lab.lab_places import LabPlace
    from ..tasks.estimate import CaseEstimate, Estimate
    from .terminal import Console

EXAMPLES = """Examples:
  bnnbench estimate suite.toml -d pi4 -d pixel        # what ab and check see, how long they take
  bnnbench estimate suite.toml -d pi4 --see 1%        # a smaller effect
  bnnbench estimate suite.toml -d pi4 --lab tls://desk:8786   # also when it can begin
  bnnbench estimate suite.toml --lab tls://desk:8786          # of all devices of the lab
  bnnbench estimate suite.toml -d pi4 --budget 10min  # what fits, and what does not"""

app = App(name="estimate", help_epilogue=EXAMPLES)


@app.default
def estimate(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite, .onnx); default: quickstart.")
    ] = None,
    /,
    *,
    device: DeviceOption = [],  # noqa: B006 - the parser copies it
    engine: Annotated[
        list[str] | None,
        Parameter(name=["--engine", "-e"], negative="", help="Engines that are compared with another version."),
    ] = None,
    see: Annotated[str, Parameter(help="The effect on latency that is to be seen.")] = "2%",
    budget: Annotated[str | None, Parameter(help="Time that there is on each device, such as 10min.")] = None,
    threads: ThreadCountsOption = None,
    filter: FilterOption = None,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say what a comparison of a suite will take and show, by what the store knows of its cases."""
    import sys

    from bnnbench.results.store.runs import Store

    from ..bench.choosing import choose_from
    from ..errors import CallError
    from ..lab.choose import candidates_at
    from ..plan.config import RunConfig, inventory_path
    from ..suite.load import load_suites
    from ..tasks.estimate import estimate as made
    from .documents.document import text_of
    from .documents.estimate import document
    from .terminal import Console
    from .words import pattern, seconds, share, thread_counts

    effect = share(see, "--see")
    if not 0 < effect < 1:
        raise CallError(f"--see {see!r} is not an effect; write it as 2%.")
    every = lab is not None and not device
    chosen = choose_from(candidates_at(lab, inventory), device, lambda text: print(text, file=sys.stderr), all=every)
    config = RunConfig(
        suite=load_suites(files or []),
        devices=chosen.devices,
        engines=[name for names in engine for name in names.split(",")] if engine else ["native"],
        threads=thread_counts(threads),
        filter=pattern(filter),
        inventory=inventory_path(inventory),
        inventory_given=inventory is not None,
        lab=lab,
    )
    places = None
    if lab is None:
        config.specs()  # a device that is not known is told first
    else:
        from ..lab.lab_places import places_at

        places = places_at(lab, chosen.devices)
    done = made(config, Store(store), effect, seconds(budget), places)
    if json:
        print(text_of(document(done)))
    else:
        _show(done, Console())


def _show(done: Estimate, console: Console) -> None:
    from bnnbench.results.grouped import some
    from bnnbench.results.quantity import roughly
    from bnnbench.results.sheet import Column, Sheet, say

    say(console, f"to see a change of {done.see * 100:g} % in latency with 90 % probability", "bold")
    sheet = Sheet(
        Column("workload", folds=True),
        Column("device", folds=True),
        Column("engine", folds=True),
        Column("thr", right=True),
        Column("sees it", right=True),
        Column("pairs", right=True),
        Column("if changed", right=True),
        Column("time", right=True),
        Column("", folds=True),
    )
    for case in done.cases:
        key = case.key
        threads = str(key.threads) if key.threads > 1 else ""
        planned = case.planned
        power = "" if planned is None else f"{planned.power * 100:.0f} %"
        pairs = ("", "") if planned is None else (f"{planned.pairs_same:.0f}", f"{planned.pairs_changed:.0f}")
        time = "" if case.seconds is None else roughly(case.seconds)
        sheet.add(key.workload, key.device, key.engine, threads, power, *pairs, time, _remark(case, done))
    sheet.print(console)
    how = dict.fromkeys(case.noise for case in done.cases if case.noise)
    if how:
        say(console, f"sees it: probability that a comparison without --budget calls it, by {some(list(how))}", "dim")
        say(console, "pairs, time: if nothing changed; each pair is two processes", "dim")
    for line in (*_lines(done), *(f"not measured: {reason}" for reason in done.refused)):
        say(console, line)


def _remark(case: CaseEstimate, done: Estimate) -> str:
    if case in done.dropped:
        return "does not fit"
    if case.noise is None:
        return "noise not known"
    if case.seconds is None:
        return "never timed there"
    if case.is_seen:
        return ""
    least = f"; sees {case.least * 100:.1f} %" if case.least else ""
    if case.needed is None:
        return f"too noisy{least}"
    return f"needs up to {case.needed.looks[-1]} pairs{least}"


def _lines(done: Estimate) -> list[str]:
    from bnnbench.results.grouped import some
    from bnnbench.results.quantity import roughly

    known = [case for case in done.cases if case.seconds is not None and case not in done.dropped]
    devices = list(dict.fromkeys(case.key.device for case in done.cases))
    lines = []
    if known:
        cases = f"{len(known)} case{'' if len(known) == 1 else 's'}"
        lines.append(f"{cases}: about {roughly(done.seconds)}; longer where something changed")
    if done.budget_s is not None and done.dropped:
        names = some([case.key.workload for case in done.dropped])
        lines.append(
            f"{roughly(done.budget_s)} are too short for {names}: leave out with --filter, or lengthen the budget"
        )
    elif done.budget_s is not None and known:
        lines.append(f"all fit into {roughly(done.budget_s)}")
    for device in devices:
        if (needed := done.needed_budget_s(device)) is not None:
            lines.append(f"{device}: with --budget {_option(needed)} ab and check see it where more pairs suffice")
    lines += [_place(name, place) for name, place in done.places.items()]
    for device in done.uncalibrated:
        if any(case.noise is None and case.key.device == device for case in done.cases):
            lines.append(f"{device}: its noise is not known; run bnnbench devices calibrate {device}")
    untimed = list(dict.fromkeys(case.key.device for case in done.cases if case.pair_s is None))
    lines += [
        f"{device}: some cases were never timed; run them once: bnnbench run ... -d {device}" for device in untimed
    ]
    return lines


def _place(device: str, place: LabPlace) -> str:
    from bnnbench.results.quantity import roughly

    if place.unusable is not None:
        return f"{device} cannot be had now: {place.unusable}"
    if not place.before:
        return f"{device}: free now"
    runs = f"{place.before} run{'s' * (place.before != 1)}"
    when = "nobody knows for how long" if place.wait_s is None else f"about {roughly(place.wait_s)}"
    return f"{device}: behind {runs} in the lab, {when}"


def _option(seconds: float) -> str:
    return f"{seconds + 0.5:.0f}s" if seconds < 90 else f"{seconds / 60 + 0.5:.0f}min"
