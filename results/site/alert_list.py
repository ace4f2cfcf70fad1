"""The alerts of a store for the site: of histories, those of cases without new runs are kept from the last build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from bnnbench.results.alerts.alert import Alert
from bnnbench.results.alerts.in_history import case_alerts
from bnnbench.results.alerts.in_store import in_order
from bnnbench.results.alerts.in_verdicts import COLUMNS, SIDE_COLUMNS, verdict_alerts
from bnnbench.results.alerts.matching import with_states
from bnnbench.results.frames import load
from bnnbench.results.history import history_of
from bnnbench.results.index.verdicts import read_verdicts
from bnnbench.results.site.cases import CaseKey
from bnnbench.results.site.page import digest
from bnnbench.results.site.source import Source
from bnnbench.results.statistics.change_point import change_points
from bnnbench.results.store.alert_states import AlertState, read_states
from bnnbench.results.store.baselines import Baselines

_KEPT = "alerts"


class _Kept(msgspec.Struct):
    """Of the last build: what each case was made of and its alerts, by the path of its page; and the same of all
    verdicts."""

    made_of: dict[str, str] = {}
    of_cases: dict[str, list[Alert]] = {}
    verdicts_made_of: str = ""
    of_verdicts: list[Alert] = []


def alert_list(source: Source) -> list[Alert]:
    """As `bnnbench.results.alerts.alerts(store)`: regressions first, of these the newest first. Raises StoreError."""
    return source.once("alerts", _all)


def _all(source: Source) -> list[Alert]:
    known = source.memory(_KEPT, _Kept) or _Kept()
    states = read_states(source.store.path)
    kept = _Kept()
    kept.made_of = {case.path: case.made_of for case in source.cases.values()}
    changed = {key for key, case in source.cases.items() if known.made_of.get(case.path) != case.made_of}
    new = _of_histories(source, changed)
    for key, case in source.cases.items():
        found = new.get(key, []) if key in changed else known.of_cases.get(case.path, [])
        if found:
            kept.of_cases[case.path] = found
    kept.verdicts_made_of = _verdicts_made_of(source, states)
    is_same = kept.verdicts_made_of == known.verdicts_made_of
    kept.of_verdicts = known.of_verdicts if is_same else _of_verdicts(source, states)
    source.remember(_KEPT, kept)
    every = [*(alert for found in kept.of_cases.values() for alert in found), *kept.of_verdicts]
    return in_order(with_states(every, states))


def _of_histories(source: Source, keys: set[CaseKey]) -> Mapping[CaseKey, list[Alert]]:
    found = {}
    for key in keys:
        case = source.cases[key]
        history = history_of(source.rows(key, keys), case.series, partial(change_points, known=case.parts))
        found[key] = [] if history is None else case_alerts(history)
    return found


def _verdicts_made_of(source: Source, states: Sequence[AlertState]) -> str:
    compared = [source.fingerprints[line.run_id] for line in source.runs if line.comparisons]
    baselines = [(one.name, one.created, one.run_id) for one in Baselines(source.store.path).all()]
    return digest(compared, [repr(state) for state in states], baselines)


def _of_verdicts(source: Source, states: Sequence[AlertState]) -> list[Alert]:
    verdicts = read_verdicts(source.store, COLUMNS)
    if not len(verdicts):
        return []
    sides: dict[str, str | list[str]] = {"variant": ["base", "head"]}
    cases = load(source.store, where=sides, columns=SIDE_COLUMNS)
    baselines = {baseline.name: baseline for baseline in Baselines(source.store.path).all()}
    return verdict_alerts(verdicts, cases, states, baselines)
