"""The list of what can be compared: the last runs, engines, devices, and comparisons with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from warnings import warn

import msgspec

from bnnbench.results.errors import StoreError, StoreWarning
from bnnbench.results.site.comparing.pairs import Group, path_of, verdicts_path
from bnnbench.results.site.comparing.sides import PairName
from bnnbench.results.site.page import digest
from bnnbench.results.site.source import Source
from bnnbench.results.store.listing import RunLine
from bnnbench.results.store.stored_run import read_run
from bnnbench.results.verdict.rows import headline, verdict_rows

_KEPT = "compare"


class _Words(msgspec.Struct, frozen=True):
    """The headline of a comparison run whose files are in the state `fingerprint`."""

    fingerprint: str
    words: str
    is_bad: bool
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison run: its verdicts in counts."""

    line: RunLine
    device: str
    suite: str
    words: str
    is_bad: bool
    is_changed: bool
    path: str


@dataclass(frozen=True, slots=True)
class Choice:
    """A pair with a page: what the link says."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of a device and suite: the last one against the one before and the baselines, and all other pairs."""

    device: str
    suite: str
    last: RunLine
    before: Choice | None
    baselines: Sequence[Choice]
    others: Sequence[Choice]
    engines: Sequence[Choice]


@dataclass(frozen=True, slots=True)
class CompareOverview:
    """`made_of` is a digest of all that it shows."""

    comparisons: Sequence[Comparison]
    runs: Sequence[Runs]
    devices: Sequence[Choice]
    made_of: str


def compare_overview(
    source: Source,
    groups: Sequence[Group],
    engine_pairs: Mapping[tuple[str, str], Sequence[PairName]],
    devices: Sequence[PairName],
) -> CompareOverview:
    """Of the groups of a source. Warns (StoreWarning) of comparisons that can't be read."""
    known = source.memory(_KEPT, dict[str, _Words]) or {}
    lines = {line.run_id: (line, group) for group in groups for line in group.comparisons}
    kept = {run_id: _words(source, line, known) for run_id, (line, _) in lines.items()}
    source.remember(_KEPT, kept)
    newest = sorted(lines.items(), key=lambda item: item[1][0].created, reverse=True)
    comparisons = [
        Comparison(
            line,
            ", ".join(line.devices),
            group.suite,
            kept[run_id].words,
            kept[run_id].is_bad,
            kept[run_id].is_changed,
            verdicts_path(run_id),
        )
        for run_id, (line, group) in newest
    ]
    runs = [_runs(group, engine_pairs.get((group.device, group.suite), ())) for group in groups if group.runs]
    between = [
        Choice(f"{_suite(source, pair)}: {pair.base.device} and {pair.head.device}", path_of(pair)) for pair in devices
    ]
    return CompareOverview(comparisons, runs, between, digest(comparisons, runs, between))


def _runs(group: Group, engines: Sequence[PairName]) -> Runs:
    before = group.against_before
    shown = {*([path_of(before)] if before else []), *map(path_of, group.against_baselines.values())}
    return Runs(
        device=group.device,
        suite=group.suite,
        last=group.runs[0],
        before=None if before is None else Choice("the run before", path_of(before)),
        baselines=[Choice(f"baseline {name}", path_of(pair)) for name, pair in group.against_baselines.items()],
        others=[
            Choice(f"{pair.head.run_id} against {pair.base.run_id}", path_of(pair))
            for pair in group.pairs
            if path_of(pair) not in shown
        ],
        engines=[Choice(f"{pair.head.engine} against {pair.base.engine}", path_of(pair)) for pair in engines],
    )


def _suite(source: Source, pair: PairName) -> str:
    line = source.line(pair.head.run_id)
    return "" if line is None else line.suite


def _words(source: Source, line: RunLine, known: Mapping[str, _Words]) -> _Words:
    fingerprint = source.fingerprints[line.run_id]
    before = known.get(line.run_id)
    if before is not None and before.fingerprint == fingerprint:
        return before
    try:
        rows = verdict_rows(read_run(source.store.runs_path / line.run_id))
    except StoreError as error:
        warn(StoreWarning(f"run {line.run_id} is left out: {error}"), stacklevel=2)
        return _Words(fingerprint, "it can't be read", True, False)
    is_bad = any(row.is_bad for row in rows)
    return _Words(fingerprint, headline(rows), is_bad, is_bad or any(row.word == "improvement" for row in rows))
