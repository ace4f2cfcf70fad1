"""What a device can show: how often verdicts on it are wrong, and which effects they see. Measured, with intervals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import msgspec

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.metrics import METRICS, metric_of
from bnnbench.results.records import ComparisonRecord, Verdict
from bnnbench.results.statistics.power_curve import Point, Rate, interpolated
from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.reading import UnreadableError, decoded, read_regular
from bnnbench.results.store.seal import is_whole, seal_document
from bnnbench.results.store.stored_run import StoredRun

OLD_DAYS = 30
_MOST_BYTES = 200
"""Of a folder's name: file systems take 255."""
_CALLED = ("regression", "improvement")


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Comparisons with one known slow-down: how many were called regressions; `low` to `high` is the 95 % interval of
    the rate. `mde` is the median of those stated for it beforehand."""

    extra_ppm: int
    comparisons: int
    called: int
    rate: float
    low: float
    high: float
    times_mde: float | None = None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Shares are of 1. `sigma` and `mde` are medians over the comparisons of the engine with itself; `conclusive` is
    the share of these that have a verdict. `layout` is the largest effect beyond noise of linking the same objects in
    another order, None where that was not tried."""

    device: str
    created: str
    version: str
    suite: str
    kernel: str | None
    floor: float
    margin: float
    comparisons: int
    false_alarms: int
    false_alarm_low: float
    false_alarm_high: float
    unstable: int
    conclusive: float
    sigma: float | None
    mde: float | None
    invocation_ms: float | None
    slow_downs: list[Calls] = []
    layout: float | None = None
    layouts: int = 0
    run_ids: list[str] = []

    def age_days(self, now: datetime | None = None) -> float:
        """Since when it stands."""
        then = datetime.fromisoformat(self.created)
        return ((now or datetime.now(UTC)) - then) / timedelta(days=1)

    def at_mde(self) -> Rate | None:
        """The rate of calls for an effect of exactly the stated MDE, interpolated between those measured."""
        points = [Point(down.times_mde, down.called, down.comparisons) for down in self.slow_downs if down.times_mde]
        return interpolated(points, 1.0) if len({point.x for point in points}) > 1 else None

    def summary(self) -> str:
        """In a sentence, for reports."""
        text = f"{self.false_alarms} false alarms in {self.comparisons} comparisons of an engine with itself"
        if self.mde is not None:
            text += f"; effects of at least {self.mde * 100:.1f} % are detected"
        if self.layout:
            text += f"; the link order changes times by {self.layout * 100:.1f} %"
        return f"{text} ({self.created[:10]}, {self.suite})"

    def warning(self, kernel: str | None, now: datetime | None = None) -> str | None:
        """Why it may not hold any more; None while it does."""
        again = f"calibrate again: bnnbench devices calibrate {self.device}"
        if self.kernel != kernel:
            return f"{self.device} was calibrated with kernel {self.kernel} and now has {kernel}; {again}"
        age = self.age_days(now)
        return f"the calibration of {self.device} is {age:.0f} days old; {again}" if age > OLD_DAYS else None


_decoder: msgspec.json.Decoder[Calibration] = msgspec.json.Decoder(Calibration)


def summarize(
    runs: Sequence[StoredRun], device: str, *, layouts: Sequence[StoredRun] = (), pilot_mde: float | None = None
) -> Calibration:
    """What the runs of a calibration came to. `pilot_mde` is the MDE that the slow-downs are multiples of. Raises
    ValueError when no comparison of the engine with itself has a verdict."""
    judged = [(record, one) for run in runs for record, one in _latency(run)]
    same = [value for record, value in judged if not record.extra_ppm]
    known = [item for item in same if item.status == "ok"]
    if not known:
        raise ValueError("no comparison of the engine with itself has a verdict")
    record = runs[-1].record
    alarms = sum(item.verdict in _CALLED for item in known)
    low, high = proportion_interval(alarms, len(known))
    rules = record.asked.suite.verdict
    latency = METRICS["latency"]
    kernel = record.fact(device, "kernel")
    effects = [_beyond_noise(one) for run in layouts for _, one in _latency(run)]
    return Calibration(
        device=device,
        created=record.created,
        version=record.version,
        suite=record.suite_name,
        kernel=None if kernel is None else str(kernel),
        floor=latency.floor if rules.floor is None else rules.floor,
        margin=latency.margin if rules.margin is None else rules.margin,
        comparisons=len(known),
        false_alarms=alarms,
        false_alarm_low=low,
        false_alarm_high=high,
        unstable=sum(item.status == "unstable" for item in same),
        conclusive=sum(item.verdict != "inconclusive" for item in known) / len(known),
        sigma=_median(item.sigma for item in known),
        mde=_median(item.mde for item in known),
        invocation_ms=_median(
            one.run_request_ns / 1e6 for run in runs for one in run.invocations if one.run_request_ns is not None
        ),
        slow_downs=_slow_downs(judged, pilot_mde),
        layout=max(effects, default=None),
        layouts=len(layouts),
        run_ids=[run.record.run_id for run in (*runs, *layouts)],
    )


