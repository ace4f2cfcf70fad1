"""`bnnbench chart`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no
from bnnbench.results.charts import CHARTS

from .options import DebugOption, StoreOption

if TYPE_CHECKING:
    import pandas as pd

    from bnnbench.results.charts.chart import Chart
    from bnnbench.results.records import Peak
    from bnnbench.results.store.runs import Store
    from bnnbench.results.store.stored_run import StoredRun

EXAMPLES = """Examples:
  bnnbench chart latency-accuracy                              # all runs, as a PDF
  bnnbench chart latency latest                                # the last run only
  bnnbench chart pareto --width 3.3in --format svg             # a column of a paper
  bnnbench chart latency --where "device == 'pi4' and threads == 1"
  bnnbench chart roofline --where "device == 'pi4'"            # kernels against the device's limits
  bnnbench chart ecdf --where "workload == 'quicknet_s'"       # each engine's distribution
  bnnbench chart sustained latest                              # over time, after bnnbench sustain
  bnnbench chart history                                       # every case over all runs
  bnnbench chart size-accuracy --published "Pixel 1"           # with Larq Zoo's published figures"""

app = App(name="chart", help_epilogue=EXAMPLES)


@app.default
def chart(
    kind: Annotated[
        str,
        Parameter(help=f"One of {', '.join(CHARTS)}."),
    ],
    runs: Annotated[
        list[str] | None,
        Parameter(
            help="Run ids, unique prefixes, latest, or all; default: the newest result of each case (roofline, ecdf: "
            "latest)."
        ),
    ] = None,
    /,
    *,
    where: Annotated[str | None, Parameter(help="Only rows for which this expression over columns is true.")] = None,
    published: Annotated[
        str | None, Parameter(help='Add published figures for this device, such as "Pixel 1"; none adds no figures.')
    ] = None,
    format: Annotated[str, Parameter(help="pdf, svg or png.")] = "pdf",
    width: Annotated[str, Parameter(help="Width, such as 3.3in, 84mm or 8.4cm.")] = "6.9in",
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File to write; default: KIND.FORMAT.")
    ] = None,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Write one chart for a paper, and its caption."""
    from bnnbench.results import load, load_invocations
    from bnnbench.results.charts.paper import FORMATS, inches, save
    from bnnbench.results.models import choices
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .next_command import FIRST, missing_figures, named_first, records_of, sentences, with_store

    if kind not in CHARTS:
        raise CallError(f"{there_is_no('chart', kind, CHARTS)}.")
    if output is not None:
        format = output.suffix.removeprefix(".")
    if format not in FORMATS:
        raise CallError(f"charts are written as {', '.join(FORMATS)}, not as {format or 'a file without a suffix'!r}.")
    try:
        wide = inches(width)
    except ValueError as error:
        raise CallError(f"--width: {error}.") from None
    results = Store(store)
    with named_first(store):
        named = _named(results, runs, CHARTS[kind])
        frame = _rows(results, runs, CHARTS[kind]) if named is None else load(named)
    is_empty, frame = frame.empty, _where(frame, where)
    beside = None if published is None else _published(published)
    path = output or Path(f"{kind}.{format}")
    found = choices(frame)
    missing = missing_figures(found, CHARTS[kind].objectives, records_of(results, found), store)
    try:
        caption = save(
            *(CHARTS[kind], frame, path),
            width=wide,
            roofs=_roofs(named or _runs(results, frame)) if CHARTS[kind].shows_roofs else [],
            published=beside,
            invocations=lambda: load_invocations(named or _runs(results, frame)),
            runs=lambda: named or _runs(results, frame),
        )
    except ValueError as error:
        steps = sentences(missing) or ([f"run `{with_store(FIRST, store)}`"] if is_empty else [])
        raise CallError(f"there is nothing to draw: {'; '.join([str(error), *steps])}.") from None
    print(f"{path}\n{caption}")
    for left_out in sentences(missing):
        print(f"not in it: {left_out}", file=sys.stderr)


def _named(store: Store, runs: list[str] | None, chart: Chart) -> list[StoredRun] | None:
    """The runs that are named, of a chart of one run the latest; None for those of the whole store."""
    if runs == ["all"] or (runs is None and not chart.of_one_run):
        return None
    return [store.run(selector) for selector in runs or ["latest"]]


def _rows(store: Store, runs: list[str] | None, chart: Chart) -> pd.DataFrame:
    """The rows of all runs, or of all but comparisons where none is named."""
    from bnnbench.results import load
    from bnnbench.results.models import newest, without_comparisons

    if runs == ["all"]:
        return load(store)
    frame = without_comparisons(load(store))
    return frame if chart.shows_every_run else newest(frame)


def _runs(store: Store, frame: pd.DataFrame) -> list[StoredRun]:
    """The runs that a frame has rows of, oldest first."""
    from bnnbench.results.store.stored_run import is_run

    wanted = list(frame["run_id"].dropna().unique())
    if all(is_run(store.runs_path / run_id) for run_id in wanted):
        return [store.run(run_id) for run_id in wanted]
    return [run for run in store.runs() if run.record.run_id in wanted]  # some folders have other names


def _roofs(runs: list[StoredRun]) -> list[Peak]:
    return [peak for run in runs for peak in run.peaks if not run.record.emulated(peak.device)]


def _where(frame: pd.DataFrame, expression: str | None) -> pd.DataFrame:
    from ..errors import CallError

    if expression is None:
        return frame
    try:
        return frame.query(expression, engine="python")
    except Exception as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CallError(
            f"--where {expression!r} cannot be used ({message}); write it as \"device == 'pi4' and threads == 1\"."
        ) from None


def _published(device: str) -> pd.DataFrame:
    from ..errors import CallError
    from .published import published_frame

    frame = published_frame()
    found = frame[(frame["device"] == device) & (frame["threads"] == 1)]
    if found.empty:
        devices = sorted(frame["device"].dropna().unique())
        raise CallError(f"{there_is_no('device with published figures', device, devices)}.")
    return found.reset_index(drop=True)
