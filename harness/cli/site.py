"""`bnnbench site`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from bnnbench.results.site.build import Built

    from .progress import Display

EXAMPLES = """Examples:
  bnnbench site                              # the store of this project, into ./public
  bnnbench site -o /srv/www/bench --store s3://team-results/bench
  bnnbench site --since 2026-01-01 --last 10 # without older runs; pages for the last 10 runs
  bnnbench site --lab tls://desk:8786        # also a page of the lab, as it is now
  bnnbench site --report-charts              # also the charts of reports"""

app = App(name="site", help_epilogue=EXAMPLES)
_SHOW_EVERY_S = 0.2


@app.default
def site(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Folder to write to.")] = Path("public"),
    last: Annotated[
        int, Parameter(name="--last", help="Runs of each device and suite that get a page of their own.")
    ] = 3,
    since: Annotated[
        str | None, Parameter(name="--since", help="Leave out runs that began before this date, such as 2026-01-31.")
    ] = None,
    report_charts: Annotated[
        bool,
        Parameter(
            name="--report-charts",
            negative="",
            show_default=False,
            help="Draw the charts of runs' reports: seconds for each.",
        ),
    ] = False,
    lab: Annotated[
        str | None,
        Parameter(
            name="--lab", help="Also a page of the lab at this address, such as tls://lab.local:8786, as it is now."
        ),
    ] = None,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the store as a site: static pages of devices, cases and runs, for any web server."""
    from dataclasses import asdict

    from bnnbench.results.site.build import build
    from bnnbench.results.site.source import Asked
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .documents.document import text_of
    from .documents.store import SiteDocument
    from .progress import Display
    from .published import published_models
    from .terminal import Console

    if last < 0:
        raise CallError(f"--last is the number of runs that get a page, not {last}: give 0 or more.")
    asked = Asked(last_runs=last, since=moment_of(since), published=published_models(), report_charts=report_charts)
    state = None
    if lab is not None:
        from ..lab.choose import require_extra

        require_extra()
        from ..lab.lab_state import ask_lab

        state = ask_lab(lab)
    with Display(Console(stderr=True)) as display:
        built = build(Store(store), output, asked, watch=SiteWatch(display), lab=state)
    if json:
        print(text_of(SiteDocument(**{**asdict(built), "first": str(built.first)}), indent=None))
    else:
        print(_sentence(built))
        print(built.first)


def moment_of(since: str | None) -> str | None:
    """ISO 8601 in UTC. Raises CallError."""
    from bnnbench.results.tables.arrow import moment

    from ..errors import CallError

    if since is None:
        return None
    found = moment(since)
    if found is None:
        raise CallError(f"--since {since!r} is no date or time: write it as 2026-01-31 or 2026-01-31T14:25.")
    return found.isoformat(timespec="microseconds")


def _sentence(built: Built) -> str:
    from bnnbench.results.quantity import size

    text = (
        f"{built.runs:,} run{'' if built.runs == 1 else 's'}, {built.cases:,} case{'' if built.cases == 1 else 's'}: "
    )
    text += f"{built.written:,} page{'' if built.written == 1 else 's'} written ({size(built.written_bytes)})"
    if built.kept:
        text += f", {built.kept:,} as before"
    return text + (f", {built.removed:,} removed" if built.removed else "")


class SiteWatch:
    """Shows how far a build is, now and then."""

    def __init__(self, display: Display) -> None:
        self._display, self._shown = display, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        if time.monotonic() - self._shown >= _SHOW_EVERY_S:
            self._shown = time.monotonic()
            self._display.phase("site", what, done, total)
