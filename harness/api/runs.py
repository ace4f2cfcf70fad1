"""Stored runs as Python sees them: `bnnbench.Run`, `bnnbench.Runs` and `bnnbench.load`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, overload

from .error import raises_sentences
from .found import Found, found, readable
from .words import opened

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from bnnbench.results.charts.chart import Chart
    from bnnbench.results.store.runs import Store
    from bnnbench.results.store.stored_run import StoredRun

    from ..run.execute import RunResult

_MOST_ROWS = 60


class Results:
    """The frames, charts and page of one run or several."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def _stored(self) -> list[StoredRun]:
        """The runs, whole: each journal is read once, when this is first asked for."""
        raise NotImplementedError

    @property
    def frame(self) -> pd.DataFrame:
        """A row per case: workload, engine, device, status, latency_ns with its interval, and more.

        docs/store.md lists all columns. Times are in ns; a value that was not measured is `pd.NA`.
        """
        from bnnbench.results import load as load_frame

        return load_frame(self._stored)

    @property
    def invocations(self) -> pd.DataFrame:
        """A row per invocation, in the order they finished, with every sample in ns (`samples_ns`)."""
        from bnnbench.results import load_invocations

        return load_invocations(self._stored)

    @property
    def verdicts(self) -> pd.DataFrame:
        """A row for each comparison and metric; empty if nothing was compared.

        `verdict` is regression, improvement, equivalent or inconclusive; if it is missing, `status` and `reason` have
        the cause. `effect`, `low` and `high` are ratios minus 1, for accuracies differences of shares.
        """
        from bnnbench.results.verdict.frame import verdict_frame

        return verdict_frame(self._stored)

    @raises_sentences
    def report(self, directory: str | PathLike[str] = "report", /, *, history: bool = False) -> Path:
        """Writes one HTML page with charts, and CSV files, as `bnnbench report` does.

        Args:
            directory: Folder to write to.
            history: Also draw each case's history over all stored runs.

        Returns:
            The page, `index.html`.

        Raises:
            CallError: The folder cannot be written.
        """
        from ..cli.report import write_report

        return write_report(self._stored, Path(directory), self._store, history=history)["html"]

    @raises_sentences
    def chart(self, kind: str, /, *, width: float = 8.0) -> Figure:
        """Draws a chart: `pareto`, `latency`, `roofline`, or another kind of `bnnbench chart`.

        Args:
            kind: Kind of the chart; the error for an unknown kind names the nearest one.
            width: Width in inches.

        Returns:
            A figure that is not registered with pyplot; notebooks show it, and it has `savefig`.

        Raises:
            CallError: The kind is unknown, or there is nothing to draw.
        """
        from bnnbench.devices.closest import there_is_no
        from bnnbench.results.charts import CHARTS

        from ..errors import CallError
        from .notebook import show_figures

        if kind not in CHARTS:
            raise CallError(f"{there_is_no('chart', kind, CHARTS)}.")
        drawn = CHARTS[kind]
        shown = self._stored if drawn.shows_roofs else []
        roofs = [peak for run in shown for peak in run.peaks if not run.record.emulated(peak.device)]
        show_figures()
        try:
            return drawn.figure(
                self._drawn(drawn), roofs, width, invocations=lambda: self.invocations, runs=lambda: self._stored
            )
        except ValueError as error:
            raise CallError(f"there is nothing to draw: {error}.") from None

    def _drawn(self, chart: Chart) -> pd.DataFrame:
        """The rows for a chart."""
        return self.frame

    def _repr_html_(self) -> str:
        """The table of the report, for notebooks."""
        from bnnbench.results.report.notebook import render

        return render(self._stored)


class Run(Results):
    """A run in a store, complete or cut off.

    Attributes:
        id: Its id, which sorts by time: `20260131-142501-9f3a1c`.
        outcome: `complete`, `incomplete` or `interrupted`.
        failures: Failed devices, with their reasons.
    """

    def __init__(self, stored: StoredRun, store: Store, outcome: str, failures: dict[str, str]) -> None:
        super().__init__(store)
        self.id = stored.record.run_id
        self._found = Found(stored, outcome, failures)

    def _read(self) -> Found:
        return self._found

    @property
    def _stored(self) -> list[StoredRun]:
        return [self._read().stored]

    @property
    def outcome(self) -> str:
        """How it ended."""
        return self._read().outcome

    @property
    def failures(self) -> dict[str, str]:
        """Why devices failed, by name."""
        return self._read().failures

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._stored[0].path or self._store.runs_path / self.id

    def __repr__(self) -> str:
        record = self._stored[0].record
        cases = f"{len(record.cases)} case{'' if len(record.cases) == 1 else 's'}"
        return f"<bnnbench.Run {self.id}: {record.suite_name}, {cases}, {self.outcome}>"


