"""The legend above a chart: colours are engines, markers are devices (and thread counts)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bnnbench.results.charts import style
from bnnbench.results.printable import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D

_LEAST = 3
"""Letters that are left of a label at least."""


def legend(
    ax: "Axes",
    tints: Mapping[str, style.Colour],
    tracks: Sequence[tuple[str, int]],
    hollow: str | None = None,
) -> None:
    """Puts the legend above `ax`; `tracks` are (place, threads), told apart by their markers when there are
    several. `hollow` says what hollow markers are, where there are some.

    As many entries stand on a line as the figure has room for; a single one that is wider is shortened.
    """
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], marker="o", linestyle="", color=tint.light, markersize=6, label=shorten(name, 28))
        for name, tint in tints.items()
    ]
    if len(tracks) > 1:
        many_threads = len({threads for _, threads in tracks}) > 1
        for index, (place, threads) in enumerate(tracks):
            name = shorten(place, 34) + (f", {threads} thread{'s' * (threads != 1)}" if many_threads else "")
            marker = style.MARKERS[index % len(style.MARKERS)]
            entries.append(
                Line2D([], [], marker=marker, linestyle="", color=style.MUTED.light, markersize=6, label=name)
            )
    if hollow:
        entries.append(
            Line2D(
                *([], []),
                marker="o",
                linestyle="",
                color=style.MUTED.light,
                markerfacecolor=style.SURFACE.light,
                markersize=6,
                label=hollow,
            )
        )
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = figure.bbox.width - 2 * style.EDGE * figure.dpi
    for columns in range(len(entries), 0, -1):
        if _box(ax, entries, columns).get_window_extent().width <= room:
            return
    for letters in range(max(len(str(entry.get_label())) for entry in entries), _LEAST, -1):
        for entry in entries:
            entry.set_label(shorten(str(entry.get_label()), letters))
        if _box(ax, entries, 1).get_window_extent().width <= room:
            return


def _box(ax: "Axes", entries: "Sequence[Line2D]", columns: int) -> "Legend":
    box = ax.legend(
        handles=entries,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.3,
        ncol=columns,
        handletextpad=0.2,
        columnspacing=1.2,
    )
    for text in box.get_texts():
        text.set_parse_math(False)
    return box
