"""What came of running cases on and on: minutes, the fall of speed, and whether the order of models lasts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Literal

from bnnbench.results.quantity import duration
from bnnbench.results.records import CaseRecord, Sustain, Window
from bnnbench.results.statistics.thermal import Estimate, Thermal, thermal
from bnnbench.results.store.stored_run import StoredRun

MINUTE_S = 60.0
Order = Literal["holds", "changes", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Minute:
    """ns, Hz, degrees Celsius and mJ per execution; what was not read is None. `p90_ns` and `p99_ns` are of all samples
    of the minute, as far as the percentiles of its windows tell them."""

    begin_s: float
    median_ns: float
    p90_ns: float
    p99_ns: float
    clock_hz: float | None
    celsius: float | None
    energy_mj: float | None
    missed: int | None
    throttled: str | None


@dataclass(frozen=True, slots=True)
class Sustained:
    """A case: the windows of the start that counts, the whole one or else the longest, of so many `starts`."""

    case: CaseRecord
    windows: Sequence[Window]
    starts: int
    is_whole: bool
    reason: str | None
    fall: Thermal | None

    @property
    def seconds(self) -> float:
        return self.windows[-1].end_s if self.windows else 0.0

    @property
    def level(self) -> Estimate | None:
        """The latency that lasts; None where that was not reached or is not known, or the case is not whole."""
        fall = self.fall
        return fall.equilibrium if fall is not None and fall.is_settled and fall.is_reliable and self.is_whole else None

    @property
    def why_unknown(self) -> str | None:
        """Why a whole case has no level that lasts; None where it has one."""
        if self.fall is None:
            return f"{len(self.windows)} windows, too few to tell"
        if not self.fall.is_reliable:
            share = f"{self.fall.disturbed * 100:.0f} % of the time was disturbed, as by other programs"
            each = minutes(self.windows)
            ends = " and ".join(
                f"{duration(one.median_ns)} in the {place} minute"
                for one, place in ((each[0], "first"), (each[-1], "last"))
            )
            return f"{share}: the median was {ends}, without an interval; measure on a quiet device"
        return None if self.fall.is_settled else "still becoming slower at the end: measure for longer"


def asked(run: StoredRun) -> Sustain | None:
    """How the run was to go on and on; None for any other run. Raises StoreError."""
    return run.record.asked.sustain if isinstance(run.record.suite.get("sustain"), dict) else None


def sustained(run: StoredRun) -> dict[str, Sustained]:
    """By case id, of a run of `bnnbench sustain`; emulated devices have none. Raises StoreError."""
    wanted = asked(run)
    if wanted is None:
        return {}
    starts: dict[str, dict[int, list[Window]]] = {}
    for window in run.windows:
        starts.setdefault(window.case_id, {}).setdefault(window.start, []).append(window)
    return {
        case.id: _of_case(case, starts[case.id], wanted)
        for case in run.record.cases
        if case.id in starts and not run.record.emulated(case.device)
    }


def _of_case(case: CaseRecord, starts: Mapping[int, list[Window]], wanted: Sustain) -> Sustained:
    timed = {number: [one for one in windows if one.median_ns] for number, windows in starts.items()}
    number = max(timed, key=lambda item: (timed[item][-1].end_s if timed[item] else 0.0, item))
    windows = timed[number]
    bad = next((one for one in starts[number] if one.status in ("failed", "wrong_output")), None)
    is_whole = bad is None and bool(windows) and windows[-1].end_s >= wanted.seconds
    good = bad is None or bad.status != "wrong_output"
    fall = None
    if good and windows:
        fall = thermal([one.end_s for one in windows], [one.median_ns or 1.0 for one in windows], wanted.first_s)
    return Sustained(case, windows if good else [], len(starts), is_whole, bad.reason if bad else None, fall)


def minutes(windows: Sequence[Window]) -> list[Minute]:
    """A row for each minute that was begun."""
    groups: dict[int, list[Window]] = {}
    for one in windows:
        groups.setdefault(int(one.begin_s // MINUTE_S), []).append(one)
    return [_minute(number * MINUTE_S, group) for number, group in sorted(groups.items())]


def _minute(begin_s: float, group: Sequence[Window]) -> Minute:
    missed = [one.missed for one in group if one.missed is not None]
    return Minute(
        begin_s=begin_s,
        median_ns=median(one.median_ns or 0.0 for one in group),
        p90_ns=_percentile(group, 0.90),
        p99_ns=_percentile(group, 0.99),
        clock_hz=_middle([clock(one) for one in group]),
        celsius=_middle([celsius(one) for one in group]),
        energy_mj=_middle([_figure(one.telemetry.get("energy_mj")) for one in group]),
        missed=sum(missed) if missed else (0 if group[0].period_ns else None),
        throttled=next((word for one in group if (word := _throttled(one))), None),
    )


def _percentile(group: Sequence[Window], share: float) -> float:
    """Of the mixture of the windows' samples, whose distribution functions are linear between their percentiles: the
    least time that so large a share keeps, by bisection."""
    known = [one for one in group if len(one.quantiles_ns) > 1]
    if not known:
        return median(one.median_ns or 0.0 for one in group)
    total = sum(one.samples for one in known) or 1
    low, high = min(one.quantiles_ns[0] for one in known), max(one.quantiles_ns[-1] for one in known)
    for _ in range(60):
        middle = (low + high) / 2
        kept = sum(one.samples * _share_until(one.quantiles_ns, middle) for one in known)
        low, high = (low, middle) if kept >= share * total else (middle, high)
    return high


def _share_until(quantiles: Sequence[float], ns: float) -> float:
    """The share of a window's samples that take at most `ns`."""
    place = bisect_right(quantiles, ns)
    if place in (0, len(quantiles)):
        return min(1.0, float(place))
    below, above = quantiles[place - 1], quantiles[place]
    return (place - 1 + (ns - below) / (above - below)) / (len(quantiles) - 1)


def celsius(window: Window) -> float | None:
    """The hottest sensor at the end of a window."""
    return _figure(window.telemetry.get("temperature_celsius"))


def clock(window: Window) -> float | None:
    """The engine's own clock, or else the kernel's."""
    return window.clock_hz or _figure(window.telemetry.get("clock_hz"))


def _throttled(window: Window) -> str | None:
    """The throttle word of the firmware, where it says anything."""
    for path, texts in (window.watch or {}).items():
        if "get_throttled" in str(path) and isinstance(texts, list) and texts:
            word = str(texts[-1])[:32]
            if word.strip("0x"):
                return word
    return None


def _figure(value: object) -> float | None:
    last = value[-1] if isinstance(value, list) and value else value
    return float(last) if isinstance(last, int | float) and not isinstance(last, bool) else None


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def order(cases: Sequence[Sustained]) -> Order | None:
    """Whether the order of the models (of one device) in the first minute is that in equilibrium: it holds if every
    pair is told apart in both, and alike; it changes if a pair is told apart in both, and not alike."""
    known = [(one.fall.first, one.level) for one in cases if one.fall is not None and one.level is not None]
    if len(known) < 2:
        return None
    pairs = [
        (_before(one[0], other[0]), _before(one[1], other[1]))
        for one, other in combinations(known, 2)
        if one[1] and other[1]
    ]
    if any(first * last < 0 for first, last in pairs):
        return "changes"
    return "holds" if all(first * last > 0 for first, last in pairs) else "cannot be told"


def _before(one: Estimate, other: Estimate) -> int:
    """-1, 1, or 0 where the intervals overlap."""
    return -1 if one.high < other.low else 1 if one.low > other.high else 0
