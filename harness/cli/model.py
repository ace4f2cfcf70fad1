"""`bnnbench model`: info."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption

app = App(name="model", help="Model files.", help_epilogue="Example: bnnbench model info quicknet.tflite")


@app.command
def info(
    file: Annotated[Path, Parameter(help="A .tflite file.")],
    /,
    *,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List every op of a model: shapes, options, multiply-accumulates, bytes."""
    from dataclasses import asdict
    from json import dumps

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bnnbench.kernels.models import describe
    from bnnbench.kernels.models.tflite_file import read

    model = read(file)
    description = describe(model)
    if json:
        print(
            dumps(
                {
                    "file": str(file),
                    "size_bytes": model.size_bytes,
                    "sha256": model.sha256,
                    **asdict(description),
                },
                indent=1,
            )
        )
        return
    table = Table(box=None, pad_edge=False)
    for title, justify in [
        ("#", "right"),
        ("op", "left"),
        ("inputs", "left"),
        ("outputs", "left"),
        ("1-bit MACs", "right"),
        ("other MACs", "right"),
        ("bytes", "right"),
    ]:
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in description.rows:
        numbers = [f"{n:,}" if n else "" for n in (row.macs_1bit, row.macs_32bit, row.parameter_bytes)]
        cells = [str(row.index), row.op, row.inputs, row.outputs, *numbers]
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table)
    console.print(
        f"{file.name}: {model.size_bytes:,} bytes, {len(description.rows)} ops, {description.macs_1bit:,} 1-bit MACs, "
        f"{description.macs_32bit:,} other MACs, {description.parameter_bytes:,} bytes of constants",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
