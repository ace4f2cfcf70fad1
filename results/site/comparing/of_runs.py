"""Two stored runs, or two engines or devices of runs, case by case: ratios, which are no verdicts."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from bnnbench.results.columns import CASE_COLUMNS, build
from bnnbench.results.environment import Difference, differences, environment_of, lines_of
from bnnbench.results.ratios import Ratio, compare
from bnnbench.results.site.cases import CaseSummary
from bnnbench.results.site.comparing.ab_command import (
    AbCommand,
    Case,
    KeptBaseline,
    of_devices,
    of_engines,
    of_runs,
)
from bnnbench.results.site.comparing.details import Details, conditions, steps
from bnnbench.results.site.comparing.rows import (
    ABOVE,
    BELOW,
    NOT_SETTLED,
    Compared,
    ComparedRow,
    counts,
    grouped,
    in_order,
    is_change,
)
from bnnbench.results.site.comparing.sides import Measured, PairName, Side
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.verdict.rows import signed

TRUST = (
    "No verdicts: these are ratios of two stored runs. They were measured one after the other, so load, temperature "
    "and kernel may differ too. A change is named where the intervals of both medians do not overlap and are 1 % apart "
    "or more. bnnbench ab measures both sides in pairs and gives a verdict."
)
TRUST_WITHIN = (
    "No verdicts: these are ratios of figures of one run, which were not measured in pairs. A change is named where "
    "the intervals of both medians do not overlap and are 1 % apart or more. bnnbench ab gives a verdict."
)
History = Callable[[Mapping[str, Any]], CaseSummary | None]
"""The case of a row over all runs; None where it has no page."""


def compare_runs(
    base: Side, head: Side, baselines: Sequence[KeptBaseline] = (), history: History = lambda row: None
) -> Compared:
    """The page of a pair. Rows that have no ratio are listed with their reasons."""
    pair = PairName(base.name, head.name)
    is_one_run = base.name.run_id == head.name.run_id
    different = [] if is_one_run else differences(environment_of(base.run), environment_of(head.run))
    rows, reasons = [], []
    made = compare(_frame(pair, base.cases), _frame(pair, head.cases))
    reasons += made.unlike
    ratios = iter(made.ratios)
    ratio = next(ratios, None)
    for one in head.cases:  # ratios are in the order of these
        if ratio is not None and _is_of(ratio, one, pair):
            other = _like(pair, one, base.cases)
            row = _row(ratio, one, other)
            about = (one.row, *((other.row,) if other is not None else ()))
            found_cases = [case for each in about if (case := history(each)) is not None]
            details = Details(
                base=conditions(other.invocations if other is not None else []),
                head=conditions(one.invocations),
                steps=steps(other.invocations if other is not None else [], one.invocations),
                ab=_ab(pair, base.run, head.run, one, baselines),
                environment=_lines(different, ratio.device),
                histories=list({case.key: case for case in found_cases}.values()),
            )
            rows.append(replace(row, details=details))
            ratio = next(ratios, None)
    reasons += _only_in_base(pair, base.cases, head.cases)
    ordered = in_order(rows)
    return Compared(
        title=_title(pair),
        base=pair.base.text,
        head=pair.head.text,
        summary=counts(ordered),
        trust=TRUST_WITHIN if is_one_run else TRUST,
        rows=ordered,
        not_compared=grouped(reasons),
        environment=lines_of(different),
    )


def _title(pair: PairName) -> str:
    if pair.across_devices:
        return f"{pair.base.device} and {pair.head.device}"
    if pair.across_engines:
        return f"{pair.base.engine} and {pair.head.engine}"
    return f"{pair.base.run_id} and {pair.head.run_id}"


_ENGINE = ("engine", "variant", "isa")
_DEVICE = ("device", "device_model", "isa")


def _joining(pair: PairName) -> dict[str, str | None]:
    """Columns in which the sides of a pair differ on purpose, with a value in the place of both."""
    found: dict[str, str | None] = {}
    if pair.across_engines:
        found |= dict.fromkeys(_ENGINE) | {"engine": f"{pair.base.engine} -> {pair.head.engine}"}
    if pair.across_devices:
        found |= dict.fromkeys(_DEVICE) | {"device": f"{pair.base.device} -> {pair.head.device}"}
    return found


_COLUMNS = {
    name: CASE_COLUMNS[name]
    for name in (
        *("workload", "device", "device_model", "engine", "variant", "isa", "threads", "dataset_sha256", "status"),
        *("latency_ns", "latency_low_ns", "latency_high_ns", "latency_n", "trust", "trust_words"),
    )
}
"""Those that `compare` looks at: a frame of all takes ten times as long."""


def _frame(pair: PairName, cases: Sequence[Measured]) -> pd.DataFrame:
    joining = _joining(pair)
    return build(({**one.row, **joining} for one in cases), _COLUMNS)


_KEY = ("workload", "device", "engine", "variant", "threads")


def _key(pair: PairName, row: Mapping[str, Any]) -> tuple[Any, ...]:
    joined = {**row, **_joining(pair)}
    return tuple(joined.get(name) for name in _KEY)


def _like(pair: PairName, one: Measured, others: Sequence[Measured]) -> Measured | None:
    """The case of the other side that it is compared with."""
    alike = [other for other in others if _key(pair, other.row) == _key(pair, one.row)]
    return next((other for other in alike if other.row.get("isa") == one.row.get("isa")), alike[0] if alike else None)


def _is_of(ratio: Ratio, one: Measured, pair: PairName) -> bool:
    row = {**one.row, **_joining(pair)}
    names = (row["workload"], row["engine"], row["device"], int(row["threads"] or 1), row.get("latency_ns"))
    return (ratio.workload, ratio.engine, ratio.device, ratio.threads, ratio.head_ns) == names


def _only_in_base(pair: PairName, base: Sequence[Measured], head: Sequence[Measured]) -> list[tuple[str, str]]:
    known = {_key(pair, one.row) for one in head}
    return [
        (f"{one.row['workload']} on {one.row['engine']}", "the head has no such case")
        for one in base
        if _key(pair, one.row) not in known
    ]


def _row(ratio: Ratio, head: Measured, base: Measured | None) -> ComparedRow:
    size = math.log(ratio.ratio) if ratio.ratio > 0 else 0.0
    least = 0.0
    if ratio.low is not None and ratio.high is not None and ratio.low > 0:
        least = max(math.log(ratio.low), -math.log(ratio.high), 0.0)
    changed = is_change(least)
    statuses = dict.fromkeys(
        str(one.row["status"]).replace("_", " ")
        for one in (base, head)
        if one is not None and one.row["status"] != "ok"
    )
    between = "" if ratio.low is None or ratio.high is None else f"{signed(ratio.low - 1)} .. {signed(ratio.high - 1)}"
    return ComparedRow(
        workload=ratio.workload,
        engine=ratio.engine,
        device=ratio.device,
        threads=ratio.threads,
        metric="latency",
        word=(ABOVE if size > 0 else BELOW) if changed else NOT_SETTLED if between else "no interval",
        is_verdict=False,
        base=ratio.base,
        head=ratio.head,
        effect=signed(ratio.ratio - 1),
        interval=between,
        trust="; ".join([*([ratio.trust] if ratio.trust else []), *statuses]),
        order=0 if changed else 1,
        least=least,
        size=abs(size),
        is_changed=changed,
        is_worse=changed and size > 0,
    )


def _lines(found: Sequence[Difference], device: str) -> list[str]:
    """What differs on the row's device, and what of no device."""
    names = device.split(" -> ")
    return lines_of(one for one in found if not one.is_device or one.where in names)


def _ab(
    pair: PairName, base: StoredRun, head: StoredRun, one: Measured, baselines: Sequence[KeptBaseline]
) -> AbCommand:
    case = Case(str(one.row["workload"]), str(one.row["device"]), int(one.row["threads"] or 1))
    if pair.across_devices:
        return of_devices(str(pair.base.device), str(pair.head.device))
    if pair.across_engines:
        return of_engines(head.record, case, str(pair.base.engine), str(pair.head.engine))
    return of_runs(base.record, head.record, case, str(one.row["engine"]), baselines)