class _UnreadRun(Run):
    """A run of a store that is read when something of it is asked for."""

    def __init__(self, run_id: str, store: Store) -> None:
        Results.__init__(self, store)
        self.id = run_id

    @cached_property
    @raises_sentences
    def _now(self) -> Found:
        return found(self._store.run(self.id))

    def _read(self) -> Found:
        return self._now

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self._store.runs_path / self.id


class Runs(Results, Sequence[Run]):
    """Several runs, oldest first: a sequence of `Run`, with the rows of all of them in its frames."""

    def __init__(self, runs: Sequence[Run], store: Store, *, are_all: bool = False) -> None:
        """`are_all`: they are the runs of the store, whose index knows their rows."""
        super().__init__(store)
        self._runs, self._are_all = list(runs), are_all

    @property
    def _stored(self) -> list[StoredRun]:
        return [stored for run in self._runs for stored in readable(run._read)]  # noqa: SLF001 - of the same base class

    @property
    def frame(self) -> pd.DataFrame:
        """A row per case of every run; of a store that has an index, without reading its journals."""
        from bnnbench.results import load as load_frame

        return load_frame(self._store) if self._are_all else super().frame

    @overload
    def __getitem__(self, place: int | str) -> Run: ...
    @overload
    def __getitem__(self, place: slice) -> Runs: ...
    @raises_sentences
    def __getitem__(self, place: int | str | slice) -> Run | Runs:
        """Takes an index, an id, a unique prefix of an id, or a slice. Raises IndexError, CallError."""
        from ..errors import CallError

        if isinstance(place, slice):
            return Runs(self._runs[place], self._store)
        if isinstance(place, int):
            return self._runs[place]
        named = [run for run in self._runs if run.id.startswith(place)]
        if len(named) != 1:
            there = ", ".join(run.id for run in (named or self._runs)[-8:]) or "none"
            raise CallError(f"{len(named) or 'no'} runs begin with {place!r} in {self._store.runs_path}: {there}.")
        return named[0]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def _drawn(self, chart: Chart) -> pd.DataFrame:
        """Of each case the newest measurement, as `bnnbench chart` draws it."""
        from bnnbench.results.models import newest, without_comparisons

        if chart.of_one_run and self._runs:
            return self._runs[-1].frame
        frame = without_comparisons(self.frame)
        return frame if chart.shows_every_run else newest(frame)

    def _repr_html_(self) -> str:
        """A row per run, the newest first, for notebooks."""
        import pandas as pd

        rows = [
            {
                "run": run.record.run_id,
                "suite": run.record.suite_name,
                "devices": ", ".join(run.record.devices),
                "cases": len(run.record.cases),
                "outcome": run.end.outcome if run.end else "incomplete",
            }
            for item in reversed(self._runs[-_MOST_ROWS:])
            for run in readable(item._read)  # noqa: SLF001 - of the same base class
        ]
        table = str(pd.DataFrame(rows).to_html(index=False, max_rows=_MOST_ROWS))
        left_out = len(self) - len(rows)
        return table + (f"<p>and {left_out:,} older</p>" if left_out > 0 else "")

    def __repr__(self) -> str:
        return f"<bnnbench.Runs: {len(self)} in {self._store.path}>"


@raises_sentences
def load(store: str | PathLike[str] | None = None, /) -> Runs:
    """Reads the runs of a store, or one run's folder.

    Args:
        store: Folder of stored runs, or of one run in it, or `s3://bucket/prefix`; default: `runs` in the project.

    Returns:
        The runs, oldest first: `runs[-1]` is the latest, `runs["20260131-14"]` the one whose id has this prefix.

    Raises:
        CallError: There is no store, or it cannot be read.

    Example:
        >>> import bnnbench as bnn
        >>> made = bnn.run("quicknet_xs", engine="native", invocations=0, store="results")
        >>> bnn.load("results")[-1].id == made.id
        True
    """
    from bnnbench.results.store.listing import list_runs
    from bnnbench.results.store.stored_run import is_run, read_run

    if store is not None and is_run(Path(store)):
        where = opened(Path(store).parent)
        one = found(read_run(Path(store)))
        return Runs([Run(one.stored, where, one.outcome, one.failures)], where)
    where = opened(store)
    return Runs([_UnreadRun(line.run_id, where) for line in reversed(list_runs(where))], where, are_all=True)


def run_of(result: RunResult, store: Store) -> Run:
    """A run that has just ended. Raises KeyboardInterrupt for one that was interrupted: nothing may go on after it."""
    if result.outcome == "interrupted":
        run_id = result.stored.record.run_id
        again = f"bnnbench.run(resume={run_id!r}, store={store.place!r})"
        raise KeyboardInterrupt(f"run {run_id} was interrupted; finish it with {again}")
    return Run(result.stored, store, result.outcome, dict(result.failures))
