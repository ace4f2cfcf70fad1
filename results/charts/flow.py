"""A model as a chart: a box for each op, coloured by what it computes with, and how much of the work it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bnnbench.results.charts import style
from bnnbench.results.charts.flow_layout import BOX_HEIGHT, BOX_WIDTH, Edge, Layout, laid_out
from bnnbench.results.printable import printable, shorten
from bnnbench.results.store.atomic import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
MOST_BOXES = 1000
_LETTERS = 41
"""Of a line of a box."""
_TITLE = 0.95
"""Height of title and legend, in inches."""
_LEAST_WIDTH = 6.5
_DPI = 150
_BAR = 0.045

KINDS: Mapping[str, tuple[str, str]] = {
    "binary": ("binary", "#cfe3f7"),
    "int8": ("int8", "#fbe0c4"),
    "float": ("float32", "#e7e9ec"),
    "end": ("input and output", "#ffffff"),
}
"""Kind of a box -> what the legend calls it, and its colour."""


@dataclass(frozen=True, slots=True)
class Box:
    """`title` and `text` are its two lines; `share` is that of the work, for a bar: None where it has none."""

    title: str
    text: str
    kind: str
    share: float | None = None


def draw(boxes: Sequence[Box], edges: Sequence[Edge], title: str, about: str, bars: str) -> "Figure":
    """The chart; `about` stands below its title, `bars` says what the bars are. ValueError for edges that lead
    backwards, or more than `MOST_BOXES`."""
    from matplotlib.figure import Figure

    if len(boxes) > MOST_BOXES:
        raise ValueError(f"{len(boxes)} boxes are too many to be read; {MOST_BOXES} can be drawn")
    layout = laid_out(len(boxes), edges)
    width, height = max(layout.width, _LEAST_WIDTH), layout.height + _TITLE
    with style.applied():
        figure = Figure((width, height))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, width)
        axes.set_ylim(layout.height, -_TITLE)
        axes.axis("off")
        _lines(axes, layout)
        most = max((box.share or 0.0 for box in boxes), default=0.0)
        for box, middle in zip(boxes, layout.boxes, strict=True):
            _box(axes, box, *middle, most)
        _head(axes, boxes, title, about, bars)
    return figure


def save(figure: "Figure", path: Path, title: str) -> None:
    """Writes it, by the suffix of `path`: one of `FORMATS`. The same figure gives the same bytes. Raises OSError."""
    import io

    import matplotlib as mpl

    kind = path.suffix.removeprefix(".")
    about = {"Title": printable(title)}
    metadata: dict[str, str | None] = {**about, "CreationDate": None} if kind == "pdf" else {**about}
    if kind == "svg":
        metadata["Date"] = None
    buffer = io.BytesIO()
    with style.applied(), mpl.rc_context({"pdf.fonttype": 42, "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, dpi=_DPI, facecolor="white", metadata=metadata)
    write_atomically(path, buffer.getvalue())


def _lines(axes: "Axes", layout: Layout) -> None:
    for line in layout.lines:
        is_straight = len(line) == 2
        colour = style.MUTED.light if is_straight else style.ENGINES["native"].light
        xs, ys = zip(*line, strict=True)
        axes.plot(xs, ys, color=colour, linewidth=0.9, zorder=1, solid_joinstyle="round")
        axes.plot(xs[-1], ys[-1] - 0.02, marker="v", markersize=3.2, color=colour, zorder=2)


def _box(axes: "Axes", box: Box, x: float, y: float, most: float) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    left, top = x - BOX_WIDTH / 2, y - BOX_HEIGHT / 2
    shape = FancyBboxPatch(
        (left, top),
        BOX_WIDTH,
        BOX_HEIGHT,
        boxstyle=f"round,pad=0,rounding_size={0.15 if box.kind == 'end' else 0.04}",
        facecolor=KINDS[box.kind][1],
        edgecolor=style.MUTED.light,
        linewidth=0.6,
        zorder=3,
    )
    axes.add_patch(shape)
    if box.share and most:
        width = (BOX_WIDTH - 0.08) * box.share / most
        bar = Rectangle((left + 0.04, top + BOX_HEIGHT - _BAR - 0.015), width, _BAR, color=style.ALARM.light, zorder=4)
        axes.add_patch(bar)
    lines = [(box.title, 0.30, "bold"), (box.text, 0.64, "normal")] if box.text else [(box.title, 0.5, "bold")]
    for text, place, weight in lines:
        axes.text(
            x,
            top + place * BOX_HEIGHT,
            shorten(text, _LETTERS),
            ha="center",
            va="center",
            fontsize=6.6,
            fontweight=weight,
            zorder=5,
        )


def _head(axes: "Axes", boxes: Sequence[Box], title: str, about: str, bars: str) -> None:
    from matplotlib.patches import Patch

    axes.text(0.2, -_TITLE + 0.22, shorten(title, 70), fontsize=10, fontweight="bold", va="center")
    axes.text(0.2, -_TITLE + 0.45, shorten(about, 100), fontsize=7.5, color=style.MUTED.light, va="center")
    kinds = {box.kind for box in boxes}
    handles = [
        Patch(facecolor=colour, edgecolor=style.MUTED.light, linewidth=0.6, label=name)
        for kind, (name, colour) in KINDS.items()
        if kind in kinds
    ]
    if any(box.share for box in boxes):
        handles.append(Patch(color=style.ALARM.light, label=bars))
    axes.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(0.12, -_TITLE + 0.70),
        bbox_transform=axes.transData,
        ncol=len(handles),
        handlelength=1.2,
        columnspacing=1.2,
        fontsize=7.5,
    )
