"""The alerts of a store: of its histories and of its verdicts, with what was decided about them."""

from collections.abc import Sequence
from datetime import datetime

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.alerts.in_history import case_alerts
from bnnbench.results.alerts.in_verdicts import COLUMNS, SIDE_COLUMNS, verdict_alerts
from bnnbench.results.alerts.matching import with_states
from bnnbench.results.errors import StoreError
from bnnbench.results.frames import load
from bnnbench.results.history import Detect, histories
from bnnbench.results.index.verdicts import read_verdicts
from bnnbench.results.statistics.change_point import change_points
from bnnbench.results.store.alert_states import read_states
from bnnbench.results.store.baselines import Baselines
from bnnbench.results.store.runs import Store
from bnnbench.results.tables.arrow import moment

HISTORY_COLUMNS = (
    *("run_id", "created", "commit", "device", "engine", "variant", "engine_build", "isa", "workload", "threads"),
    *("status", "latency_ns"),
)
"""Columns of cases that the alerts of histories are made of."""


def alerts(
    store: Store,
    *,
    since: str | datetime | None = None,
    devices: Sequence[str] = (),
    closed: bool = True,
    detect: Detect = change_points,
) -> list[Alert]:
    """The alerts of a store: regressions first, of these the newest first.

    `since` leaves out alerts that began before a date or time, in UTC unless it has a zone; `devices` takes only those
    on these devices; `closed` False leaves out those that were called fixed or that nobody will fix. `detect` is that
    of `histories`. Histories are read whole, because a change is found among the runs before it.

    Raises StoreError when there is no such store, ValueError for a time that is none.
    """
    begin = None if since is None else moment(since)
    if since is not None and begin is None:
        raise ValueError(f"{since!r} is no date or time; write it as 2026-01-31 or 2026-01-31T14:25")
    states = read_states(store.path)
    where: dict[str, str | list[str]] = {"status": "ok"}
    sides: dict[str, str | list[str]] = {"variant": ["base", "head"]}
    if devices:
        where["device"] = sides["device"] = list(devices)
    found = [
        alert
        for history in histories(load(store, where=where, columns=HISTORY_COLUMNS), detect)
        for alert in case_alerts(history)
    ]
    verdicts = read_verdicts(store, COLUMNS)
    if devices:
        verdicts = verdicts[verdicts["device"].isin(list(devices)).fillna(False).astype(bool)]
    if len(verdicts):
        cases = load(store, where=sides, columns=SIDE_COLUMNS)
        baselines = {baseline.name: baseline for baseline in Baselines(store.path).all()}
        found += verdict_alerts(verdicts, cases, states, baselines)
    found = with_states(found, states)
    if begin is not None:
        first = begin.isoformat(timespec="microseconds")
        found = [alert for alert in found if alert.when >= first]
    if not closed:
        found = [alert for alert in found if alert.is_open]
    return in_order(found)


def in_order(found: Sequence[Alert]) -> list[Alert]:
    """Regressions first, of these the newest first."""
    newest_first = sorted(found, key=lambda alert: (alert.when, alert.id), reverse=True)
    return sorted(newest_first, key=lambda alert: alert.subject.kind != "regression")


def find(found: Sequence[Alert], selector: str) -> Alert:
    """The alert with this id, with an id that it had before, or with a unique beginning of its id. Raises
    StoreError."""
    given = selector.strip().lower()
    matches = [alert for alert in found if given and alert.id.startswith(given)]
    exact = [alert for alert in matches if alert.id == given]
    if exact:
        return exact[0]
    if not matches:
        matches = [alert for alert in found if given and any(one.startswith(given) for one in alert.former_ids)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        listed = ", ".join(alert.id for alert in matches[:8])
        raise StoreError(f"{selector!r} begins the ids of {len(matches)} alerts ({listed}): give more of the id")
    raise StoreError(f"there is no alert {selector!r}: list all with bnnbench alerts --all")
