"""`bnnbench export` and `bnnbench import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bnnbench.devices.closest import there_is_no

from .options import DebugOption, StoreOption

EXAMPLES = """Examples:
  bnnbench export --format pytest-benchmark -o now.json && pytest-benchmark compare now.json
  bnnbench export 20260131-142501 --format chrome-trace -o trace.json   # open it in Perfetto
  bnnbench import .benchmarks/*/0001_before.json                        # of pytest-benchmark"""


def export(
    run: Annotated[str, Parameter(help="Its id, a beginning of it, or latest.")] = "latest",
    /,
    *,
    format: Annotated[str, Parameter(help="pytest-benchmark, google-benchmark, bmf, chrome-trace or csv.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File to write; default the terminal.")
    ] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Write a run in the format of another tool."""
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


def import_(
    files: Annotated[list[Path], Parameter(help="JSON files of pytest-benchmark.")],
    /,
    *,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Take runs of pytest-benchmark into the store, as unverified ones."""
    from bnnbench.results.export.pytest_benchmark import from_json
    from bnnbench.results.measurements import finish
    from bnnbench.results.store.reading import read_regular
    from bnnbench.results.store.runs import Store

    from ..errors import CallError

    for file in files:
        try:
            text = read_regular(file).decode("utf-8")
        except UnicodeDecodeError:
            raise CallError(f"{file} is no text; give JSON files of pytest-benchmark.") from None
        except OSError as error:
            raise CallError(f"{file} cannot be read: {error.strerror}.") from None
        record, entries = from_json(text, str(file))
        with Store(store).create(record) as writer:
            for entry in entries:
                writer.append(entry)
            finish(writer)
        print(f"run {record.run_id}: {len(record.cases)} benchmarks")
