"""A run from the beginning: reach -> plan -> store -> sessions -> end."""

from __future__ import annotations

from collections.abc import Sequence

from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import sign

from ..bench.context import Watcher
from ..errors import CallError, CannotMeasure
from ..plan.cases import MeasurementPlan, refused_models
from ..plan.config import RunConfig
from ..plan.run_record import make_record
from .execute import RunResult, execute
from .hosts import Hosts, ThisHost
from .ready import ready_to_run


def start_run(
    config: RunConfig, store: Store, watcher: Watcher, command: Sequence[str], hosts: Hosts | None = None
) -> RunResult:
    """Measures a suite from the beginning; `hosts` have its devices, None: this one. Raises HarnessError,
    InventoryError, StoreError; what has measured nothing by then leaves no run behind."""
    with ready_to_run(config, watcher, hosts or ThisHost(config.health)) as ready:
        if not ready.plan.records:
            raise CallError(_nothing(config, ready.plan))
        record = make_record(config, ready.plan, ready.comparisons, ready.targets, command)
        writer = store.create(store.in_order(record))
        try:
            sign(writer.path / "run.json")
            result = execute(store, writer, config, ready, watcher)
        except BaseException:
            if writer.is_empty:
                writer.discard()
            raise
        if writer.is_empty and result.outcome == "incomplete":
            writer.discard()
            raise CannotMeasure(" ".join(result.failures.values()))
        return result


def _nothing(config: RunConfig, plan: MeasurementPlan) -> str:
    if refused := refused_models(plan.skips, plan.records):
        return " ".join(dict.fromkeys(f"{skip.reason}." for skip in refused))
    if plan.skips:
        return f"nothing can be measured: {plan.skips[0].workload}: {plan.skips[0].reason}."
    within = config.compare.within if config.compare else None
    filters = " and ".join(repr(item) for item in (config.filter, within) if item is not None)
    return f"no workload of suite '{config.suite.name}' matches the filter {filters}."
