"""From which difference on a metric other than latency is called, and within which two sides are equivalent.

Latency has its own in a suite's `[verdict]`. A smaller difference is real where a metric repeats, and not worth a
failed build: a converter's time stamp is some bytes, a page of memory 4 KiB. Ratios have no unit, so one floor does for
models of 5 kB and of 50 MB; four bytes reach 1 % in no file that holds a model.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Floor:
    """`floor` and `margin` are ratios minus 1; of accuracy, shares (0.01 is a percentage point)."""

    floor: float
    margin: float


FLOORS = {
    "size": Floor(floor=0.01, margin=0.01),
    "peak_rss": Floor(floor=0.01, margin=0.02),
    "instructions": Floor(floor=0.001, margin=0.001),
    "accuracy": Floor(floor=0.005, margin=0.01),
}
