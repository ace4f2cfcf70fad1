"""Verdicts with what they are about: the rows that every format of `check` and `ab` shows."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from bnnbench.results.case_result import CaseResult, case_results
from bnnbench.results.certainty import trust_words
from bnnbench.results.metric import Metric
from bnnbench.results.metrics import metric_of
from bnnbench.results.records import SIDES, ComparisonRecord, Invocation, Pair, Verdict
from bnnbench.results.statistics.level import Level, level
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.trust import GRADES
from bnnbench.results.verdict.other_metrics import Measured
from bnnbench.results.verdict.policy import Policy
from bnnbench.results.verdict.standing import ALONE, Standing

WORD = {
    "wrong_output": "wrong output",
    "failed": "failed",
    "unstable": "unstable",
    "skipped": "skipped",
    "unverified": "unverified",
}
ALLOWED = "allowed"
"""The word for a change that an allowance of the suite covers."""


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict and its comparison. Of medians also the levels of both sides, and how far times can be believed:
    `low trust: VM, load`. `standing` is what the suite makes of it."""

    record: ComparisonRecord
    verdict: Verdict
    base_level: Level | None = None
    head_level: Level | None = None
    trust: str = ""
    standing: Standing = ALONE

    @property
    def metric(self) -> Metric:
        """What was compared."""
        return metric_of(self.verdict.metric, self.verdict.unit)

    @property
    def word(self) -> str:
        """The verdict, or the status where there is none."""
        if self.standing.is_allowed:
            return ALLOWED
        return self.verdict.verdict or WORD.get(self.verdict.status, self.verdict.status)

    @property
    def is_bad(self) -> bool:
        """A change that the suite does not let pass, or a head that fails or is wrong where the base is not."""
        broken = self.verdict.status in ("failed", "wrong_output") and self.verdict.side == "head"
        return broken or self.standing.fails(self.verdict)

    @property
    def is_unclear(self) -> bool:
        """Nothing can be said, for whatever reason, of what decides whether a check passes."""
        is_open = self.verdict.verdict in (None, "inconclusive")
        return is_open and self.standing.is_gate and not (self.is_bad or self.is_optional)

    @property
    def is_optional(self) -> bool:
        """Whether nothing is said, and nothing need be: the metric is of interest only where it differs."""
        is_needed = self.standing.is_named or (self.metric.is_required and self.standing.is_gate)
        return self.verdict.verdict == "inconclusive" and not is_needed

    @property
    def is_news(self) -> bool:
        """Whether it is more than a metric beside the main one that has not changed."""
        return self.is_main or not (self.is_optional or self.word == "equivalent")

    @property
    def remarks(self) -> list[str]:
        """What is to be said of it, in sentences without a full stop."""
        found = (self.verdict.reason, self.verdict.why, self.standing.text(self.verdict))
        return [text for text in found if text]

    @property
    def is_main(self) -> bool:
        """What the comparison is about: latency, or instructions where these are counted instead."""
        return self.metric.is_main

    def value(self, figure: float | None) -> str:
        """A figure of the metric, for people."""
        return "" if figure is None else self.metric.text(figure)

    @property
    def base(self) -> str:
        """The base's figure, with its interval where it is a median: `2.89 ms (2.57-4.31)`."""
        return self._side(self.verdict.base_value, self.base_level)

    @property
    def head(self) -> str:
        """The head's, as `base`."""
        return self._side(self.verdict.head_value, self.head_level)

    def _side(self, figure: float | None, found: Level | None) -> str:
        between = self.metric.between
        if found is None or between is None:
            return self.value(figure)
        if found.n == 1:
            return f"{self.value(found.value)} (no interval: 1 process)"
        return between(found.value, found.low, found.high)

    @property
    def is_exact(self) -> bool:
        """Whether the figures are exact, so that there is no interval."""
        return self.verdict.level == 1.0

    @property
    def effect(self) -> str:
        """`+2.1 %`, of accuracy `-0.2 points`."""
        return "" if self.verdict.effect is None else f"{_hundredfold(self.verdict.effect)} {self._unit}"

    @property
    def interval(self) -> str:
        """`+1.7 .. +2.4 %`, of accuracy `-1.1 .. +0.7`, and nothing where the figures are exact."""
        one = self.verdict
        if one.low is None or one.high is None or self.is_exact:
            return ""
        text = f"{_hundredfold(one.low)} .. {_hundredfold(one.high)}"
        return text if self.is_share else f"{text} %"

    @property
    def detectable(self) -> str:
        """The minimum detectable effect: detected always where figures are exact, else 9 times in 10."""
        if self.verdict.mde is None:
            return ""
        return "all" if not self.verdict.mde else f"{self.verdict.mde * 100:.1f} {self._unit}"

    @property
    def is_share(self) -> bool:
        """Whether effects are differences of shares, and not ratios minus 1."""
        return self.metric.in_points

    @property
    def _unit(self) -> str:
        return "points" if self.is_share else "%"


