"""How `bnnbench model lint` shows findings: a card for each, the most expensive first."""

from __future__ import annotations

from rich.text import Text

from bnnbench.kernels.models.lint import Finding, Place
from bnnbench.results.certainty import trust_words
from bnnbench.results.printable import MOST, printable, shorten
from bnnbench.results.quantity import count, duration, percentage, size
from bnnbench.results.sheet import folded, is_plain, say

from ..tasks.lint import Lint
from .terminal import Console

_MOST_PLACES = 5
_LONGEST_NAME = 60
_LEAST_SHARE = 0.0005


def print_lint(name: str, done: Lint) -> None:
    """Cards, and a sentence about what the costs are; `name` is the model's."""
    console = Console()
    for finding in done.findings:
        _print_card(console, finding, done)
    if not done.findings:
        say(console, f"{name}: nothing found", "green")
    else:
        many = f"{len(done.findings)} finding{'s' if len(done.findings) > 1 else ''}"
        say(console, f"{name}, {size(done.file_bytes)}: {many}")
    if done.not_imported:
        say(console, f"only the file was looked at, not its ops: {done.not_imported}", "yellow")
    say(console, _about(done, is_plain(console)), "dim")


def _print_card(console: Console, finding: Finding, done: Lint) -> None:
    say(console, Text.assemble((finding.id, "bold yellow"), "  ", _costs(finding, done, is_plain(console))))
    _say_inside(console, finding.title)
    places = sorted(finding.places, key=lambda place: (-place.cost, -place.file_bytes))
    for place in places[:_MOST_PLACES]:
        _say_inside(console, f"- {_place(place, done, is_plain(console))}", "dim")
    if len(places) > _MOST_PLACES:
        _say_inside(console, f"- and {len(places) - _MOST_PLACES} more places: --json lists all", "dim")
    _say_inside(console, f"Mend: {finding.mend}")
    console.print()


def _say_inside(console: Console, text: str, style: str = "") -> None:
    whole = Text(printable(shorten(text, MOST), is_plain(console)), style)
    for line in folded(whole, max(console.width - 2, 20)):
        console.print(Text("  ").append_text(line), soft_wrap=True, highlight=False)


def _costs(finding: Finding, done: Lint, plain: bool) -> str:
    parts = []
    if finding.cost > 0:
        what = "time" if done.unit == "ns" else "work"
        parts.append(f"{_share(finding.cost_share)} of the {what} ({_cost(finding.cost, done.unit, plain)})")
    if finding.file_bytes:
        parts.append(f"{_share(finding.file_share)} of the file ({size(finding.file_bytes)})")
    return ", ".join(parts) or "costs nothing that can be told"


def _place(place: Place, done: Lint, plain: bool) -> str:
    name = shorten(place.name, _LONGEST_NAME)
    where = name if place.op is None else f"op {place.op} {name}"
    figures = [_cost(place.cost, done.unit, plain)] if place.cost > 0 else []
    figures += [size(place.file_bytes)] if place.file_bytes else []
    return f"{where}: {place.detail}" + (f" ({', '.join(figures)})" if figures else "")


def _share(share: float) -> str:
    return percentage(share) if share >= _LEAST_SHARE else "less than 0.1 %"


def _cost(cost: float, unit: str, plain: bool) -> str:
    return duration(cost, plain) if unit == "ns" else f"{count(cost)} MACs"


def _about(done: Lint, plain: bool) -> str:
    if done.device is None:
        return (
            f"costs are estimated, not measured: in multiply-accumulates of floats, of {count(done.total)} in all; 16 "
            "binary ones count as one, as do 2 bytes from the second cache and a value that a fused op changes. "
            "-d DEVICE measures them"
        )
    return (
        f"costs are what a mended model should save of {duration(done.total, plain)} on {done.device} with the native "
        f"engine on this plan, {trust_words(done.trust, done.doubts)}"
    )
