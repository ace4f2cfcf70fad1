"""The points of the protocol that are about `run`: how often, how long, and whether its times can be."""

from __future__ import annotations

from itertools import pairwise
from statistics import median

from bnnbench.kernels.engines.claims import unexplained
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.replies import Ran

from .protocol_subject import Broken, Missing, Subject, answer

LIMIT_NS = 20_000_000_000
"""Of a run that is to be done."""
_BLOCK_NS = 2_000_000
"""Long enough that no clock is too coarse for it."""
_MOST_ITERATIONS = 1 << 22


def samples(subject: Subject) -> None:
    """As many as were asked for, and the client's bounds hold."""
    with subject.started() as (_, client):
        subject.loaded(client)
        for count in (1, 7):
            client.run("case", samples=count, iterations=2, limit_ns=LIMIT_NS)


def iterations(subject: Subject) -> None:
    """A block has as many executions as were asked for, and its time is divided by them."""
    with subject.started() as (_, client):
        subject.loaded(client)
        few = _block(client)
        many = client.run("case", samples=5, iterations=8 * few.iterations, limit_ns=LIMIT_NS)
        if many.iterations not in (None, 8 * few.iterations):
            raise Broken(f"asked for {8 * few.iterations} iterations, it says that it did {many.iterations}")
        ratio = min(many.samples_ns) / min(few.samples_ns)
        if not 1 / 3 <= ratio <= 3:
            raise Broken(f"with 8 times the iterations an execution takes {ratio:.2f} times as long")


class _Block:
    """A run whose blocks are long enough to compare."""

    def __init__(self, iterations: int, samples_ns: list[float]) -> None:
        self.iterations, self.samples_ns = iterations, samples_ns


def _block(client: EngineClient) -> _Block:
    count = 1
    while count <= _MOST_ITERATIONS:
        ran = client.run("case", samples=3, iterations=count, limit_ns=LIMIT_NS)
        if min(ran.samples_ns) * count >= _BLOCK_NS:
            again = client.run("case", samples=5, iterations=count, limit_ns=LIMIT_NS)
            return _Block(count, again.samples_ns)
        count *= 2
    raise Broken(
        f"a block of {_MOST_ITERATIONS:,} iterations takes less than {_BLOCK_NS / 1e6:g} ms: they are not done"
    )


def least_sample(subject: Subject) -> None:
    """Its iterations make samples of that length."""
    with subject.started() as (_, client):
        subject.loaded(client)
        length = 0.0
        for _ in range(3):  # a machine that was slow while it looked for the number makes one sample short, not three
            ran = client.run("case", samples=5, min_sample_ns=_BLOCK_NS, limit_ns=LIMIT_NS)
            if ran.iterations is None:
                raise Missing("its reply has no iterations")
            length = max(length, median(ran.samples_ns) * ran.iterations)
        if length < 0.7 * _BLOCK_NS:
            raise Broken(f"samples of {length / 1e6:.2f} ms where {_BLOCK_NS / 1e6:g} ms is the least")


def warm_up(subject: Subject) -> None:
    """Goes on for as long as it is to."""
    wanted = 150_000_000
    with subject.started() as (_, client):
        subject.loaded(client)
        client.run("case", samples=1, iterations=1, warmup_ns=wanted, limit_ns=LIMIT_NS)
        if client.waited_ns < wanted:
            raise Broken(f"a warm-up of {wanted / 1e6:.0f} ms was over after {client.waited_ns / 1e6:.0f} ms")


def limit(subject: Subject) -> None:
    """A request that is past it fails, and soon."""
    limit_ns, longer = 200_000_000, 20.0
    with subject.started() as (process, client):
        subject.loaded(client)
        count = _block(client).iterations
        samples = int(longer * 1e9 / _BLOCK_NS)
        line = f"run id=case samples={samples} iterations={count} warmup_ns=0 limit_ns={limit_ns}"
        if answer(process, line, limit_ns / 1e9 + 5)["ok"]:
            raise Broken(f"work of {longer:.0f} s was done under a limit of {limit_ns / 1e6:.0f} ms")


def honest_times(subject: Subject) -> None:
    """What it claims is neither more nor far less than what this end waited."""
    with subject.started() as (_, client):
        client.hello()
        subject.loaded(client)
        block = _block(client)
        count, samples = block.iterations, 100
        ran = client.run("case", samples=samples, iterations=count, limit_ns=LIMIT_NS)
        if why := unexplained(ran, count, 0, client.waited_ns, client.round_trip_ns):
            raise Broken(why)


def clock_goes_forward(subject: Subject) -> None:
    """Requests follow each other on the device's monotonic clock."""
    with subject.started() as (_, client):
        subject.loaded(client)
        runs: list[Ran] = [client.run("case", samples=2, iterations=1, limit_ns=LIMIT_NS) for _ in range(3)]
    if any(run.start_ns is None or run.end_ns is None for run in runs):
        raise Missing("its reply to run has no start_ns and end_ns")
    for before, after in pairwise(runs):
        if (after.start_ns or 0) < (before.end_ns or 0):
            raise Broken("a run started before the one before it had ended (start_ns, end_ns)")
