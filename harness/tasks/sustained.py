"""What `bnnbench sustain --json` prints."""

from __future__ import annotations

import msgspec

from bnnbench.results.statistics.thermal import Estimate as Interval
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.sustained import Sustained, asked, minutes, order, sustained


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its interval of 95 %."""

    value: float
    low: float
    high: float


class OneMinute(msgspec.Struct, frozen=True, kw_only=True):
    """A minute; what was not read is null. Energy is per execution; `throttled` is the firmware's word."""

    begin_s: float
    median_ns: float
    p90_ns: float
    p99_ns: float
    clock_hz: float | None
    temperature_celsius: float | None
    energy_mj: float | None
    missed_ticks: int | None
    throttled: str | None


class OneCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case; unless it is `reliable`, too much of it was `disturbed` (a share) for intervals to mean anything. `loss`
    is a ratio minus 1 of latencies: equilibrium over first minute. `knee_s` and `reached_s` are null where no fall is
    shown; `starts` above 1: it was cut off, and began again."""

    workload: str
    engine: str
    device: str
    threads: int
    seconds: float
    starts: int
    whole: bool
    reason: str | None
    settled: bool | None
    first_ns: Estimate | None
    equilibrium_ns: Estimate | None
    loss: Estimate | None
    knee_s: Estimate | None
    reached_s: Estimate | None
    correlation: float | None
    disturbed: float | None
    reliable: bool | None
    minutes: list[OneMinute]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`order` by device: whether that of the first minute holds in equilibrium; null for fewer than two models."""

    schema: int = 1
    run_id: str
    outcome: str
    seconds: float
    fps: float | None
    order: dict[str, str | None]
    cases: list[OneCase]


def document(run: StoredRun, outcome: str) -> Document | None:
    """What `--json` prints; None for another run."""
    wanted = asked(run)
    if wanted is None:
        return None
    cases = list(sustained(run).values())
    devices = dict.fromkeys(one.case.device for one in cases)
    return Document(
        run_id=run.record.run_id,
        outcome=outcome,
        seconds=wanted.seconds,
        fps=wanted.fps,
        order={name: order([one for one in cases if one.case.device == name]) for name in devices},
        cases=[_case(one) for one in cases],
    )


def _case(one: Sustained) -> OneCase:
    fall, case = one.fall, one.case
    return OneCase(
        workload=case.workload,
        engine=case.engine,
        device=case.device,
        threads=case.threads,
        seconds=one.seconds,
        starts=one.starts,
        whole=one.is_whole,
        reason=one.reason,
        settled=fall.is_settled if fall else None,
        first_ns=_estimate(fall.first if fall else None),
        equilibrium_ns=_estimate(fall.equilibrium if fall else None),
        loss=_estimate(fall.loss if fall else None),
        knee_s=_estimate(fall.knee if fall else None),
        reached_s=_estimate(fall.reached if fall else None),
        correlation=fall.correlation if fall else None,
        disturbed=fall.disturbed if fall else None,
        reliable=fall.is_reliable if fall else None,
        minutes=[
            OneMinute(
                begin_s=row.begin_s,
                median_ns=row.median_ns,
                p90_ns=row.p90_ns,
                p99_ns=row.p99_ns,
                clock_hz=row.clock_hz,
                temperature_celsius=row.celsius,
                energy_mj=row.energy_mj,
                missed_ticks=row.missed,
                throttled=row.throttled,
            )
            for row in minutes(one.windows)
        ],
    )


def _estimate(found: Interval | None) -> Estimate | None:
    return Estimate(value=found.value, low=found.low, high=found.high) if found else None
