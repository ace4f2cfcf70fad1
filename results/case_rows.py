"""The rows of a stored run: one for each case, one for each invocation.

What was not measured is None, never 0. Times of emulated devices are None too: they mean nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from bnnbench.results.case_result import CaseResult, case_results, median_ns
from bnnbench.results.columns import INVOCATION_COLUMNS
from bnnbench.results.metrics import METRICS
from bnnbench.results.records import Accuracy, CaseRecord, Invocation, RunRecord, Skip
from bnnbench.results.statistics.level import Level
from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.statistics.quantile import quantile
from bnnbench.results.store.stored_run import StoredRun


def _run_columns(record: RunRecord, device: str) -> dict[str, Any]:
    model, boot_id, emulated = (record.fact(device, name) for name in ("model", "boot_id", "emulated"))
    return {
        "run_id": record.run_id,
        "created": record.created,
        "commit": record.commit,
        "comparison": bool(record.comparisons),
        "device": device,
        "device_model": None if model is None else str(model),
        # Absent where the device could not tell.
        "emulated": emulated if isinstance(emulated, bool) else None,
        "boot_id": None if boot_id is None else str(boot_id),
    }


def _case_columns(case: CaseRecord) -> dict[str, Any]:
    return {
        "engine": case.engine,
        "variant": case.variant,
        "engine_build": case.engine_build,
        "isa": case.isa,
        "threads": case.threads,
        "caveat": case.caveat,
        **_workload_columns(case),
    }


def _workload_columns(case: CaseRecord | Skip) -> dict[str, Any]:
    return {
        "workload": case.workload,
        "kind": case.kind,
        "op": case.op,
        "macs_1bit": case.macs_1bit,
        "macs_32bit": case.macs_32bit,
        "bytes_moved": case.bytes_moved,
        "size_bytes": case.size_bytes,
        "plan_sha256": case.plan_sha256,
    }


def case_rows(run: StoredRun) -> Iterator[dict[str, Any]]:
    """The rows of `CASE_COLUMNS`: cases in the order of the plan, then what was skipped."""
    for result in case_results(run):
        yield {
            **_run_columns(run.record, result.case.device),
            **_case_columns(result.case),
            **_result_columns(result),
        }
    workloads = {case.workload: _workload_columns(case) for case in run.record.cases}
    for skip in run.record.skips:
        yield {**_run_columns(run.record, skip.device), **_skip_columns(skip, workloads)}


def _result_columns(result: CaseResult) -> dict[str, Any]:
    latency = result.latency
    return {
        "engine_build": result.engine_build,
        "isa": result.isa,
        "status": result.status,
        "reason": result.reason,
        "reason_code": result.reason_code,
        "trust": result.trust,
        "trust_reasons": "; ".join(result.trust_reasons) or None,
        "trust_words": "; ".join(result.trust_words) or None,
        "rounding": result.rounding,
        "confirmed_by": None if result.confirmed_by is None else ("; ".join(result.confirmed_by) or "nobody"),
        **{METRICS[key].column: figure for key, figure in result.figures.items()},
        **{str(METRICS[key].low): _ends(interval)[0] for key, interval in result.intervals.items()},
        **{str(METRICS[key].high): _ends(interval)[1] for key, interval in result.intervals.items()},
        "latency_low_ns": _ends(latency)[0],
        "latency_high_ns": _ends(latency)[1],
        "latency_n": latency and latency.n,
        "p90_ns": result.p90_ns,
        "gops": result.gops,
        "arena_bytes": result.arena_bytes,
        **_accuracy_columns(result.accuracy),
    }


def _ends(level: Level | None) -> tuple[float, float] | tuple[None, None]:
    """The ends of an interval; one figure has none."""
    return (None, None) if level is None or level.n < 2 else (level.low, level.high)


def _accuracy_columns(accuracy: Accuracy | None) -> dict[str, Any]:
    if accuracy is None or accuracy.correct is None or not accuracy.images:
        return {}
    low, high = proportion_interval(accuracy.correct, accuracy.images)
    top5 = accuracy.correct_top5
    return {
        "accuracy_low": low,
        "accuracy_high": high,
        "accuracy_n": accuracy.images,
        "accuracy_top5": None if top5 is None else top5 / accuracy.images,
        "compared": None if accuracy.differing is None else accuracy.compared or accuracy.images,
        "differing": accuracy.differing,
        "dataset": accuracy.dataset,
        "dataset_sha256": accuracy.dataset_sha256,
    }


def _skip_columns(skip: Skip, workloads: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    # A skip of before names its workload alone; what that is, another engine's case may know.
    known = workloads.get(skip.workload, {}) if skip.kind is None else _workload_columns(skip)
    return {
        **known,
        "workload": skip.workload,
        "engine": skip.engine,
        "variant": skip.variant,
        "threads": skip.threads,
        "status": "skipped",
        "reason": skip.reason,
        "reason_code": skip.code,
    }


_TIMES_OF_THE_ENGINE = (
    "median_ns",
    "mean_ns",
    "p90_ns",
    "first_ns",
    "load_ns",
    "samples_ns",
    "each_ns",
    "deadline_ns",
    "start_warm_ns",
    "start_dropped_ns",
    "warmup_samples_ns",
    "clock_hz",
    "start_ns",
    "end_ns",
    "run_request_ns",
    "wall_ns",
)


def invocation_rows(run: StoredRun) -> Iterator[dict[str, Any]]:
    """The rows of `INVOCATION_COLUMNS`, in the order they finished; failed ones too."""
    cases = {case.id: case for case in run.record.cases}
    for invocation in run.invocations:
        case = cases.get(invocation.case_id)
        if case is None:
            continue
        row = {
            **_run_columns(run.record, case.device),
            **_case_columns(case),
            **_invocation_columns(invocation),
            "isa": invocation.isa or case.isa,
            "engine_build": invocation.engine_build or case.engine_build,
        }
        if run.record.emulated(case.device):
            row |= dict.fromkeys(_TIMES_OF_THE_ENGINE)
        yield row


def _invocation_columns(invocation: Invocation) -> dict[str, Any]:
    median = median_ns(invocation)
    columns = {name: getattr(invocation, name) for name in INVOCATION_COLUMNS if name in Invocation.__struct_fields__}
    # An empty list is how the journal says that nothing was measured.
    columns |= {name: value or None for name, value in columns.items() if isinstance(value, list | dict)}
    if median is None:
        return columns
    return columns | {
        "median_ns": median,
        "mean_ns": sum(invocation.samples_ns) / len(invocation.samples_ns),
        "p90_ns": quantile(invocation.samples_ns, 0.9),
    }
