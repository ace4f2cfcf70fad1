"""What a metric is: its names, how its figures are read and written, and how two sides are compared by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bnnbench.results import quantity

if TYPE_CHECKING:
    from bnnbench.results.records import CaseRecord, Invocation

Compared = Literal["paired", "exact", "unpaired", "shares", "answers"]
"""How two sides are compared: `paired`, by processes back to back (verdict/paired.py); `exact`, as figures that repeat
(verdict/exact.py); `unpaired`, by the processes of each side (verdict/unpaired.py), `shares` in the same way, their
differences instead of their ratios; `answers`, image by image (verdict/accuracy.py)."""
Figures = Sequence[float]


def median(figures: Figures) -> float:
    """That of the standard library, which takes long to import."""
    from statistics import median as of

    return of(figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`key` and `unit` are those of stored verdicts, `slug` is what charts and other tools call it; `column`, `low` and
    `high` are columns of `bnnbench.results.load`, the latter two of its interval, and `trials` that of the count behind
    a share.

    `word` is its name in a table, `label` in a sentence, `title` on an axis; `degrees` are those of being
    good in it: fast, faster, fastest. `text` writes a figure.

    `floor` is the least difference that is called, and within `margin` two sides are equivalent: ratios minus 1, of
    shares differences. A suite may change both. `alpha` is the level of the test, where it has one: the probability
    that a suite in which nothing differs has a difference called. `combined` makes the figure of a case of those of its
    invocations.
    """

    key: str
    unit: str
    column: str
    word: str
    text: Callable[[float], str]
    compared: Compared
    floor: float
    margin: float
    alpha: float = 0.0075
    label: str = ""
    title: str = ""
    slug: str = ""
    degrees: tuple[str, str, str] = ("good", "better", "best")
    between: Callable[[float, float, float], str] | None = None
    """Writes a figure with the ends of its interval."""
    short: Callable[[float], str] | None = None
    """Writes a figure on an axis, where `text` takes too much room."""
    smaller_is_better: bool = True
    low: str | None = None
    high: str | None = None
    trials: str | None = None
    of_invocation: Callable[[Invocation], float | None] | None = None
    combined: Callable[[Figures], float] = median
    source_of: Callable[[Invocation], str | None] | None = None
    """Names what a figure was read from, where figures of different sources cannot be compared."""
    of_case: Callable[[CaseRecord], float | None] | None = None
    is_objective: bool = False
    """Whether models are chosen by it."""
    is_rare: bool = False
    """Of an objective: few models have a figure, so it takes part only where all models do."""
    is_main: bool = False
    """Whether a comparison is about it: latency, or instructions where these are counted instead."""
    is_required: bool = True
    """Whether a check that is strict fails without a verdict on it."""
    is_time: bool = False
    """Whether it means nothing on an emulated device."""
    in_tables: bool = True
    """Whether tables of cases have a column for it; what they show in another way has none."""

    def __post_init__(self) -> None:
        for name, value in (("label", self.word), ("title", self.label or self.word)):
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        if not self.slug:
            object.__setattr__(self, "slug", self.label.replace(" ", "-"))

    @property
    def is_paired(self) -> bool:
        """Whether pairs of processes are compared."""
        return self.compared == "paired"

    @property
    def is_by_process(self) -> bool:
        """Whether the processes of each side are compared."""
        return self.compared in ("unpaired", "shares") and self.of_invocation is not None

    @property
    def in_points(self) -> bool:
        """Whether it is a share, whose differences are percentage points and whose figures are of one data set."""
        return self.unit == "share"

    @property
    def is_logarithmic(self) -> bool:
        """Whether what counts is by how many per cent it differs."""
        return not self.in_points

    @property
    def is_whole(self) -> bool:
        """Whether its figures are whole numbers."""
        return self.unit == "bytes"

    @property
    def sign(self) -> float:
        """A figure times this is less where it is better."""
        return 1.0 if self.smaller_is_better else -1.0

    @property
    def budget(self) -> str:
        """The name of a bound for it: `max_latency_ns`, `min_accuracy`."""
        return f"{'max' if self.smaller_is_better else 'min'}_{self.column}"

    def tick(self, value: float) -> str:
        """A figure as an axis shows it; nothing where there can be none."""
        if self.in_points:
            return f"{value * 100:g} %" if value <= 1 else ""
        return quantity.tick((self.short or self.text)(value))
