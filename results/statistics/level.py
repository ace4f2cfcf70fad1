"""The level of a case: the median of its invocations' medians, with a distribution-free interval.

Let x(1) <= ... <= x(n) be the invocations' figures, drawn independently from one continuous distribution
with median m. Each lies below m with probability 1/2, so the number that do is binomial B ~ Bin(n, 1/2), and

    P( x(k) <= m <= x(n+1-k) ) = 1 - 2 P(B <= k - 1) = 1 - 2^(1-n) * sum_{i<k} C(n, i).

The interval takes the largest k whose coverage is still at least the wanted one. With n = 7 and 98 % that is
k = 1, the range: 1 - 2/128 = 98.4 %. Where even the range covers less (n < 7), it is given with the coverage
that it has.

W. R. Thompson, "On confidence ranges for the median and other expectation distributions", Annals of
Mathematical Statistics 7 (1936), 122-128; H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed. (2003),
section 7.1.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

CONFIDENCE = 0.98


@dataclass(frozen=True, slots=True)
class Level:
    """`value`, `low` and `high` in the unit of the figures; `coverage` is the probability (0 to 1) that
    the interval holds the median of what was sampled; `spread` is (largest - smallest) / value; `n` the
    number of figures."""

    value: float
    low: float
    high: float
    coverage: float
    spread: float
    n: int


def coverage(n: int, k: int) -> float:
    """Probability that the k-th smallest to the k-th largest of `n` figures enclose the median (1 <= k <=
    n/2)."""
    # Divided as integers: 2^n is not a float from n = 1024 on.
    outside: float = 2 * sum(islice(_binomials(n), k)) / 2**n
    return 1.0 - outside


def depth(n: int, confidence: float = CONFIDENCE) -> int:
    """The largest k with at least the wanted coverage, or 1 (the range) where none has it."""
    # How large twice the sum may become, in whole numbers: exact for every n.
    most = int((1.0 - confidence) * 2**53) * 2**n // 2**53 if n > 0 else 0
    k, total = 0, 0
    for number in islice(_binomials(n), max(0, n // 2)):
        total += number
        if 2 * total > most:
            break
        k += 1
    return max(1, k)


def _binomials(n: int) -> Iterator[int]:
    """C(n, 0), C(n, 1), ..."""
    number = 1
    for i in range(n + 1):
        yield number
        number = number * (n - i) // (i + 1)


def level(figures: Sequence[float], confidence: float = CONFIDENCE) -> Level:
    """Median of `figures` and its order-statistic interval.

    Raises ValueError when there are no figures or one of them is not finite.
    """
    if not figures:
        raise ValueError("the level of no figures is not defined")
    if not all(math.isfinite(figure) for figure in figures):
        raise ValueError("a figure is not finite")
    ordered = sorted(figures)
    n = len(ordered)
    k = depth(n, confidence)
    value = statistics.median(ordered)
    return Level(
        value=value,
        low=ordered[k - 1],
        high=ordered[n - k],
        coverage=max(0.0, coverage(n, k)),
        spread=(ordered[-1] - ordered[0]) / value if value else 0.0,
        n=n,
    )
