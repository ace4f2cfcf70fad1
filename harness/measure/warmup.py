"""How long a case is warmed up. How many iterations make a sample, the engine finds out and says."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bnnbench.kernels.engines.client import EngineClient, run_length_limit_ns
from bnnbench.kernels.engines.replies import Ran
from bnnbench.results.statistics.steady_state import WINDOW, settled

MAX_WARMUP_NS = 10_000_000_000


@dataclass(frozen=True, slots=True)
class Warmup:
    """What every invocation of a case uses. `settled` False: after 10 s it still drifted.

    `block_ns` is the length of a timed block of `iterations`.
    """

    iterations: int
    warmup_ns: int
    settled: bool
    block_ns: float


def calibrate(
    client: EngineClient, id: str, threads: int, *, min_sample_ns: int, min_warmup_ns: int, first_ns: float
) -> tuple[Warmup, int]:
    """Runs a loaded case until it is warm; also the ns spent inside `run`. Raises EngineError.

    `first_ns` is what one iteration took, which says how long to wait for slow ones.
    """
    ran = client.run(
        id,
        threads=threads,
        samples=2 * WINDOW,
        warmup_ns=min_warmup_ns,
        min_sample_ns=min_sample_ns,
        limit_ns=run_length_limit_ns(MAX_WARMUP_NS, 4 * WINDOW, max(min_sample_ns, first_ns)),
    )
    iterations = ran.iterations or 1
    spent, waited = _length_ns(ran), client.waited_ns
    samples, clocks = list(ran.samples_ns), list(ran.clock_hz)
    limit = MAX_WARMUP_NS
    while not settled(samples, clocks) and spent < limit and waited < 2 * limit:
        ran = client.run(
            id,
            threads=threads,
            samples=WINDOW,
            iterations=iterations,
            limit_ns=run_length_limit_ns(0, WINDOW, samples[-1] * iterations),
        )
        samples += ran.samples_ns
        clocks += ran.clock_hz
        spent += _length_ns(ran)
        waited += client.waited_ns  # an engine may claim that it took no time
    done = settled(samples, clocks)
    # What never settles is not helped by more of the same.
    warmup = max(min_warmup_ns, spent - int(2 * WINDOW * samples[-1] * iterations)) if done else min_warmup_ns
    return Warmup(iterations, min(warmup, MAX_WARMUP_NS), done, median(samples) * iterations), spent


def _length_ns(ran: Ran) -> int:
    if ran.start_ns is not None and ran.end_ns is not None:
        return ran.end_ns - ran.start_ns
    return int(sum(ran.samples_ns) * (ran.iterations or 1))
