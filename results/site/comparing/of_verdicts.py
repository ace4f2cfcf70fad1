"""A comparison run (`ab`, `check`) as a compare page: its verdicts."""

import math

from bnnbench.results.records import ComparisonRecord, Invocation
from bnnbench.results.site.comparing.ab_command import Case, of_comparison
from bnnbench.results.site.comparing.details import Details, conditions, steps
from bnnbench.results.site.comparing.rows import Compared, ComparedRow, NotCompared, grouped, in_order
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.rows import VerdictRow, headline, verdict_rows

TRUST = (
    "Verdicts of a comparison in interleaved pairs. For sides without a difference, about 1 % of the verdicts on "
    "latency are wrong."
)


def compare_verdicts(run: StoredRun) -> Compared:
    """The page of a comparison run. Metrics that did not change and need no verdict are left out."""
    found = verdict_rows(run)
    rows = in_order([_row(run, one) for one in found if one.is_news])
    sides = {"base": [one.record.base for one in found], "head": [one.record.head for one in found]}
    base, head = (", ".join(dict.fromkeys(names)) for names in sides.values())
    reached = {one.record.id for one in found}
    missing = [one.workload for one in run.record.comparisons if one.id not in reached]
    skipped = [(f"{skip.workload} on {skip.engine}", skip.reason) for skip in run.record.skips]
    return Compared(
        title=f"{base} and {head}" if found else run.record.run_id,
        base=base,
        head=head,
        summary=headline(found),
        trust=TRUST,
        rows=rows,
        not_compared=[*([NotCompared("it was not reached", missing)] if missing else []), *grouped(skipped)],
    )


def _row(run: StoredRun, one: VerdictRow) -> ComparedRow:
    verdict, record = one.verdict, one.record
    is_clear = verdict.verdict in ("regression", "improvement")
    size, least = _sizes(one)
    return ComparedRow(
        workload=record.workload,
        engine=f"{record.base} -> {record.head}",
        device=record.device,
        threads=record.threads,
        metric=one.metric.word,
        word=one.word,
        is_verdict=verdict.verdict is not None,
        base=one.base,
        head=one.head,
        effect=one.effect,
        interval=one.interval,
        trust=one.trust,
        order=_order(one),
        least=least,
        size=size,
        is_changed=is_clear or one.is_bad,
        is_worse=one.is_bad,
        details=_details(run, one),
    )


def _order(one: VerdictRow) -> int:
    """What failed, then what changed, then what is unclear, then what did not change."""
    if one.is_bad and one.verdict.verdict is None:
        return 0
    if one.verdict.verdict in ("regression", "improvement"):
        return 1
    return 2 if one.is_unclear else 3


def _sizes(one: VerdictRow) -> tuple[float, float]:
    """The size of the effect, and the smallest one in its interval."""
    effect, low, high = one.verdict.effect, one.verdict.low, one.verdict.high
    if effect is None:
        return 0.0, 0.0

    def scaled(value: float) -> float:
        return value if one.is_share else math.log1p(max(value, -0.999_999))

    if low is None or high is None:
        return abs(scaled(effect)), 0.0
    return abs(scaled(effect)), max(scaled(low), -scaled(high), 0.0)


def _details(run: StoredRun, one: VerdictRow) -> Details:
    record = one.record
    base, head = (_invocations(run, record, case) for case in (record.base_case, record.head_case))
    has_times = not run.record.emulated(record.device)
    case = Case(record.workload, record.device, record.threads)
    return Details(
        base=conditions(base, has_times=has_times),
        head=conditions(head, has_times=has_times),
        steps=steps(base, head) if has_times else [],
        ab=of_comparison(run.record, case, record.base, record.head),
        why=one.verdict.why or "",
        reason=one.verdict.reason or "",
    )


def _invocations(run: StoredRun, record: ComparisonRecord, case_id: str) -> list[Invocation]:
    """Those of a side; in older journals they do not name their comparison."""
    return [one for one in run.invocations if one.case_id == case_id and one.comparison_id in (None, record.id)]
