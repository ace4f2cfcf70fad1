"""What `bnnbench profile` prints."""

from __future__ import annotations

from bnnbench.results.certainty import duration_text, interval_meaning, trust_words
from bnnbench.results.quantity import duration, percentage, rate, significant
from bnnbench.results.sheet import Column, Sheet, is_plain, say

from ..tasks.profile import ModelProfile, rates
from .beside_table import print_beside
from .terminal import Console


def print_profile(name: str, device: str, done: ModelProfile) -> None:
    """A row for each step, and the sum; `name` is the model's."""
    console = Console()
    plain = is_plain(console)
    sheet = Sheet(
        Column("#", right=True),
        Column("step", folds=True),
        Column("time", right=True, folds=True),
        Column("share", right=True),
        Column("speed", right=True, rank=1),
        Column("of roof", right=True),
        Column("over it", right=True),
        Column("roof"),
        Column("kernel", folds=True, rank=2),
    )
    for op in done.ops:
        sheet.add(
            str(op.index),
            op.name,
            duration_text(op.time_ns, op.low_ns, op.high_ns, done.runs, plain, "run"),
            percentage(op.share),
            "" if op.gops is None else rate(op.gops),
            "" if op.roof_share is None else percentage(op.roof_share),
            "" if op.over_roof_ns is None else duration(op.over_roof_ns, plain),
            op.roof or "",
            op.kernel,
        )
    sheet.print(console)
    _print_counters(done, console)
    total = duration_text(done.total_ns, done.total_low_ns, done.total_high_ns, done.runs, plain, "run")
    steps = duration_text(done.sum_ns, done.sum_low_ns, done.sum_high_ns, done.runs, plain, "run")
    counts = f"{done.runs} runs, {done.threads} thread{'s' if done.threads > 1 else ''}"
    say(
        console,
        f"{name} on {device}: {total} in all, the steps add up to {steps} "
        f"({percentage(done.sum_ns / done.total_ns)}); medians of {counts}, {trust_words(done.trust, done.doubts)}",
    )
    if done.roof_ns is not None and done.roof_share is not None:
        over, roofs = duration(done.total_ns - done.roof_ns, plain), duration(done.roof_ns, plain)
        whole, share = duration(done.total_ns, plain), percentage(done.roof_share)
        fastest = f"; each step's fastest run: {_fastest(done, plain)}" if done.fastest_ns else ""
        say(console, f"{over} of {whole} are over the steps' roofs, which add up to {roofs} ({share}){fastest}")
    if done.others:
        print_beside(done, console)
    if meaning := interval_meaning([done.runs], "run"):
        say(console, f"{meaning}, of runs in one process; between processes it may differ more", "dim")


def _fastest(done: ModelProfile, plain: bool) -> str:
    ns, roofs = done.fastest_ns or 0.0, done.roof_ns or 0.0
    return f"{duration(ns, plain)} in all ({percentage(roofs / ns)})"


_RATES = {"ipc": "IPC", "mpki": "misses per 1000 instructions"}


def _print_counters(done: ModelProfile, console: Console) -> None:
    """A row for each step with its counts, what a reading costs, and why a counter has none."""
    names = list(dict.fromkeys(name for op in done.ops for name in op.counters or {}))
    found = [name for name in _RATES if any(name in rates(op.counters or {}) for op in done.ops)]
    if names:
        sheet = Sheet(
            Column("#", right=True),
            Column("step", folds=True),
            *(Column(name.replace("_", " "), right=True) for name in names),
            *(Column(_RATES[name], right=True, folds=True) for name in found),
        )
        for op in done.ops:
            counts, shares = op.counters or {}, rates(op.counters or {})
            sheet.add(
                str(op.index),
                op.name,
                *(f"{counts[name]:,.0f}" if name in counts else "" for name in names),
                *(significant(shares[name]) if name in shares else "" for name in found),
            )
        sheet.print(console)
    if done.counters_cost:
        added = ", ".join(
            f"{value:,.0f} {name.replace('_', ' ')}" for name, value in done.counters_cost.items() if name != "ns"
        )
        takes = duration(done.counters_cost.get("ns", 0.0), is_plain(console))
        say(console, f"each count includes one reading, which takes {takes} and adds at least {added}", "dim")
    if done.counters_error:
        say(console, f"not all counters: {done.counters_error}", "yellow")