def signed(share: float) -> str:
    """A ratio minus 1 as per cent with its sign."""
    return f"{_hundredfold(share)} %"


def _hundredfold(share: float) -> str:
    """A hundred times a share, with its sign: `+2.1`, and `+0.011` rather than `+0.0` of what is not 0."""
    text = f"{share * 100:+.1f}"
    return f"{share * 100:+.2g}" if share and not float(text) else text


def verdict_rows(run: StoredRun) -> list[VerdictRow]:
    """All verdicts of a run, in the order of its comparisons; those that are not reached yet are left out."""
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in run.verdicts:
        verdicts.setdefault(verdict.comparison_id, []).append(verdict)
    pairs: dict[str, list[Pair]] = {}
    invocations: dict[tuple[str | None, str], list[Invocation]] = {}
    for entry in run.entries:
        if isinstance(entry, Pair):
            pairs.setdefault(entry.comparison_id, []).append(entry)
        elif isinstance(entry, Invocation):
            invocations.setdefault((entry.comparison_id, entry.case_id), []).append(entry)
    results = {result.case.id: result for result in case_results(run)} if verdicts else {}
    rows = []
    policy = Policy.of(run.record)
    for record in run.record.comparisons:
        of_it = pairs.get(record.id, [])
        sides = [
            Measured.of(results[id].case, None, invocations.get((record.id, id), []), of_it)
            for id in (record.base_case, record.head_case)
            if id in results
        ]
        trust = _trust([results[side.case.id] for side in sides])
        for item in verdicts.get(record.id, []):
            standing = Standing.of(policy, item, record.workload, record.device)
            rows.append(replace(_row(record, item, of_it, sides, trust), standing=standing))
    return rows


def _row(
    record: ComparisonRecord, verdict: Verdict, pairs: list[Pair], sides: list[Measured], trust: str
) -> VerdictRow:
    """With the levels that the verdict's figures are the middles of."""
    row = VerdictRow(record, verdict)
    if not (row.metric.is_paired or row.metric.is_by_process) or verdict.base_value is None:
        return row
    if row.metric.is_paired:
        kept = [pair for pair in pairs if pair.dropped is None]
        figures = [[pair.base_ns for pair in kept], [pair.head_ns for pair in kept]]
    else:
        figures = [list(side.figures.get(verdict.metric, ())) for side in sides]
    if len(figures) < len(SIDES) or not all(figures):
        return row
    base, head = map(level, figures)
    return replace(row, base_level=base, head_level=head, trust=trust if row.metric.is_time else "")


def _trust(sides: list[CaseResult]) -> str:
    """The lower grade of the sides, and what lowers either."""
    sides = [side for side in sides if side.trust is not None]
    grades = [grade for grade in GRADES if any(side.trust == grade for side in sides)]
    words = dict.fromkeys(word for side in sides for word in side.trust_words)
    return trust_words(grades[0], words) if grades else ""


_BY_WEIGHT = ("regression", ALLOWED, "improvement", "equivalent", "inconclusive")


def headline(rows: Iterable[VerdictRow]) -> str:
    """What became of the cases, in counts that add up: `3 cases: 1 regression, 2 equivalent`; the cases are those of
    latency or instructions, and what is to be told of other metrics follows."""
    given = list(rows)
    main = [row.word for row in given if row.is_main]
    words = sorted(main, key=lambda word: _BY_WEIGHT.index(word) if word in _BY_WEIGHT else len(_BY_WEIGHT))
    text = f"{len(main)} case{'' if len(main) == 1 else 's'}" + (f": {_counts(words)}" if main else "")
    beside = [f"{row.word} in {row.metric.word}" for row in given if not row.is_main and row.is_news]
    none = "; no case was judged" if given and not is_judged(given) else ""
    return text + (f"; beside that {_counts(beside)}" if beside else "") + none


def is_judged(rows: Iterable[VerdictRow]) -> bool:
    """Whether anything was compared: neither skipped everywhere nor without outputs to verify."""
    return any(row.verdict.status not in ("skipped", "unverified") for row in rows if row.is_main)


def _counts(words: list[str]) -> str:
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return ", ".join(f"{count} {_plural(word) if count > 1 else word}" for word, count in counts.items())


def _plural(word: str) -> str:
    first, space, rest = word.partition(" ")
    return f"{first}s{space}{rest}" if first in ("regression", "improvement") else word
