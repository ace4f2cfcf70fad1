"""What the pages of a site are made of: the runs and cases of a store, and what changed since the last build."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
import pandas as pd

from bnnbench.results.frames import load
from bnnbench.results.site.cases import COLUMNS, CaseKey, CaseSummary, by_case, case_rows, keys_of, summary_of
from bnnbench.results.site.choosing.groups import PublishedModel
from bnnbench.results.site.lab_state import LabState
from bnnbench.results.site.page import slug
from bnnbench.results.site.state import State
from bnnbench.results.store.listing import RunLine, list_runs
from bnnbench.results.store.parts import seen_state
from bnnbench.results.store.runs import Store

T = TypeVar("T")
Watch = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and of how much; it may raise."""
_MANY_RUNS = 2000
"""New runs from which on all cases are read again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Options: `last_runs` runs of each device and suite get a page; `week_days` is how long a change is news. Runs
    that began before `since`, ISO 8601 in UTC, are left out."""

    last_runs: int = 3
    week_days: int = 7
    since: str | None = None
    published: tuple[PublishedModel, ...] = ()
    """Figures of others, which are shown beside models on the same data set."""
    report_charts: bool = False
    """Whether reports of runs have their charts, which take seconds each to draw."""


@dataclass(slots=True)
class Source:
    """A store at one moment. `runs` are newest first, `changed` those that are new or have other files than at the last
    build; `known` says that all others are as they were, and none was removed. `kept` is what kinds of pages keep: see
    `memory`; `lab` is what a lab said, if one was asked; `linked` are the runs that pages of cases link to, with their
    paths; `rows_read` are rows of cases that were read already."""

    store: Store
    now: datetime
    asked: Asked
    runs: list[RunLine]
    fingerprints: Mapping[str, str]
    changed: frozenset[str]
    cases: Mapping[CaseKey, CaseSummary]
    known: bool = False
    kept: dict[str, msgspec.Raw] = field(default_factory=dict)
    watch: Watch = lambda what, done, of: None
    lab: LabState | None = None
    linked: dict[str, str] = field(default_factory=dict)
    rows_read: dict[CaseKey, pd.DataFrame] = field(default_factory=dict)
    _by_id: dict[str, RunLine] = field(default_factory=dict)
    _made: dict[str, Any] = field(default_factory=dict)

    def rows(self, key: CaseKey, beside: Iterable[CaseKey] = ()) -> pd.DataFrame:
        """The rows of a case, oldest run first, in `COLUMNS`; those of the cases `beside` are read in one go with it.
        Raises StoreError."""
        if key not in self.rows_read:
            wanted = {key, *beside} - self.rows_read.keys()
            self.rows_read |= rows_of(self.store, wanted, self.asked.since)
        return self.rows_read[key]

    @property
    def devices(self) -> list[str]:
        """The names of all devices that a run is of."""
        return sorted({device for line in self.runs for device in line.devices})

    def line(self, run_id: str) -> RunLine | None:
        """A run by its id."""
        if not self._by_id:
            self._by_id.update((line.run_id, line) for line in self.runs)
        return self._by_id.get(run_id)

    def once(self, name: str, make: Callable[[Source], T]) -> T:
        """What `make` gives for this source, which is made once; several kinds of pages need the same."""
        if name not in self._made:
            self._made[name] = make(self)
        found: T = self._made[name]
        return found

    def remember(self, kind: str, value: Any) -> None:
        """Keeps a value, of types that msgspec knows, for the next build."""
        self.kept[kind] = msgspec.Raw(msgspec.json.encode(value))

    def memory(self, kind: str, type_: type[T]) -> T | None:
        """What `remember` kept at the last build; None where it is nothing or something else."""
        if kind not in self.kept:
            return None
        try:
            return msgspec.json.decode(self.kept[kind], type=type_)
        except (msgspec.ValidationError, msgspec.DecodeError):
            return None


def device_path(device: str) -> str:
    """Of a device's page."""
    return f"device/{slug(device)}.html"


def read_source(
    store: Store, known: State | None, asked: Asked, now: datetime | None = None, watch: Watch = lambda *_: None
) -> Source:
    """What is in a store now. Of cases that no new or changed run touches, what was known stands. Warns (StoreWarning)
    of what can't be read; raises StoreError."""
    watch("reading the store", 0, 1)
    runs = [line for line in list_runs(store) if asked.since is None or line.created >= asked.since]
    fingerprints = {line.run_id: _fingerprint(line) for line in runs}
    before = {} if known is None else known.runs
    changed = frozenset(run for run, state in fingerprints.items() if before.get(run) != state)
    source = Source(
        store=store,
        now=now or datetime.now(UTC),
        asked=asked,
        runs=runs,
        fingerprints=fingerprints,
        changed=changed,
        cases={},
        kept={} if known is None else dict(known.kept),
        watch=watch,
    )
    is_whole = known is None or len(changed) > _MANY_RUNS or not before.keys() <= fingerprints.keys()
    source.known = not is_whole
    cases = {} if is_whole or known is None else {case.key: case for case in known.cases}
    if is_whole:
        cases |= _all_cases(source, known)
    elif changed:
        cases |= _touched_cases(source, cases)
    source.cases = dict(sorted(cases.items()))
    watch("reading the store", 1, 1)
    return source


def rows_of(store: Store, keys: Iterable[CaseKey], since: str | None = None) -> dict[CaseKey, pd.DataFrame]:
    """The rows of cases; an empty frame for one that has none. Raises StoreError."""
    wanted = set(keys)
    if not wanted:
        return {}
    where = {name: sorted({getattr(key, name) for key in wanted}) for name in ("device", "workload", "engine")}
    found = dict(by_case(case_rows(load(store, where=where, columns=COLUMNS, since=since))))
    empty = pd.DataFrame(columns=list(COLUMNS))
    return {key: found.get(key, empty) for key in wanted}


def _all_cases(source: Source, known: State | None) -> dict[CaseKey, CaseSummary]:
    """All cases; those whose rows are as they were keep what was found then."""
    before = {} if known is None else {case.key: case for case in known.cases}
    rows = case_rows(load(source.store, columns=COLUMNS, since=source.asked.since))
    found = list(by_case(rows))
    cases = {}
    for number, (key, group) in enumerate(found):
        source.watch("cases", number, len(found))
        cases[key] = summary_of(key, group, before.get(key))
    source.rows_read = dict(found)
    return cases


def _touched_cases(source: Source, known: Mapping[CaseKey, CaseSummary]) -> dict[CaseKey, CaseSummary]:
    lines = [line for line in source.runs if line.run_id in source.changed]
    since = min(line.created for line in lines)
    new = load(source.store, columns=COLUMNS, since=since)
    keys = keys_of(case_rows(new[new["run_id"].isin(source.changed)]))
    source.rows_read |= rows_of(source.store, keys, source.asked.since)
    return {key: summary_of(key, rows, known.get(key)) for key in keys if len(rows := source.rows_read[key])}


def _fingerprint(line: RunLine) -> str:
    """By size and time of content of a run's files: links to them and copies with their times are no change."""
    state = seen_state(line.path) or (0, 0, 0, 0, 0, 0)
    return f"{state[0]:x}.{state[1]:x}.{state[3]:x}.{state[4]:x}"
