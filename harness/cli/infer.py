"""`bnnbench infer`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import (
    DebugOption,
    InventoryOption,
    OneDeviceOption,
    OneEngineOption,
    ShapeOption,
    ThreadsOption,
    WaitOption,
)

EXAMPLES = """Examples:
  bnnbench infer quicknet.tflite --input images.npy --output scores.npy
  bnnbench infer quicknet.tflite --input images.npy --output scores.npy -d pi4 -t 4
  bnnbench infer two_inputs.tflite --input both.npz --output all.npz
  bnnbench infer dynamic.tflite --shape 1x320x240x3 --input image.npy --output boxes.npz"""

app = App(name="infer", help_epilogue=EXAMPLES)


@app.default
def infer(
    model: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    /,
    *,
    input: Annotated[
        Path,
        Parameter(name=["--input", "-i"], help="NumPy file: .npy of one input or several, [N, ...]; .npz by name."),
    ],
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="NumPy file to write: .npy, or .npz with each output by name.")
    ],
    device: OneDeviceOption = "local",
    engine: OneEngineOption = "native",
    threads: ThreadsOption = 1,
    batch: Annotated[int, Parameter(help="Batch size.")] = 1,
    shape: ShapeOption = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    debug: DebugOption = False,
) -> None:
    """Run a model on your own inputs, on any device."""
    import sys

    from bnnbench.results.certainty import duration_text
    from bnnbench.results.printable import MOST, shorten

    from ..errors import CallError
    from ..plan.engines import engine_named
    from ..suite.load import model_path
    from ..tasks.infer import infer as run
    from .array_file import read_input, write_outputs

    if threads < 1 or batch < 1:
        raise CallError("--threads and --batch are at least 1.")
    if output.suffix not in (".npy", ".npz"):
        raise CallError(f"--output {output} is neither .npy nor .npz.")
    file = model_path(str(model), Path())
    for named in (input, file):
        if output.exists() and named.exists() and output.samefile(named):
            raise CallError(f"--output {output} would overwrite {named}; name another file.")
    done = run(
        file,
        read_input(input),
        engine_named(engine),
        device=device,
        inventory=inventory,
        threads=threads,
        batch=batch,
        shapes=shape or [],
        tell=lambda line: print(line, file=sys.stderr),
    )
    renamed = write_outputs(output, done.outputs)
    each = "" if done.ns is None else f", {duration_text(done.ns / done.count, None, None, 1, what='run')} each"
    print(f"{done.count} input{'s' if done.count > 1 else ''}{each} on {device} -> {output}")
    for name, key in renamed:
        print(f"output '{shorten(name, MOST)}' is {key} there")
