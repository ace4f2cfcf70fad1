"""`bnnbench model diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .options import DebugOption, JsonOption


def diff(
    a: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    b: Annotated[Path, Parameter(help="The other model.")],
    /,
    *,
    input: Annotated[
        Path | None, Parameter(name=["--input", "-i"], help="NumPy file with one input; default: random numbers.")
    ] = None,
    seed: Annotated[int, Parameter(help="Seed of random numbers.")] = 0,
    tolerance: Annotated[
        float, Parameter(help="Difference of values, as a share of the tensor's largest, that counts as none.")
    ] = 1e-5,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show in what two models differ: ops, sizes, work, and the first tensor whose values part."""
    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.model_diff import model_diff
    from .array_file import read_input
    from .diff_table import print_diff
    from .documents.diff import DiffDocument
    from .documents.document import text_of

    if seed < 0 or not 0 <= tolerance < 1:
        raise CallError("--seed is at least 0, and --tolerance from 0 to less than 1.")
    done = model_diff(
        model_path(str(a), Path()),
        model_path(str(b), Path()),
        (str(a), str(b)),
        given=None if input is None else read_input(input),
        seed=seed,
        tolerance=tolerance,
    )
    if json:
        print(text_of(DiffDocument.of(done)))
    else:
        print_diff(done)
