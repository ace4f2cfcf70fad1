"""`bnnbench export` and `bnnbench import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no

from .options import DebugOption, StoreOption

EXAMPLES = """Examples:
  bnnbench export --format pytest-benchmark -o now.json && pytest-benchmark compare now.json
  bnnbench export 20260131-142501 --format chrome-trace -o trace.json   # open it in Perfetto
  bnnbench import .benchmarks/*/0001_before.json                        # of pytest-benchmark"""

app = App(name="export", help_epilogue=EXAMPLES)
import_app = App(name="import", help_epilogue=EXAMPLES)


@app.default
def export(
    run: Annotated[str, Parameter(help="Run id, unique prefix, or latest.")] = "latest",
    /,
    *,
    format: Annotated[str, Parameter(help="pytest-benchmark, google-benchmark, bmf, chrome-trace or csv.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File to write; default: standard output.")
    ] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Export a run in another tool's format."""
    from bnnbench.results.export import EXPORTS
    from bnnbench.results.store.runs import Store

    from ..errors import CallError

    if format not in EXPORTS:
        raise CallError(f"{there_is_no('format', format, EXPORTS)}.")
    text = EXPORTS[format](Store(store).run(run))
    if output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        output.write_text(text if text.endswith("\n") else text + "\n", "utf-8")


@import_app.default
def import_(
    files: Annotated[list[Path], Parameter(help="JSON files of pytest-benchmark.")],
    /,
    *,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Import pytest-benchmark results into the store, marked as unverified."""
    from bnnbench.results.export.pytest_benchmark import from_json
    from bnnbench.results.store.reading import UnreadableError, read_regular, text_of
    from bnnbench.results.store.runs import Store
    from bnnbench.results.tables.run_files import finish

    from ..errors import CallError

    results = Store(store)
    for file in files:
        try:
            text = text_of(read_regular(file))
        except UnreadableError as error:
            raise CallError(f"{file}: {error}; give JSON files of pytest-benchmark.") from None
        except OSError as error:
            raise CallError(f"{file} cannot be read: {error.strerror}.") from None
        record, entries = from_json(text, str(file))
        digest = record.run_id.rpartition("-")[2]
        known = next((run for run in results.run_ids() if run.endswith(f"-{digest}")), None)
        if known is not None and results.run(known).is_finished:
            print(f"run {known}: {file} is in the store already")
            continue
        with results.create(record) if known is None else results.reopen(known) as writer:
            writer.append(*entries)
            finish(writer)
        print(f"run {record.run_id}: {len(record.cases)} benchmarks")
