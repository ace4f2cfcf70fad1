"""Tails of single executions: a high quantile of each process, and the share that misses a deadline.

The executions of a process depend on each other (load and throttling come in bursts), and processes differ as a whole
(addresses, page placement). Therefore nothing is computed over all executions as if they were independent. Each process
gives one figure: the quantile of its own n executions, or its own share of late ones. The figure of a case is the
median of its processes' figures, with the order-statistic interval of `level.py`. This interval has its stated
coverage whatever the executions of a process do, because only the processes have to be independent; it is about the
p-quantile of n executions of a process, which half of all processes keep.

A quantile p is *seen* if one of n independent executions is beyond it with a probability of at least 95 %:
1 - p^n >= 0.95. That takes 299 executions for p = 0.99, and 2,995 for p = 0.999.

H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed. (2003), section 7.1.
"""

import math
from collections.abc import Sequence

from bnnbench.results.statistics.quantile import quantile

_SEEN = 0.95


def least_executions(p: float) -> int:
    """How many executions of a process a quantile p (0 < p < 1) takes."""
    return math.ceil(math.log(1 - _SEEN) / math.log(p))


def tail(each: Sequence[float], p: float) -> float | None:
    """The p-quantile of a process's executions, in their unit; None where there are too few to see it."""
    return quantile(each, p) if len(each) >= least_executions(p) else None


def late(each: Sequence[float], deadline: float | None) -> float | None:
    """The share of a process's executions that take longer than `deadline`; None without executions or deadline."""
    if deadline is None or not each:
        return None
    return sum(one > deadline for one in each) / len(each)
