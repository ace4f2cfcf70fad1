"""Names beside points, placed so that none covers another name, a point, or the edge of the chart.

Names are placed one after another, each at the nearest free place around its point; a thin line leads to a name that is
not right beside it. A name for which there is no room is left out, so the important ones come first. (A library that
pushes labels apart, such as adjustText, neither ends without overlaps nor gives the same picture twice.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.transforms import Bbox

from bnnbench.results.charts import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DISTANCES = (2.5, 6.0, 12.0, 20.0, 30.0)  # points, from the edge of a marker to the name's edge
_DIRECTIONS = tuple(math.radians(angle) for angle in (0, 180, 90, 270, 45, 315, 135, 225, 22, 338, 158, 202, 67, 112))
_LED_FROM = 7.0
_PAD = 1.5
_SIZE = 7.5


@dataclass(frozen=True, slots=True)
class Label:
    """A name for the point (x, y) in data coordinates, whose marker has a radius in points."""

    x: float
    y: float
    radius: float
    text: str


def place(ax: "Axes", labels: Sequence[Label], lines: Sequence[tuple[float, float, float, float]] = ()) -> list[str]:
    """Writes the labels, the first ones with the most freedom, and returns those that found no place.

    `lines` are level or upright ones that nothing may cover: x and y of both ends, in data coordinates.

    The axes must have their final size and limits.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72.0
    frame = ax.get_window_extent()
    taken = [_marker(ax, label, scale) for label in labels]
    taken += [Bbox(ax.transData.transform([line[:2], line[2:]])).padded(1.0 * scale) for line in lines]
    left_out = []
    for label in labels:
        text = ax.annotate(
            label.text,
            xy=(label.x, label.y),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            size=_SIZE,
            color=style.INK.light,
            parse_math=False,
            zorder=6,
            annotation_clip=False,
        )
        text.set_in_layout(False)
        box = text.get_window_extent()
        width, height = box.width / scale, box.height / scale
        x, y = ax.transData.transform((label.x, label.y))
        spot = _free((float(x), float(y)), label.radius, width, height, scale, frame, taken)
        if spot is None:
            text.remove()
            left_out.append(label.text)
            continue
        (dx, dy), box, led = spot
        text.set_position((dx, dy))
        taken.append(box)
        if led:
            end = (dx - math.copysign(min(abs(dx), width / 2), dx), dy - math.copysign(min(abs(dy), height / 2), dy))
            line = ax.annotate(
                "",
                xy=(label.x, label.y),
                xytext=end,
                textcoords="offset points",
                zorder=2,
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": style.MUTED.light,
                    "linewidth": 0.6,
                    "shrinkA": 0,
                    "shrinkB": label.radius,
                },
            )
            line.set_in_layout(False)
    return left_out


def _free(
    middle: tuple[float, float],
    radius: float,
    width: float,
    height: float,
    scale: float,
    frame: Bbox,
    taken: Sequence[Bbox],
) -> tuple[tuple[float, float], Bbox, bool] | None:
    """The offset of the name's centre in points, the place it takes in pixels, and whether a line should lead there."""
    for distance in _DISTANCES:
        for angle in _DIRECTIONS:
            dx = math.cos(angle) * (radius + distance) + _sign(math.cos(angle)) * width / 2
            dy = math.sin(angle) * (radius + distance) + _sign(math.sin(angle)) * height / 2
            x, y = middle[0] + dx * scale, middle[1] + dy * scale
            half_width, half_height = (width / 2 + _PAD) * scale, (height / 2 + _PAD) * scale
            box = Bbox.from_extents(x - half_width, y - half_height, x + half_width, y + half_height)
            inside = box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
            if inside and not any(_overlap(box, other) for other in taken):
                return (dx, dy), box, distance > _LED_FROM
    return None


def _sign(value: float) -> float:
    return 0.0 if abs(value) < 1e-9 else math.copysign(1.0, value)


def _marker(ax: "Axes", label: Label, scale: float) -> Bbox:
    x, y = ax.transData.transform((label.x, label.y))
    radius = label.radius * scale
    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)


def _overlap(first: Bbox, second: Bbox) -> bool:
    return bool(first.x0 < second.xmax and second.xmin < first.x1 and first.y0 < second.ymax and second.ymin < first.y1)
