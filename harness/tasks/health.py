"""Whether a device is fit to be measured on: a small suite after each boot and each day, and control charts of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from statistics import median

import pandas as pd

from bnnbench.devices.probe import probe
from bnnbench.devices.quarantine import Cause, Quarantine, accepted_since, quarantine
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.results.canary import Charted, charted
from bnnbench.results.frames import load
from bnnbench.results.statistics.robust_sigma import robust_sigma
from bnnbench.results.store.calibration import latest
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import StoredRun

from ..suite.load import HEALTH, shipped_suite
from .measure import Call, measure

EVERY = timedelta(days=1)
_COLUMNS = ("run_id", "created", "boot_id", "engine_build", "workload", "device", "status", "latency_ns")
_TIMES_SIGMA = 2.0
"""Noise of so many times what it was when the device was calibrated: then its calibration does not hold."""
_LEAST_INVOCATIONS = 12


@dataclass(frozen=True, slots=True)
class Health:
    """What a check found. `reasons` by cause are empty for a device that is fit; `held` is its quarantine."""

    device: str
    run_id: str
    cases: list[Charted] = field(default_factory=list)
    reasons: dict[Cause, str] = field(default_factory=dict)
    held: Quarantine | None = None

    @property
    def is_fit(self) -> bool:
        return not self.reasons


def due(spec: DeviceSpec, store: Store, now: datetime | None = None) -> str | None:
    """Why the device is to be checked now: never checked, a day ago, booted since. None where it need not be. Connects
    to the device where only its boot id tells. Raises DeviceError, StoreError."""
    rows = _history(store, spec.name)
    if rows.empty:
        return "it was never checked"
    last = rows.iloc[-1]
    age = (now or datetime.now(UTC)) - last["created"].to_pydatetime()
    if age >= EVERY:
        return f"it was checked {age / timedelta(hours=1):.0f} hours ago"
    with connect(spec) as transport:
        boot_id = probe(transport).boot_id
    known = None if pd.isna(last["boot_id"]) else str(last["boot_id"])
    return "it was booted since it was checked" if boot_id is not None and boot_id != known else None


def check_health(call: Call, spec: DeviceSpec, word: str) -> Health:
    """Measures the suite on one device, and quarantines it where it is out of control twice in a row. `word` is how
    runs name the device. Raises CannotMeasure, DeviceError, StoreError."""
    found = _measured(call, spec, word)
    if found.is_fit:
        return found
    if "gate" not in found.reasons:  # a wrong output is no noise
        call.watcher.note(f"{spec.name}: {'; '.join(found.reasons.values())}; measuring it again")
        again = _measured(call, spec, word)
        found = replace(again, reasons={cause: why for cause, why in again.reasons.items() if cause in found.reasons})
    if found.is_fit:
        return found
    cause, reason = next(iter(found.reasons.items()))
    return replace(found, held=quarantine(spec, cause, f"{reason} (run {found.run_id})"))


def _measured(call: Call, spec: DeviceSpec, word: str) -> Health:
    result = measure(replace(call, devices=[word], any=None, all=False), shipped_suite(HEALTH), health=True)
    run = result.stored
    wrong = [gate for gate in run.gates.values() if gate.status == "wrong_output"]
    rows = _history(call.store, spec.name)
    mine = rows[rows["run_id"] == run.record.run_id]
    since = accepted_since(spec)
    earlier = rows[(rows["run_id"] != run.record.run_id) & (rows["created"] <= mine["created"].max())]
    if since is not None:
        earlier = earlier[earlier["created"] >= pd.Timestamp(since)]
    cases = [charted(row, earlier) for row in mine.to_dict("records")]
    reasons: dict[Cause, str] = {}
    if wrong:
        reasons["gate"] = f"the native engine computes wrong outputs there: {wrong[0].reason or 'no reason given'}"
    if out := [case for case in cases if case.is_out]:
        reasons["canary"] = "; ".join(_out_of_control(case) for case in out)
    if noise := _too_noisy(run, call.store, spec.name):
        reasons["calibration"] = noise
    return Health(spec.name, run.record.run_id, cases, reasons)


def _history(store: Store, device: str) -> pd.DataFrame:
    """The rows of the suite's cases on a device, oldest first. Raises StoreError."""
    names = [str(table.name) for table in shipped_suite(HEALTH).kernel]
    where = {"device": device, "workload": names, "engine": "native", "status": "ok"}
    if not store.runs_path.is_dir():
        return pd.DataFrame(columns=list(_COLUMNS))
    rows = load(store, where=where, columns=_COLUMNS)
    return rows[rows["latency_ns"].notna()].sort_values("created", kind="stable")


def _out_of_control(case: Charted) -> str:
    change = (case.change or 0.0) * 100
    return f"{case.workload} is out of control: {change:+.1f} % from the centre of {case.earlier} earlier checks"


def _too_noisy(run: StoredRun, store: Store, device: str) -> str | None:
    """Pairs differ by sqrt(2) times what single invocations scatter by. Compared with the last calibration there."""
    from scipy.special import chdtri

    calibration = latest(store.path, device)
    by_case = [
        [math.log(float(median(one.samples_ns))) for one in invocations if one.status == "ok" and one.samples_ns]
        for invocations in run.invocations_by_case.values()
    ]
    residuals = [value - median(values) for values in by_case for value in values if len(values) > 1]
    degrees = len(residuals) - len(by_case)
    if calibration is None or not calibration.sigma or len(residuals) < _LEAST_INVOCATIONS:
        return None
    sigma = math.sqrt(2) * robust_sigma(residuals)
    by_chance = math.sqrt(float(chdtri(degrees, 0.001)) / degrees)
    if sigma <= max(_TIMES_SIGMA, by_chance) * calibration.sigma:
        return None
    now, then = (f"{value * 100:.1f} %" for value in (sigma, calibration.sigma))
    return (
        f"its calibration of {calibration.created[:10]} no longer holds: pairs differ by about {now}, and differed by "
        f"{then}; after its release, calibrate again: bnnbench devices calibrate {device}"
    )
