"""`bnnbench profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bnnbench.kernels.counters import COUNTERS

from .options import DebugOption, InventoryOption, JsonOption, OneDeviceOption, ShapeOption, ThreadsOption, WaitOption

EXAMPLES = """Examples:
  bnnbench profile quicknet.tflite
  bnnbench profile quicknet.tflite -d pi4 --threads 4
  bnnbench profile quicknet.tflite --counters cycles,instructions,cache_misses
  bnnbench profile quicknet.tflite -e lce                  # its ops beside the native engine's
  bnnbench profile quicknet.onnx -e onnxruntime
  bnnbench profile quicknet.tflite --trace steps.json      # open it in Perfetto
  bnnbench profile quicknet.tflite --roofline steps.svg    # every step against the device's roofs"""

app = App(name="profile", help_epilogue=EXAMPLES)


@app.default
def profile(
    model: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    /,
    *,
    device: OneDeviceOption = "local",
    threads: ThreadsOption = 1,
    runs: Annotated[int, Parameter(help="Number of timed runs.")] = 50,
    shape: ShapeOption = None,
    engine: Annotated[
        list[str] | None,
        Parameter(name=["--engine", "-e"], negative="", help="Also time the ops of litert, lce or another engine."),
    ] = None,
    counters: Annotated[
        str | None, Parameter(help=f"Also count in each step, on one thread: {', '.join(COUNTERS)}.")
    ] = None,
    trace: Annotated[Path | None, Parameter(help="Also write the steps as a trace for Chrome or Perfetto.")] = None,
    roofline: Annotated[
        Path | None, Parameter(help="Also write a roofline chart of the steps: .pdf, .svg or .png.")
    ] = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Time each step of a model on the native engine: share of the time, speed, and distance to the roof."""
    import sys

    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.profile import counter_names, save_trace
    from ..tasks.profile import profile as measure
    from ..tasks.roofline import require_format, save_roofline
    from .documents.document import text_of
    from .documents.engines import ProfileDocument
    from .profile_table import print_profile

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    if roofline is not None:
        require_format(roofline)
    tell = lambda line: print(line, file=sys.stderr)  # noqa: E731
    done = measure(
        model_path(str(model), Path()),
        device=device,
        inventory=inventory,
        threads=threads,
        runs=runs,
        tell=tell,
        shapes=shape or (),
        counters=counter_names(counters),
        engines=engine or (),
    )
    if trace is not None:
        save_trace(done, model.name, device, trace)
    if roofline is not None:
        caption = save_roofline(done, model.name, device, roofline)
        print(f"{roofline}, described in {caption}", file=sys.stderr)
    if json:
        print(text_of(ProfileDocument.of(done)))
    else:
        print_profile(model.name, device, done)
