"""`bnnbench infer`."""

from __future__ import annotations

import zlib
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Annotated
from zipfile import BadZipFile

from cyclopts import Parameter

from .options import DebugOption, InventoryOption, OneDeviceOption, OneEngineOption, ThreadsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.lib.npyio import NpzFile
    from numpy.typing import NDArray

    from ..tasks.infer import Output

_DAMAGED = (
    *(
        ValueError,
        EOFError,
        SyntaxError,
        TypeError,
        KeyError,
        OverflowError,
        MemoryError,
        BadZipFile,
        zlib.error,
        TokenError,
    ),
    RuntimeError,  # an archive with a password, and deep nesting
)
EXAMPLES = """Examples:
  bnnbench infer quicknet.tflite --input images.npy --output scores.npy
  bnnbench infer quicknet.tflite --input images.npy --output scores.npy -d pi4 -t 4"""


def infer(
    model: Annotated[Path, Parameter(help="A .tflite file, or the name of a shipped model.")],
    /,
    *,
    input: Annotated[Path, Parameter(name=["--input", "-i"], help="NumPy file: one input, or several: [N, ...].")],
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="NumPy file to write: .npy, or .npz with every output by name.")
    ],
    device: OneDeviceOption = "local",
    engine: OneEngineOption = "native",
    threads: ThreadsOption = 1,
    batch: Annotated[int, Parameter(help="Inputs that the model runs at once.")] = 1,
    inventory: InventoryOption = None,
    debug: DebugOption = False,
) -> None:
    """Run a model on inputs of your own, on any device."""
    import sys

    from bnnbench.results.certainty import duration_text
    from bnnbench.results.printable import MOST, shorten

    from ..errors import CallError
    from ..plan.engines import engine_named
    from ..suite.load import model_path
    from ..tasks.infer import infer as run

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
        _read(input),
        engine_named(engine),
        device=device,
        inventory=inventory,
        threads=threads,
        batch=batch,
        tell=lambda line: print(line, file=sys.stderr),
    )
    renamed = _write(output, done.outputs)
    each = "" if done.ns is None else f", {duration_text(done.ns / done.count, None, None, 1, what='run')} each"
    print(f"{done.count} input{'s' if done.count > 1 else ''}{each} on {device} -> {output}")
    for name, key in renamed:
        print(f"output '{shorten(name, MOST)}' is {key} there")


def _read(path: Path) -> NDArray[np.generic]:
    import io

    import numpy as np

    from bnnbench.results.store.reading import read_regular

    from ..errors import CallError

    try:
        return _array(path, np.load(io.BytesIO(read_regular(path)), allow_pickle=False))
    except OSError as error:
        raise CallError(f"--input {path} cannot be read: {error.strerror or error}.") from None
    except _DAMAGED:
        raise CallError(f"--input {path} is no NumPy file of numbers; write it with numpy.save.") from None


def _array(path: Path, loaded: NDArray[np.generic] | NpzFile) -> NDArray[np.generic]:
    import numpy as np

    from ..errors import CallError

    if isinstance(loaded, np.ndarray):
        return loaded
    if len(loaded.files) != 1 and "input" not in loaded.files:
        raise CallError(f"--input {path} holds {', '.join(loaded.files)}; name the one to use 'input'.")
    array: NDArray[np.generic] = loaded["input" if "input" in loaded.files else loaded.files[0]]
    return array


def _write(path: Path, outputs: Sequence[Output]) -> list[tuple[str, str]]:
    """Returns the outputs whose name in the file is not the model's, with that name. Raises CallError."""
    import numpy as np

    from ..errors import CallError
    from .archive import keys_of, write_archive

    names, arrays = [name for name, _ in outputs], [array for _, array in outputs]
    if path.suffix == ".npy" and len(outputs) > 1:
        raise CallError(f"the model has {len(outputs)} outputs; name an .npz file for them.")
    try:
        if path.suffix == ".npy":
            np.save(path, arrays[0])
            return []
        keys = keys_of(names)
        write_archive(path, dict(zip(keys, arrays, strict=True)))
    except OSError as error:
        raise CallError(f"--output {path} cannot be written: {error.strerror or error}.") from None
    return [(name, key) for name, key in zip(names, keys, strict=True) if name != key]
