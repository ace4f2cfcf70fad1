"""The page: one HTML file that needs nothing else, neither network nor script."""

import base64
import hashlib
from pathlib import Path

from bnnbench.results.charts import style
from bnnbench.results.printable import harmless
from bnnbench.results.report import Runs, csv
from bnnbench.results.report.page import page
from bnnbench.results.report.page_context import PageContext
from bnnbench.results.store.atomic import write_atomically

_TEMPLATES = Path(__file__).parent / "templates"


def write(runs: Runs, directory: Path, context: PageContext | None = None) -> Path:
    """Writes `index.html`, with `results.csv` and `invocations.csv` beside it, and returns the page's path.

    Every string of the runs is treated as hostile. Raises StoreError when the folder can't be written or
    there is no run.
    """
    every = csv.listed(runs)
    csv.write(every, directory)
    path = directory / "index.html"
    write_atomically(path, render(every, context).encode("utf-8", "replace"))
    return path


def render(runs: Runs, context: PageContext | None = None) -> str:
    """The page as text; the same runs give the same text. Raises StoreError when there is no run."""
    import jinja2

    every = csv.listed(runs)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_TEMPLATES / "page.js").read_text(encoding="utf-8")
    light, dark = style.variables()
    text = environment.get_template("page.html").render(
        page=page(every, context or PageContext()),
        home=(context or PageContext()).home,
        css=(_TEMPLATES / "page.css").read_text(encoding="utf-8"),
        script=script,
        # The page runs this script and no other, whatever got into it.
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        light=light,
        dark=dark,
    )
    return harmless(text)
