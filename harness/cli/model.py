"""`bnnbench model`: list, info."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption

app = App(
    name="model",
    help="Model files.",
    help_epilogue="Examples:\n  bnnbench model list\n  bnnbench model info quicknet.tflite",
)


@app.command(name="list")
def list_(*, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the models that come with bnnbench: they can be named wherever a file can."""
    from json import dumps

    from rich.table import Table

    from bnnbench.kernels.models.shipped import recipe, shipped_models
    from bnnbench.results.quantity import size

    from .terminal import Console

    recipes = [recipe(name) for name in shipped_models()]
    if json:
        print(dumps(recipes, indent=1))
        return
    table = Table("name", "size", "3x3 layers", "accuracy, held out", box=None, pad_edge=False)
    for one in recipes:
        table.add_row(one["name"], size(one["bytes"]), one["kind"], f"{one['held_out_accuracy'] * 100:.2f} %")
    Console().print(table)


@app.command
def info(
    file: Annotated[Path, Parameter(help="A .tflite file, or the name of a shipped model.")],
    /,
    *,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List every op of a model: shapes, options, multiply-accumulates, bytes."""
    from dataclasses import asdict
    from json import dumps

    from rich.table import Table
    from rich.text import Text

    from bnnbench.kernels.models import describe
    from bnnbench.kernels.models.tflite_file import read

    from ..suite.load import model_path
    from .terminal import Console

    model = read(model_path(str(file), Path()))
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
        ("input", "left"),
        ("weights", "left"),
        ("output", "left"),
        ("1-bit MACs", "right"),
        ("other MACs", "right"),
        ("bytes", "right"),
    ]:
        table.add_column(title, justify=justify, no_wrap=title == "op", overflow="fold")  # type: ignore[arg-type]
    for row in description.rows:
        numbers = [f"{n:,}" if n else "" for n in (row.macs_1bit, row.macs_32bit, row.parameter_bytes)]
        first, second, *_ = [*row.inputs.split(", "), "", ""]
        shapes = [_short(first), _short(second).partition(" ")[0], _short(row.outputs.split(", ")[0])]
        table.add_row(*map(Text, [str(row.index), row.op, *shapes, *numbers]))
    console = Console()
    console.print(table)
    kinds = description.bytes_by_kind
    weights = {"1-bit": kinds.bits, "float32": kinds.float32, "int8": kinds.int8, "other": kinds.other}
    peak = description.peak_unknown if description.peak_bytes is None else f"{description.peak_bytes:,} bytes"
    for line in (
        f"{file.name}: {model.size_bytes:,} bytes, {len(description.rows)} ops",
        f"MACs: {description.macs_1bit:,} of 1 bit, {description.macs_32bit:,} others",
        f"parameters: {description.parameters_1bit:,} of 1 bit, {description.parameters_other:,} others; "
        + ", ".join(f"{name} {count:,} bytes" for name, count in weights.items() if count),
        f"memory for tensors at the peak: {peak}",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _short(tensor: str) -> str:
    """float32[1,56,56,64] as 56x56x64, with the type when it is another, the batch when it is not 1."""
    dtype, _, sizes = tensor.removesuffix("]").partition("[")
    shape = sizes.removeprefix("1,").replace(",", "x")
    return shape if dtype in ("float32", "-", "") else f"{shape} {dtype}"
