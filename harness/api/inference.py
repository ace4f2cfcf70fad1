"""Running a model on arrays: `bnnbench.infer`."""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from .error import raises_sentences
from .words import path_of, teller, waits

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@overload
def infer(
    model: str | PathLike[str],
    input: "ArrayLike | Mapping[str, ArrayLike]",
    /,
    *,
    device: str = ...,
    engine: str = ...,
    threads: int = ...,
    batch: int = ...,
    shape: str | Sequence[str] = ...,
    all_outputs: Literal[False] = ...,
    inventory: str | PathLike[str] | None = ...,
    wait: str | float | None = ...,
    progress: bool = ...,
) -> "NDArray[Any]": ...
@overload
def infer(
    model: str | PathLike[str],
    input: "ArrayLike | Mapping[str, ArrayLike]",
    /,
    *,
    device: str = ...,
    engine: str = ...,
    threads: int = ...,
    batch: int = ...,
    shape: str | Sequence[str] = ...,
    all_outputs: Literal[True],
    inventory: str | PathLike[str] | None = ...,
    wait: str | float | None = ...,
    progress: bool = ...,
) -> "dict[str, NDArray[Any]]": ...
@raises_sentences
@waits
def infer(
    model: str | PathLike[str],
    input: "ArrayLike | Mapping[str, ArrayLike]",
    /,
    *,
    device: str = "local",
    engine: str = "native",
    threads: int = 1,
    batch: int = 1,
    shape: str | Sequence[str] = (),
    all_outputs: bool = False,
    inventory: str | PathLike[str] | None = None,
    wait: str | float | None = None,
    progress: bool = False,
) -> "NDArray[Any] | dict[str, NDArray[Any]]":
    """Runs a model on inputs of your own, on any device.

    Does the same as `bnnbench infer`, with arrays instead of files.

    Args:
        model: A `.tflite` or `.onnx` file, or the name of a shipped model.
        input: The model's input, such as [1, 28, 28, 1] of float32; one image of it; or a batch of either along the
            first dimension. For a model with several inputs a dictionary with such an array for each, by its name.
        device: A name of the inventory, `local`, or an address such as `ssh://pi@pi4.lab`.
        engine: The engine to run.
        threads: Number of threads, one per core.
        batch: Batch size.
        shape: Shapes of inputs whose sizes the file leaves open: "1x224x224x3", or "NAME=1x224x224x3" for each.
        all_outputs: Return every output by its name; required for models with several outputs.
        inventory: Device list; default: `devices.toml` here or in a parent folder, then your own.
        wait: How long to wait for a busy device: seconds, or text such as "30s", "10m" or "1h".
        progress: Show progress on stderr.

    Returns:
        The output: for one input in the model's shape, for several with their number as the first dimension. With
        all_outputs a dictionary of such arrays, by unique names.

    Raises:
        CallError: An argument is wrong, or the array does not fit the model.
        MeasureError: The device or the engine failed.

    Example:
        >>> import bnnbench as bnn, numpy as np
        >>> bnn.infer("quicknet_xs", np.zeros((5, 28, 28, 1), np.float32)).shape
        (5, 10)
    """
    import numpy as np

    from ..errors import CallError
    from ..plan.engines import engine_named
    from ..suite.load import model_path
    from ..tasks.infer import infer as run
    from ..tasks.npz import keys_of

    if threads < 1 or batch < 1:
        raise CallError("--threads and --batch are at least 1.")
    values: NDArray[np.generic] | dict[str, NDArray[np.generic]] = (
        {name: np.asarray(array) for name, array in input.items()} if isinstance(input, Mapping) else np.asarray(input)
    )
    done = run(
        *(model_path(str(model), Path()), values, engine_named(engine)),
        device=device,
        inventory=path_of(inventory),
        threads=threads,
        batch=batch,
        shapes=[shape] if isinstance(shape, str) else shape,
        tell=teller(progress),
    )
    names, arrays = [name for name, _ in done.outputs], [array for _, array in done.outputs]
    if all_outputs:
        return dict(zip(keys_of(names), arrays, strict=True))
    if len(arrays) > 1:
        raise CallError(f"the model has {len(arrays)} outputs; ask for them with all_outputs=True.")
    return arrays[0]
