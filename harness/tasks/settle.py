"""The command that measures again what an alert is about: both versions side by side."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.errors import DeviceError, InventoryError
from bnnbench.devices.spec import parse_url
from bnnbench.kernels.engines.tflite import TFLITE_ENGINES
from bnnbench.results.alerts import Alert
from bnnbench.results.errors import StoreError
from bnnbench.results.store.baselines import Baseline, Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.store.stored_run import read_record

from ..errors import CallError
from ..plan.config import RunConfig, config_of

_RUNTIMES = frozenset(engine.name for engine in TFLITE_ENGINES)
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")


@dataclass(frozen=True, slots=True)
class Settling:
    """A command; `needs` says what to put in the place of FILE, or what the command cannot tell; None for nothing."""

    command: str
    needs: str | None = None


def settling(alert: Alert, store: Store, baselines: Sequence[Baseline] | None = None) -> Settling:
    """`bnnbench ab` of the version before the alert and of the present one, on its device and case only.

    The version before is the side that its verdict was against, or the newest baseline that was saved before the
    change and holds its engine. Where there is none, FILE stands for its binary; an installed runtime, of which there
    are no binaries, is only measured again. `baselines` are those of the store, read where None.
    """
    subject, config = alert.subject, _config(alert, store)
    known = Baselines(store.path).all() if baselines is None else baselines
    base = subject.against or _older(alert, known)
    sources = [_short(path) for path in (config.sources if config else ())]
    where = ["-d", _address(subject.device, config), "-t", str(subject.threads)]
    where += ["--filter", _exactly(subject.workload)]
    if base is None and subject.engine in _RUNTIMES:
        again = shlex.join(["bnnbench", "run", *sources, "-e", subject.engine, *where])
        return Settling(again, f"No older version of {subject.engine} is kept, so the present one is measured again.")
    sides = ["--base", base or f"{subject.engine}@FILE", "--head", subject.engine]
    needs = None
    if base is None:
        commit = f" at commit {alert.previous_commit[:12]}" if alert.previous_commit else ""
        needs = f"FILE is the binary of {subject.engine} before run {alert.first_run}{commit}."
    return Settling(shlex.join(["bnnbench", "ab", *sources, *sides, *where]), needs)


def _older(alert: Alert, baselines: Sequence[Baseline]) -> str | None:
    engine = alert.subject.engine
    fit = [
        baseline
        for baseline in baselines
        if baseline.created < alert.when and engine in baseline.kept and alert.subject.device in baseline.devices
    ]
    return f"{engine}@{max(fit, key=lambda baseline: baseline.created).name}" if fit else None


def _config(alert: Alert, store: Store) -> RunConfig | None:
    """What the run was asked for, None where that is not known."""
    try:
        return config_of(read_record(store.runs_path / alert.first_run))
    except (StoreError, CallError):
        return None


def _address(device: str, config: RunConfig | None) -> str:
    """The device as the user wrote it."""
    for text in config.devices if config else ():
        try:
            if "://" in text and parse_url(text).name == device:
                return text
        except (DeviceError, InventoryError):
            continue
    return device


def _exactly(workload: str) -> str:
    """The regular expression of one name."""
    return f"^{_SPECIAL.sub(_escaped, workload)}$"


def _escaped(found: re.Match[str]) -> str:
    return "\\" + found[0]


def _short(path: str) -> str:
    try:
        return min(path, os.path.relpath(path), key=len) if Path(path).is_absolute() else path
    except ValueError:  # on Windows there is no way to another drive
        return path
