"""`bnnbench model draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .options import DEVICE_HELP, DebugOption, InventoryOption, ShapeOption, ThreadsOption, WaitOption


def draw(
    file: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="File to write: .svg, .png or .pdf.")],
    device: Annotated[
        str | None, Parameter(name=["--device", "-d"], help=f"Show times measured there. {DEVICE_HELP}")
    ] = None,
    threads: ThreadsOption = 1,
    runs: Annotated[int, Parameter(help="Number of timed runs.")] = 50,
    shape: ShapeOption = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    debug: DebugOption = False,
) -> None:
    """Draw a model's ops, with binary, int8 and float parts in colours, and their work or their times."""
    import sys

    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.model_draw import draw_model, require_format

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    require_format(output)
    draw_model(
        model_path(str(file), Path()),
        file.name,
        output,
        device=device,
        inventory=inventory,
        threads=threads,
        runs=runs,
        shapes=shape or (),
        tell=lambda line: print(line, file=sys.stderr),
    )
    print(output)
