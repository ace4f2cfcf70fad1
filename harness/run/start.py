"""A run from the beginning: reach -> plan -> store -> sessions -> end."""

from __future__ import annotations

from collections.abc import Sequence

from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import sign

from ..bench.context import Watcher
from ..errors import CallError
from ..plan.cases import Plan
from ..plan.config import RunConfig
from ..plan.run_record import make_record
from .execute import RunResult, execute
from .ready import ready_to_run


def start_run(config: RunConfig, store: Store, watcher: Watcher, command: Sequence[str]) -> RunResult:
    """Measures a suite from the beginning. Raises HarnessError, InventoryError, StoreError."""
    with ready_to_run(config, watcher) as ready:
        if not ready.plan.records:
            raise CallError(_nothing(config, ready.plan))
        record = make_record(config, ready.plan, ready.comparisons, [one.target for one in ready.reached], command)
        writer = store.create(store.in_order(record))
        sign(writer.path / "run.json")
        return execute(store, writer, config, ready, watcher)


def _nothing(config: RunConfig, plan: Plan) -> str:
    if plan.skips:
        return f"nothing can be measured: {plan.skips[0].workload}: {plan.skips[0].reason}."
    return f"no workload of suite '{config.suite.name}' matches the filter {config.filter!r}."
