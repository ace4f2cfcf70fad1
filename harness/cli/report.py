"""`bnnbench report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bnnbench.results.store.calibration import Calibration
    from bnnbench.results.store.runs import Store
    from bnnbench.results.store.stored_run import StoredRun

EXAMPLES = """Examples:
  bnnbench report                 # the last run, into ./report
  bnnbench report 20260131-142501 20260201-09 -o side-by-side
  bnnbench report --history       # with each case's history"""

app = App(name="report", help_epilogue=EXAMPLES)


@app.default
def report(
    runs: Annotated[list[str] | None, Parameter(help="Run ids or unique prefixes; default: latest.")] = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder to write to.")] = Path("report"),
    history: Annotated[
        bool, Parameter(negative="", show_default=False, help="Also draw each case's history over all stored runs.")
    ] = False,
    command: Annotated[
        bool,
        Parameter(negative="", show_default=False, help="Also show command lines, which contain paths and addresses."),
    ] = False,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a run, or several side by side, as an HTML page with charts and as CSV."""
    from json import dumps

    from bnnbench.results.store.runs import Store

    results = Store(store)
    chosen = [results.run(selector) for selector in runs or ["latest"]]
    paths = {
        format: str(path)
        for format, path in write_report(chosen, output, results, history=history, commands=command).items()
    }
    print(dumps(paths) if json else "\n".join(paths.values()))


def write_report(
    chosen: Sequence[StoredRun],
    output: Path,
    results: Store,
    *,
    history: bool = False,
    commands: bool = False,
    lints: bool = True,
) -> dict[str, Path]:
    """Writes the page and what is beside it, by format; `history`: of all runs of the store; `lints`: with what lint
    finds in the files of the models. Raises StoreError."""
    from bnnbench.results import load
    from bnnbench.results.columns import equal
    from bnnbench.results.history import COLUMNS as HISTORY
    from bnnbench.results.models import OF_MODELS
    from bnnbench.results.pareto import COLUMNS as SPREAD
    from bnnbench.results.report import FORMATS, write
    from bnnbench.results.report.page_context import PageContext

    from ..tasks.report_advice import advice
    from .published import published_frame

    frame = load(chosen)
    names = set(frame.loc[equal(frame["kind"], "model"), "workload"].dropna())
    others = published_frame()
    related = others[others["workload"].isin(names)]
    has_models = bool(equal(frame["kind"], "model").any())
    calibrations = {name: _calibration(results.path, name) for name in dict.fromkeys(frame["device"].dropna())}
    context = PageContext(
        published=related.reset_index(drop=True) if len(related) else None,
        history=load(results, where=OF_MODELS, columns=SPREAD) if has_models else None,
        timeline=load(results, columns=HISTORY) if history else None,
        commands=commands,
        advice=advice(chosen) if lints and has_models else (),
        calibrations={name: known for name, known in calibrations.items() if known is not None},
    )
    return {format: write(chosen, output, format, context) for format in FORMATS}


def _calibration(store: Path, device: str) -> Calibration | None:
    """The last one of a device; a damaged one is left out with a warning, because the report does not rest on it."""
    from warnings import warn

    from bnnbench.results.errors import StoreError, StoreWarning
    from bnnbench.results.store.calibration import latest

    try:
        return latest(store, device)
    except StoreError as error:
        warn(StoreWarning(str(error)), stacklevel=2)
        return None