def _beyond_noise(verdict: Verdict) -> float:
    """The size of an effect that is there for sure: the end of its interval that is nearer to none."""
    if verdict.low is None or verdict.high is None or verdict.low <= 0 <= verdict.high:
        return 0.0
    return min(abs(verdict.low), abs(verdict.high))


def _slow_downs(judged: Sequence[tuple[ComparisonRecord, Verdict]], pilot_mde: float | None) -> list[Calls]:
    found = []
    for ppm in sorted({record.extra_ppm for record, _ in judged} - {0}):
        these = [value for record, value in judged if record.extra_ppm == ppm and value.status == "ok"]
        if not these:
            continue
        called = sum(item.verdict == "regression" for item in these)
        low, high = proportion_interval(called, len(these))
        found.append(
            Calls(
                extra_ppm=ppm,
                comparisons=len(these),
                called=called,
                rate=called / len(these),
                low=low,
                high=high,
                times_mde=ppm / 1e6 / pilot_mde if pilot_mde else None,
            )
        )
    return found


def _latency(run: StoredRun) -> list[tuple[ComparisonRecord, Verdict]]:
    by_id = {record.id: record for record in run.record.comparisons}
    return [
        (by_id[verdict.comparison_id], verdict)
        for verdict in run.verdicts
        if metric_of(verdict.metric, verdict.unit).is_paired
    ]


def _median(figures: object) -> float | None:
    given = [figure for figure in figures if figure is not None]  # type: ignore[attr-defined]
    return float(median(given)) if given else None


def save(store: Path, calibration: Calibration) -> Path:
    """Writes it beside the others of its device. Raises StoreError."""
    folder = _folder(store, calibration.device)
    stamp = calibration.created[:19].replace(":", "").replace("-", "")
    path = folder / f"calibration-{stamp}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise store_error(error, folder) from error
    write_atomically(path, seal_document(msgspec.json.format(msgspec.json.encode(calibration), indent=1)))
    return path


def latest(store: Path, device: str, before: str | None = None) -> Calibration | None:
    """The newest one of a device; with `before`, ISO 8601 in UTC, the newest that was made by then. Raises StoreError
    for a damaged file."""
    for file in sorted(_folder(store, device).glob("calibration-*.json"), reverse=True):
        found = read_calibration(file)
        if before is None or found.created <= before:
            return found
    return None


def read_calibration(path: Path) -> Calibration:
    """What a file holds; one of a version before has no checksum. Raises StoreError."""
    try:
        data = read_regular(path)
        if not is_whole(data):
            raise UnreadableError("its checksum is wrong")
        return decoded(data, _decoder)
    except (OSError, UnreadableError) as error:
        raise StoreError(f"{path} is not a calibration ({error}): remove it, and calibrate again") from error


def _folder(store: Path, device: str) -> Path:
    """`devices/<name>` of the store; a name from an address becomes one that is a file's name, and not too long."""
    name = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in device).lstrip(".") or "_"
    if len(name.encode()) > _MOST_BYTES:
        name = f"{name[: _MOST_BYTES // 8]}-{hashlib.sha256(device.encode()).hexdigest()[:16]}"
    return store / "devices" / name
