"""Charts as files for papers: PDF, SVG or PNG of a given width, fonts embedded, with a caption beside it."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from bnnbench.results.charts import style
from bnnbench.results.charts.chart import Chart, Invocations, Runs
from bnnbench.results.columns import equal
from bnnbench.results.doubts import by_device
from bnnbench.results.printable import printable
from bnnbench.results.records import Peak
from bnnbench.results.store.atomic import write_atomically

FORMATS = ("pdf", "svg", "png")
_PNG_DPI = 300
_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.0}
_LEAST, _MOST = 2.0, 40.0


def inches(text: str) -> float:
    """A width such as 3.3in, 84mm, 8.4cm or 240pt. ValueError for anything else, and for what is under 2 or over 40
    inches."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(in|cm|mm|pt)", text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a width; write it as 3.3in, 84mm, 8.4cm or 240pt")
    width = float(match[1]) * _INCHES[match[2]]
    if not _LEAST <= width <= _MOST:
        raise ValueError(f"a width of {text} is outside of {_LEAST:g} to {_MOST:g} inches")
    return width


def save(
    chart: Chart,
    frame: pd.DataFrame,
    path: Path,
    *,
    width: float,
    roofs: Sequence[Peak] = (),
    published: pd.DataFrame | None = None,
    invocations: Invocations | None = None,
    runs: Runs | None = None,
) -> Path:
    """Writes the chart to `path`, whose suffix is one of `FORMATS`, and its caption beside it; returns the caption's
    path. The runs and engine builds that it shows are in the metadata.

    The same frame gives the same bytes. Raises ValueError when there is nothing to draw, OSError.
    """
    import io

    import matplotlib as mpl

    figure = chart.figure(frame, roofs, width, published, invocations, runs)
    kind = path.suffix.removeprefix(".")
    facts = provenance(frame)
    buffer = io.BytesIO()
    with style.applied(), warnings.catch_warnings(), mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "path"}):
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(
            buffer, format=kind, dpi=_PNG_DPI, facecolor="white", metadata=_metadata(kind, chart.title, facts)
        )
    caption = path.with_suffix(".txt")
    write_atomically(path, buffer.getvalue())
    write_atomically(caption, f"{describe(chart, frame, facts, published is not None)}\n".encode())
    return caption


def provenance(frame: pd.DataFrame) -> dict[str, list[str]]:
    """Run ids, devices and engine builds of the rows that were measured."""
    rows = frame[~equal(frame["status"], "published")]
    builds = rows[["engine", "engine_build"]].dropna().drop_duplicates()
    return {
        "runs": sorted(map(str, rows["run_id"].dropna().unique())),
        "devices": sorted(map(str, rows["device"].dropna().unique())),
        "builds": sorted(f"{row['engine']} {str(row['engine_build'])[:16]}" for row in builds.to_dict("records")),
    }


def describe(chart: Chart, frame: pd.DataFrame, facts: Mapping[str, Sequence[str]], published: bool) -> str:
    """The caption: what is shown, where it was measured, and from which runs."""
    models = frame["device_model"].dropna().unique()
    where = ", ".join([*facts["devices"]]) + (f" ({', '.join(map(str, models))})" if len(models) else "")
    sentences = [f"{chart.title}. {chart.caption}", *(by_device(frame) if chart.is_of_times else [])]
    if facts["runs"]:
        sentences.append(f"Measured with bnnbench on {where}; runs {', '.join(facts['runs'])}.")
    if facts["builds"]:
        sentences.append(f"Engine builds: {', '.join(facts['builds'])}.")
    if published:
        sentences.append("Hollow markers are published figures, not measured here.")
    return printable(" ".join(sentences))


def _metadata(kind: str, title: str, facts: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
    about = printable(f"runs: {', '.join(facts['runs'])}; engine builds: {', '.join(facts['builds'])}")
    if kind == "pdf":
        return {"Title": title, "Subject": about, "Creator": "bnnbench", "Producer": None, "CreationDate": None}
    if kind == "svg":
        return {"Title": title, "Description": about, "Creator": "bnnbench", "Date": None}
    return {"Title": title, "Description": about, "Software": "bnnbench"}
