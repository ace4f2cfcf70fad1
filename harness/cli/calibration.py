"""What `bnnbench devices calibrate` takes and prints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import CallError
from ..tasks.calibrate import SlowDowns

if TYPE_CHECKING:
    from bnnbench.results.store.calibration import Calibration

    from .terminal import Console


def slow_down_sizes(text: str, each: int) -> SlowDowns:
    """`1%,2%,5%` or `0.5x,1.5x,3x`. Raises CallError."""
    words = [word.strip() for word in text.split(",")]
    matches = [re.fullmatch(r"([0-9]+(?:[.][0-9]+)?) ?(%|x)", word) for word in words]
    units = {match[2] for match in matches if match}
    if None in matches or len(units) != 1 or any(match and not float(match[1]) for match in matches):
        raise CallError(f"--slow-downs {text!r} is not a list of slow-downs; write it as 1%,2%,5% or 0.5x,1.5x,3x.")
    of_mde = units == {"x"}
    sizes = tuple(float(match[1]) / (1 if of_mde else 100) for match in matches if match)
    return SlowDowns(sizes, each, of_mde)


def print_calibration(done: Calibration, console: Console) -> None:
    """Rates with their intervals, and what follows."""
    from bnnbench.results.sheet import Column, Sheet, say

    sheet = Sheet(*map(Column, ("slow-down", "comparisons", "called", "rate", "95 %")))
    low, high = f"{done.false_alarm_low * 100:.1f}", f"{done.false_alarm_high * 100:.1f}"
    rate = f"{done.false_alarms / done.comparisons * 100:.1f} %"
    sheet.add("none", str(done.comparisons), str(done.false_alarms), rate, f"{low} .. {high} %")
    for down in done.slow_downs:
        size = f"{down.extra_ppm / 1e4:.2g} %" + (f" ({down.times_mde:.2g} MDE)" if down.times_mde else "")
        interval = f"{down.low * 100:.0f} .. {down.high * 100:.0f} %"
        sheet.add(size, str(down.comparisons), str(down.called), f"{down.rate * 100:.0f} %", interval)
    sheet.print(console)
    lines = [
        f"of the comparisons of the engine with itself, {done.conclusive * 100:.0f} % had a verdict; "
        f"{done.unstable} were unstable"
    ]
    if done.sigma is not None and done.mde is not None:
        seen = f"effects of at least {done.mde * 100:.1f} % are detected"
        lines.append(f"pairs of {done.invocation_ms:.0f} ms a side differ by {done.sigma * 100:.1f} %: {seen}")
    at_mde = done.at_mde()
    if at_mde:
        interval = f"{at_mde.low * 100:.0f} .. {at_mde.high * 100:.0f} %"
        lines.append(f"at exactly the stated MDE, {at_mde.value * 100:.0f} % are detected ({interval})")
    if done.layout is not None:
        lines.append(f"other link orders changed it by up to {done.layout * 100:.1f} % ({done.layouts} tried)")
    for line in lines:
        say(console, line)
