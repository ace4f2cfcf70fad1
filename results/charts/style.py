"""How charts look: colours that stay apart for colour-blind readers, on paper and on a dark page.

An engine has the same colour in every chart. Each colour is a role with a light and a dark value; an SVG
carries both as CSS variables, so that one file is right on either page.
"""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Colour:
    """One role: `light` is drawn, and is what `var(--chart-ROLE)` falls back to."""

    role: str
    light: str
    dark: str


INK = Colour("ink", "#1c1f24", "#e8eaed")
MUTED = Colour("muted", "#626973", "#a0a7b1")
GRID = Colour("grid", "#e2e5e9", "#33383f")
LINK = Colour("link", "#c3c9d1", "#4d545e")
BAND = Colour("band", "#f5f6f8", "#1b1f24")
SURFACE = Colour("surface", "#fefefe", "#14171b")
ALARM = Colour("alarm", "#b3261e", "#ff8a80")

# Blue and orange differ for every kind of colour-blindness; the others follow Okabe and Ito (2008) in hue.
ENGINES = {
    "native": Colour("native", "#0a66b7", "#5cb0ff"),
    "numba": Colour("numba", "#d0650b", "#ffa654"),
    "lce": Colour("lce", "#00805b", "#3fd3a5"),
    "litert": Colour("litert", "#a3437f", "#f19ad0"),
    "tflite-benchmark": Colour("tflite", "#776800", "#dfca45"),
}
OTHERS = (
    Colour("other1", "#4a4fb0", "#abb0ff"),
    Colour("other2", "#007a86", "#4fd3e0"),
    Colour("other3", "#8a5a2b", "#d9ae84"),
    Colour("other4", "#5b6470", "#b4bcc7"),
)
COLOURS = (INK, MUTED, GRID, LINK, BAND, SURFACE, ALARM, *ENGINES.values(), *OTHERS)

EDGE = 0.06
"""Inches that a legend keeps from the edges of its figure."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bnnbench",
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": INK.light,
    "axes.labelcolor": MUTED.light,
    "axes.edgecolor": GRID.light,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": MUTED.light,
    "ytick.color": INK.light,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.grid": False,
    "grid.color": GRID.light,
    "grid.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "path.simplify": False,
    # Names with a dollar sign are names.
    "text.parse_math": False,
}


@contextmanager
def applied() -> Iterator[None]:
    """Matplotlib with this style, whatever the user's settings are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def settle(figure: "Figure") -> None:
    """Lays the figure out, once: a browser's font is narrower than the one measured, so nothing touches later."""
    legends = [(ax, box) for ax in figure.axes if (box := ax.get_legend()) is not None]
    above = max((box.get_window_extent().height for _, box in legends), default=0.0)
    for _, box in legends:
        box.set_in_layout(False)  # it may begin before the axes and end behind them
    share = above / figure.bbox.height
    figure.set_layout_engine("tight", pad=0.4, rect=(0.0, 0.0, 1.0, 1.0 - share))
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for ax, box in legends:
        box.set_in_layout(True)
        beyond = box.get_window_extent().x1 - (figure.bbox.width - EDGE * figure.dpi)
        if beyond > 0:
            box.set_bbox_to_anchor((-beyond / ax.get_window_extent().width, 1.0), transform=ax.transAxes)


def colours(series: Iterable[str]) -> dict[str, Colour]:
    """The colour of each series. An engine has its own; variants of engines and users' engines take the
    others."""
    chosen: dict[str, Colour] = {}
    free = [colour for name, colour in ENGINES.items() if name not in set(series)]
    spare = iter([*OTHERS, *reversed(free)])
    for name in series:
        chosen[name] = ENGINES[name] if name in ENGINES else next(spare, OTHERS[-1])
    return chosen


def variables() -> tuple[str, str]:
    """The CSS declarations of the chart colours, for a light and for a dark page."""
    light = " ".join(f"--chart-{colour.role}: {colour.light};" for colour in COLOURS)
    dark = " ".join(f"--chart-{colour.role}: {colour.dark};" for colour in COLOURS)
    return light, dark


def svg(figure: "Figure", name: str, title: str, standalone: bool = False) -> str:
    """The figure as an SVG element whose colours are CSS variables; the same figure gives the same text.

    `name` keeps its ids apart from those of other charts of a page, `title` is what a screen reader says.
    With `standalone` it is a whole file with the colours of both pages inside.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    if not standalone:
        # Its `*` would reach every other element of the page.
        text = re.sub(r"<style type=.*?</style>", "", text, flags=re.DOTALL)
    # Half of the file is digits that no screen shows.
    text = re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), text)
    text = re.sub(r"\s*font(?:-family)?: ?[^;\"]*DejaVu Sans[^;\"]*;?", _font, text)
    for colour in COLOURS:
        text = text.replace(colour.light, f"var(--chart-{colour.role}, {colour.light})")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    if view is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    body = text[text.index(">") + 1 :]
    light, dark = variables()
    css = f"<style>svg {{ {light} }} @media (prefers-color-scheme: dark) {{ svg {{ {dark} }} }}</style>"
    namespaces = ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'<svg{namespaces} {view[0]} width="{view[1]}" height="{view[2]}" role="img" '
        f'font-family="system-ui, sans-serif" aria-label="{_escaped(title)}">{css if standalone else ""}'
        f"{body.rstrip()}\n"
    )


def _font(match: re.Match[str]) -> str:
    """Keeps the size and weight of a `font:` shorthand, and leaves the family to the page."""
    size = re.search(r"[\d.]+px", match[0])
    weight = re.search(r"\b(bold|[1-9]00)\b", match[0])
    kept = f" font-size: {size[0]};" if size else ""
    return kept + (f" font-weight: {weight[0]};" if weight else "")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
