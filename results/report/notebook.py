"""The results of runs as a piece of HTML for notebooks: the report's table and verdicts, without script or page."""

from collections.abc import Sequence
from pathlib import Path

from bnnbench.results.charts import style
from bnnbench.results.frames import load
from bnnbench.results.printable import harmless
from bnnbench.results.report.page import verdict_lines
from bnnbench.results.report.rows import table
from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.table import notes
from bnnbench.results.verdict.rows import headline, verdict_rows

_TEMPLATES = Path(__file__).parent / "templates"


def render(runs: Sequence[StoredRun]) -> str:
    """An element of its own, whose styles reach no other; every string of the runs is treated as hostile."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    frame = load(runs)
    text = environment.get_template("notebook.html").render(
        title=", ".join(run.record.run_id for run in runs) if len(runs) < 4 else f"{len(runs)} runs",
        table=table(frame, {run.record.run_id: run.peaks for run in runs}),
        notes=notes(frame),
        verdicts=verdict_lines(runs),
        verdict_headline=headline(row for run in runs for row in verdict_rows(run)),
        colours=style.variables()[0],
    )
    return harmless(text)
