"""Verdicts with what they are about: the rows that every format of `check` and `ab` shows."""

from collections.abc import Iterable
from dataclasses import dataclass

from bnnbench.results.metrics import Metric, metric_of
from bnnbench.results.records import ComparisonRecord, Verdict
from bnnbench.results.store.stored_run import StoredRun

WORD = {
    "wrong_output": "wrong output",
    "failed": "failed",
    "unstable": "unstable",
    "skipped": "skipped",
    "unverified": "unverified",
}


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A verdict and its comparison."""

    record: ComparisonRecord
    verdict: Verdict

    @property
    def metric(self) -> Metric:
        """What was compared."""
        return metric_of(self.verdict.metric, self.verdict.unit)

    @property
    def word(self) -> str:
        """The verdict, or the status where there is none."""
        return self.verdict.verdict or WORD.get(self.verdict.status, self.verdict.status)

    @property
    def is_bad(self) -> bool:
        """A regression, or a head that fails or is wrong where the base is not."""
        broken = self.verdict.status in ("failed", "wrong_output") and self.verdict.side == "head"
        return self.verdict.verdict == "regression" or broken

    @property
    def is_unclear(self) -> bool:
        """Nothing can be said, for whatever reason."""
        return not (self.is_bad or self.is_optional) and self.verdict.verdict in (None, "inconclusive")

    @property
    def is_optional(self) -> bool:
        """Whether nothing is said, and nothing need be: the metric is of interest only where it differs."""
        return self.verdict.verdict == "inconclusive" and not self.metric.is_required

    @property
    def is_news(self) -> bool:
        """Whether it is more than a metric beside the main one that has not changed."""
        return self.is_main or not (self.is_optional or self.word == "equivalent")

    @property
    def is_main(self) -> bool:
        """What the comparison is about: latency, or instructions where these are counted instead."""
        return self.metric.is_main

    def value(self, figure: float | None) -> str:
        """A figure of the metric, for people."""
        return "" if figure is None else self.metric.text(figure)

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
    def sees(self) -> str:
        """The least effect that is called: always where the figures are exact, else 9 times in 10."""
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
    by_comparison: dict[str, list[Verdict]] = {}
    for one in run.verdicts:
        by_comparison.setdefault(one.comparison_id, []).append(one)
    return [VerdictRow(record, one) for record in run.record.comparisons for one in by_comparison.get(record.id, [])]


def headline(rows: Iterable[VerdictRow]) -> str:
    """How many of the cases have a verdict, and which; the cases are those of latency or instructions."""
    given = list(rows)
    main = [row for row in given if row.is_main]
    clear = [row for row in main if not row.is_unclear]
    text = f"{len(clear)} of {len(main)} cases have a verdict"
    words = [row.word for row in main] + [
        f"{row.word} in {row.metric.word}" for row in given if not row.is_main and row.is_news
    ]
    counts = {word: words.count(word) for word in dict.fromkeys(words)}
    return "; ".join([text, ", ".join(f"{count} {word}" for word, count in counts.items())]) if counts else text
