"""What a run comes to: a row for the run and one for each of its devices, cases, verdicts and invocations."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bnnbench.results.case_rows import case_rows, invocation_rows
from bnnbench.results.columns import CASE_COLUMNS, INVOCATION_COLUMNS
from bnnbench.results.records import RunRecord
from bnnbench.results.store.listing import folder_size
from bnnbench.results.store.run_columns import RUN_COLUMNS
from bnnbench.results.store.stored_run import UNFINISHED, StoredRun
from bnnbench.results.tables.arrow import table
from bnnbench.results.verdict.frame import VERDICT_COLUMNS, verdict_row_values

_FACTS: Mapping[str, str] = {
    **dict.fromkeys(("machine", "kernel", "os_release", "triple", "cpu_model", "governor", "firmware"), "string"),
    **dict.fromkeys(("machine_id", "hypervisor", "python3"), "string"),
    "memory_bytes": "Int64",
    "container": "boolean",
}
DEVICE_COLUMNS: Mapping[str, str] = {
    "run_id": "string",
    "created": "datetime64[us, UTC]",
    "device": "string",
    "device_model": "string",
    "emulated": "boolean",
    "boot_id": "string",
    **_FACTS,
    "facts": "string",
}
"""A row for each device of a run; `facts` is JSON: the value of every fact by its name."""
_KINDS: Mapping[str, type] = {"string": str, "Int64": int, "boolean": bool}


@dataclass(frozen=True, slots=True)
class RunTables:
    """The tables of a run; `runs` has one row."""

    runs: pa.Table
    devices: pa.Table
    cases: pa.Table
    verdicts: pa.Table


def tables_of_run(run: StoredRun) -> RunTables:
    """All but the invocations, from the journal."""
    size = None if run.path is None else folder_size(run.path)
    listed = run_table(run.record, *ending(run), size)
    return RunTables(listed, device_table(run.record), case_table(run), verdict_table(run))


def ending(run: StoredRun) -> tuple[str, float | None]:
    """How a run ended, and ns that it took; imported runs have no journal, and are complete."""
    if run.end is not None:
        return run.end.outcome, run.end.wall_ns
    return "complete" if not run.entries and run.is_finished else UNFINISHED, None


def run_table(record: RunRecord, outcome: str, wall_ns: float | None, folder_bytes: int | None) -> pa.Table:
    """One row in `RUN_COLUMNS`: what the run is, and how it ended."""
    row = {
        "run_id": record.run_id,
        "created": record.created,
        "created_text": record.created,
        "sorted_by": record.place[0],
        "suite": record.suite_name,
        "version": record.version,
        "commit": record.commit,
        "devices": list(record.devices) or list(dict.fromkeys(case.device for case in record.cases)),
        "cases": len(record.cases),
        "skips": len(record.skips),
        "comparisons": len(record.comparisons),
        "outcome": outcome,
        "wall_ns": wall_ns,
        "folder_bytes": folder_bytes,
    }
    return table([row], RUN_COLUMNS)


def device_table(record: RunRecord) -> pa.Table:
    """A row for each device, in the run's order."""
    return table((_device(record, name) for name in record.devices), DEVICE_COLUMNS)


def _device(record: RunRecord, device: str) -> dict[str, Any]:
    known = {name: record.fact(device, name) for name in record.devices[device]}
    model, boot_id, emulated = (known.get(name) for name in ("model", "boot_id", "emulated"))
    return {
        "run_id": record.run_id,
        "created": record.created,
        "device": device,
        "device_model": None if model is None else str(model),
        "emulated": emulated if isinstance(emulated, bool) else None,
        "boot_id": None if boot_id is None else str(boot_id),
        **{name: known.get(name) if type(known.get(name)) is _KINDS[kind] else None for name, kind in _FACTS.items()},
        "facts": json.dumps(known, sort_keys=True),
    }


def case_table(run: StoredRun) -> pa.Table:
    """`CASE_COLUMNS`."""
    return table(case_rows(run), CASE_COLUMNS)


def verdict_table(run: StoredRun) -> pa.Table:
    """`VERDICT_COLUMNS`."""
    return table(verdict_row_values(run), VERDICT_COLUMNS)


def invocation_table(run: StoredRun) -> pa.Table:
    """`INVOCATION_COLUMNS`; dictionaries are JSON text."""
    return table(invocation_rows(run), INVOCATION_COLUMNS)
