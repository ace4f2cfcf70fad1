"""Whether a claimed time can be, beside the roofs that were measured on the same device."""

from __future__ import annotations

from collections.abc import Sequence

from bnnbench.results.records import CaseRecord, Peak, Status

DOUBTFUL, IMPOSSIBLE = 2.0, 40.0
"""Times the roof of the native engine's own instructions, which a busy machine lowers and a matrix unit exceeds: the
best published one does 22 times the popcounts of the same CPU."""
MOST_GOPS = 100_000.0
"""Of a thread: some ten times the best matrix unit that is published."""
_READ_SHARE = 2.0
"""Bytes that an op may move for each that is only read in the same time: it stores beside it."""


def beyond_any(case: CaseRecord, latency_ns: float) -> str | None:
    """What shows that no processor is so fast, also where no roof was measured; None where one may be."""
    gops = 2.0 * (case.macs_1bit or 0) / latency_ns
    if gops <= MOST_GOPS * case.threads:
        return None
    return f"its times say {gops:,.0f} GOPS, more than any processor does"


def beyond_roof(case: CaseRecord, latency_ns: float, peaks: Sequence[Peak]) -> tuple[Status, str] | None:
    """The status and reason of a case that claims to be faster than its device can be; None where it may be so, or no
    roof was measured."""
    for rate, unit, roof in (
        (2.0 * (case.macs_1bit or 0) / latency_ns, "GOPS", _popcount(peaks)),
        ((case.bytes_moved or 0) / latency_ns, "GB/s", _READ_SHARE * _reads(peaks)),
    ):
        limit = roof * case.threads
        if limit and rate > DOUBTFUL * limit:
            status: Status = "failed" if rate > IMPOSSIBLE * limit else "unstable"
            return status, (
                f"its times say {rate:,.0f} {unit}, {rate / limit:,.1f} times the roof measured on this device: "
                "the engine skips work, or runs elsewhere"
            )
    return None


def _popcount(peaks: Sequence[Peak]) -> float:
    return max((peak.popcount_gops or 0.0 for peak in peaks), default=0.0)


def _reads(peaks: Sequence[Peak]) -> float:
    return max((rate or 0.0 for peak in peaks for rate in (peak.read_gb_s or {}).values()), default=0.0)
