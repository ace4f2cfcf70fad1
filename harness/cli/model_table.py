"""How `bnnbench model info` shows a model: a row for each op, its inputs and outputs, and the totals."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.measure import measure_renderables
from rich.table import Table
from rich.text import Text

from bnnbench.kernels.models.open_sizes import shape_words
from bnnbench.results.printable import shorten
from bnnbench.results.sheet import say

from .terminal import Console

if TYPE_CHECKING:
    from bnnbench.kernels.models.description import Description, OpRow, Part, Port

_COLUMNS = ("#", "op", "input", "weights", "output", "1-bit MACs", "other MACs", "bytes")
_NUMBERS = ("#", *_COLUMNS[-3:])
_LONGEST_OP = 40
_NO_LIMIT = 10_000
_WIDTHS = (_NO_LIMIT, 16, 12, 10, 8)
"""What shapes and names of ops may take, tried in this order until the table fits the terminal."""


def print_model(description: Description, file: Path, size_bytes: int) -> None:
    """No number is ever split, and only a terminal limits the width."""
    console = Console()
    limit = console.width if sys.stdout.isatty() else _NO_LIMIT
    for place, part in enumerate(description.subgraphs):
        if not part.is_run:
            say(console, _not_run(place, part))
        _print_rows([row for row in description.rows if row.subgraph == place], limit)
    for text in (*_ports(description), *_totals(description, file, size_bytes)):
        say(console, text)


def _print_rows(rows: Sequence[OpRow], limit: int) -> None:
    console = Console(width=_NO_LIMIT)
    for width in _WIDTHS:
        table = _table(rows, width)
        needed = measure_renderables(console, console.options, [table]).maximum
        if needed <= limit:
            break
    console.print(table, crop=False)


def _table(rows: Sequence[OpRow], width: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2 if width == _NO_LIMIT else 1, 0, 0))
    for title in _COLUMNS:
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=True)
    for row in rows:
        first, second, *_ = [*row.inputs.split(", "), "", ""]
        shapes = [_short(first), _short(second).partition(" ")[0], _short(row.outputs.split(", ")[0])]
        texts = (_folded(text, width) for text in (shorten(row.op, _LONGEST_OP), *shapes))
        numbers = [f"{n:,}" if n else "" for n in (row.macs_1bit, row.macs_32bit, row.parameter_bytes)]
        table.add_row(*map(Text, [str(row.index), *texts, *numbers]))
    return table


def _folded(text: str, width: int) -> str:
    """On several lines where it is wider: broken behind an x, an underscore or a space, never inside a number."""
    lines = [""]
    for piece in re.findall(r"[^x_ ]+[x_ ]*|[x_ ]+", text):
        if lines[-1] and len(lines[-1] + piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def _short(tensor: str) -> str:
    """float32[1,56,56,64] as 56x56x64, with the type when it is another, the batch when it is not 1."""
    dtype, _, sizes = tensor.removesuffix("]").partition("[")
    shape = sizes.removeprefix("1,").replace(",", "x")
    return shape if dtype in ("float32", "-", "") else f"{shape} {dtype}".strip()


def _not_run(place: int, part: Part) -> str:
    named = f" '{part.name}'" if part.name else ""
    return f"subgraph {place}{named}: {part.ops} ops, not run: only the first subgraph is"


def _ports(description: Description) -> Iterator[str]:
    for title, ports in (("input", description.inputs), ("output", description.outputs)):
        for port in ports:
            named = f" (in the signature '{port.signature_name}')" if port.signature_name not in ("", port.name) else ""
            shape = shape_words(port.shape, port.open_axes)
            yield f"{title} '{port.name}'{named}: {port.dtype} {shape}{_quantization(port)}"
    for place, part in enumerate(description.subgraphs):
        for key in part.signatures:
            yield f"signature '{key}': subgraph {place}"


def _quantization(port: Port) -> str:
    if not port.scales:
        return ""
    zeros = sorted(set(port.zero_points))
    zero = f"zero point {zeros[0]}" if len(zeros) == 1 else f"zero points {zeros[0]} to {zeros[-1]}"
    if port.axis is None:
        return f", scale {port.scales[0]:.6g}, {zero}"
    low, high = min(port.scales), max(port.scales)
    return f", {len(port.scales)} scales {low:.6g} to {high:.6g} along axis {port.axis}, {zero}"


def _totals(description: Description, file: Path, size_bytes: int) -> Iterator[str]:
    yield f"{file.name}: {size_bytes:,} bytes, {len(description.rows)} ops"
    yield f"MACs: {description.macs_1bit:,} of 1 bit, {description.macs_32bit:,} others"
    kinds = description.bytes_by_kind.by_kind()
    stored = ", ".join(f"{_KINDS.get(kind, kind)} {count:,} bytes" for kind, count in kinds.items() if count)
    counts = f"{description.parameters_1bit:,} of 1 bit, {description.parameters_other:,} others"
    yield f"parameters: {counts}" + (f"; {stored}" if stored else "")
    peak = description.peak_unknown if description.peak_bytes is None else f"{description.peak_bytes:,} bytes"
    yield f"memory for tensors at the peak: {peak}"


_KINDS = {"bits": "1-bit"}
