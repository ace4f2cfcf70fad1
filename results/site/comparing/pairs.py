"""Which pairs have a page, and where it is."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bnnbench.results.site.comparing.sides import PairName, SideName
from bnnbench.results.site.page import digest
from bnnbench.results.store.listing import RunLine
from bnnbench.results.store.run_id import is_run_id

FOLDER = "compare"
_DONE = "complete"
_BETWEEN = "--"
_LONGEST = 120
_MANY = 5
"""Engines or devices from which on not each two of them have a page."""


@dataclass(frozen=True, slots=True)
class Group:
    """The last runs of a suite on a device, newest first, comparisons apart. `baselines` maps the names of baselines to
    the runs that they were saved from, where these are of this suite and device."""

    device: str
    suite: str
    runs: Sequence[RunLine]
    comparisons: Sequence[RunLine]
    baselines: Mapping[str, str] = field(default_factory=dict)

    @property
    def sides(self) -> list[str]:
        """The ids of the runs that can be compared: the last ones, and those of baselines."""
        return list(dict.fromkeys([*(run.run_id for run in self.runs), *self.baselines.values()]))

    @property
    def against_before(self) -> PairName | None:
        """The last run against the one before."""
        if len(self.runs) < 2:
            return None
        return PairName(SideName(self.runs[1].run_id), SideName(self.runs[0].run_id))

    @property
    def against_baselines(self) -> dict[str, PairName]:
        """The last run against the run of each baseline."""
        if not self.runs:
            return {}
        last = self.runs[0].run_id
        return {
            name: PairName(SideName(run_id), SideName(last))
            for name, run_id in self.baselines.items()
            if run_id != last
        }

    @property
    def pairs(self) -> list[PairName]:
        """All pairs of its runs; the base is the older one, or the run of a baseline."""
        ids = self.sides
        return [PairName(SideName(base), SideName(head)) for place, head in enumerate(ids) for base in ids[place + 1 :]]


def groups(lines: Iterable[RunLine], last: int, baselines: Mapping[str, str] | None = None) -> list[Group]:
    """The runs of a store (`list_runs`, newest first) by device and suite. `baselines`: names with their runs. Only
    runs that are complete are compared."""
    runs: dict[tuple[str, str], list[RunLine]] = {}
    comparisons: dict[tuple[str, str], list[RunLine]] = {}
    known: dict[str, RunLine] = {}
    for line in lines:
        if not is_run_id(line.run_id):
            continue  # a folder that somebody renamed
        known[line.run_id] = line
        for device in line.devices:
            kind = comparisons if line.comparisons else runs
            mine = kind.setdefault((device, line.suite), [])
            if len(mine) < last and (line.comparisons or line.state == _DONE) and line.cases:
                mine.append(line)
    keys = sorted(key for key in {**runs, **comparisons} if runs.get(key) or comparisons.get(key))
    return [
        Group(
            device,
            suite,
            runs.get((device, suite), []),
            comparisons.get((device, suite), []),
            {
                name: run_id
                for name, run_id in (baselines or {}).items()
                if run_id in known and device in known[run_id].devices and known[run_id].suite == suite
            },
        )
        for device, suite in keys
    ]


def device_pairs(found: Sequence[Group]) -> list[PairName]:
    """The last runs of a suite on each two of its devices; of many devices each beside the first."""
    pairs = []
    for suite in dict.fromkeys(one.suite for one in found):
        mine = [one for one in found if one.suite == suite and one.runs]
        sides = [SideName(one.runs[0].run_id, one.device) for one in mine]
        pairs += [PairName(base, head) for base, head in _each_two(sides)]
    return pairs


def engine_pairs(run_id: str, device: str, engines: Sequence[str]) -> list[PairName]:
    """Each two engines of a run on a device, the earlier one of the order given as the head; of many engines each
    beside the first."""
    sides = [SideName(run_id, device, engine) for engine in engines]
    return [PairName(base, head) for head, base in _each_two(sides)]


def _each_two(sides: Sequence[SideName]) -> list[tuple[SideName, SideName]]:
    firsts = sides if len(sides) <= _MANY else sides[:1]
    return [(one, other) for place, one in enumerate(firsts) for other in sides[place + 1 :]]


def path_of(pair: PairName) -> str:
    """Where the page of a pair is, below the root of the site: `compare/BASE--HEAD.html`, for engines and devices with
    a digest of their names; of ids that are too long for a file's name with a digest alone."""
    ids = (pair.base.run_id, pair.head.run_id)
    sides = (pair.base.device, pair.base.engine, pair.head.device, pair.head.engine)
    name = _BETWEEN.join(ids)
    if len(name) > _LONGEST:
        return f"{FOLDER}/{digest(*ids, *sides)}.html"
    mark = "" if sides == (None,) * 4 else f"{_BETWEEN}{digest(*sides)[:10]}"
    return f"{FOLDER}/{name}{mark}.html"


def verdicts_path(run_id: str) -> str:
    """Where the page of a comparison run is."""
    return f"{FOLDER}/{run_id}.html"


def pairs_of_path(path: str) -> list[PairName]:
    """The pairs of whole runs that a path may be of: an id may have dashes too, so there can be several. None for any
    other path."""
    if not (path.startswith(f"{FOLDER}/") and path.endswith(".html") and len(path) < 2 * _LONGEST):
        return []
    name = path.removeprefix(f"{FOLDER}/").removesuffix(".html")
    places = [place for place in range(len(name)) if name.startswith(_BETWEEN, place)]
    sides = [(name[:place], name[place + len(_BETWEEN) :]) for place in places]
    return [PairName(SideName(base), SideName(head)) for base, head in sides if is_run_id(base) and is_run_id(head)]
