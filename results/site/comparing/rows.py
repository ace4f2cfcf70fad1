"""The rows of a compare page, sorted by how sure a change is and how large.

A change that both intervals show comes first, by the smallest size that they allow; then the others, by their size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bnnbench.results.site.comparing.details import Details
from bnnbench.results.site.page import digest

NO_VERDICT = "no verdict: ratio of two runs"
NOT_SETTLED = "within the intervals"
ABOVE, BELOW = "slower", "faster"
_FLOOR = 0.01
"""Below this a ratio of two runs is no change, as below the floor of latency's verdicts."""


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """A case of two sides. `word` is the verdict, or for a ratio of runs which way it went; `is_verdict` tells them
    apart. `effect` and `interval` are in words; `least` is the smallest size of the change that the interval allows (0
    where that is none), `size` that of the estimate, both as logarithms or differences of shares. `order` is the rank
    of the word, 0 first."""

    workload: str
    engine: str
    device: str
    threads: int
    metric: str
    word: str
    is_verdict: bool
    base: str
    head: str
    effect: str
    interval: str
    trust: str
    order: int
    least: float
    size: float
    is_changed: bool
    is_worse: bool
    details: Details | None = None

    @property
    def id(self) -> str:
        """Names the row in addresses."""
        return f"row-{digest(self.workload, self.engine, self.device, self.threads, self.metric)[:10]}"


@dataclass(frozen=True, slots=True)
class NotCompared:
    """Cases without a ratio or verdict, for one reason."""

    reason: str
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """A page: `title` says what is compared, `base` and `head` name the sides; `summary` counts the rows by their word.
    `environment` has a line for each place where something differs. `trust` says what the words are worth."""

    title: str
    base: str
    head: str
    summary: str
    trust: str
    rows: Sequence[ComparedRow]
    not_compared: Sequence[NotCompared] = ()
    environment: Sequence[str] = ()
    notes: Sequence[str] = field(default_factory=list)


def in_order(rows: Sequence[ComparedRow]) -> list[ComparedRow]:
    """Sorted, what changed most surely first."""
    return sorted(rows, key=lambda row: (row.order, -row.least, -row.size, row.workload, row.engine, row.threads))


def grouped(reasons: Sequence[tuple[str, str]]) -> list[NotCompared]:
    """Names by their reason, in the order of the first of each."""
    found: dict[str, list[str]] = {}
    for name, reason in reasons:
        found.setdefault(reason, []).append(name)
    return [NotCompared(reason, names) for reason, names in found.items()]


def is_change(least: float) -> bool:
    """Whether both intervals show a change that is not below the floor."""
    return least >= _FLOOR


def counts(rows: Sequence[ComparedRow]) -> str:
    """`8 cases: 1 slower, 7 within the intervals`."""
    words = [row.word for row in rows]
    text = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    return f"{len(rows)} case{'' if len(rows) == 1 else 's'}" + (f": {text}" if text else "")
