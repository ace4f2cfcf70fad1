"""Arrays that the user gave for the inputs of a model: which is whose, whether they fit, and what an engine reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.model import ModelFile, TensorRef
from bnnbench.kernels.models.open_sizes import fed_shape
from bnnbench.results.printable import printable, shorten

from ..errors import CallError
from ..workload.model import NUMPY
from .npz import keys_of

Array = NDArray[np.generic]
_MOST_LISTED, _LONGEST = 8, 60


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as the engine has it. `batch` times the file's own images lie in `shape`."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    signature: str = ""
    batch: int = 1

    @property
    def own(self) -> tuple[int, ...]:
        """The file's own shape; a number alone is one of a list."""
        return (self.shape[0] // self.batch, *self.shape[1:]) if self.shape else (1,)

    @property
    def bytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize


def ports_of_graph(graph: Graph, file: ModelFile, batch: int) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of a model that was imported."""
    ends = (
        (graph.inputs, file.inputs, file.signature_inputs),
        (graph.outputs, file.outputs, file.signature_outputs),
    )
    inputs, outputs = (_of_tensors(tensors, refs, names, batch) for tensors, refs, names in ends)
    return inputs, outputs


def inputs_of_file(file: ModelFile) -> list[Port]:
    """Of one that was not: by the file; sizes that it leaves open are 1."""
    names = file.signature_inputs or ("",) * len(file.inputs)
    return [
        Port(_name(ref), fed_shape(file, ref), ref.dtype, name) for ref, name in zip(file.inputs, names, strict=True)
    ]


def _of_tensors(tensors: Sequence[Tensor], refs: Sequence[TensorRef], names: Sequence[str], batch: int) -> list[Port]:
    names = names or ("",) * len(refs)
    return [
        Port(_name(ref), tensor.storage_shape, NUMPY[tensor.dtype], name, batch)
        for tensor, ref, name in zip(tensors, refs, names, strict=True)
    ]


def _name(ref: TensorRef) -> str:
    return ref.name or f"tensor{ref.index}"


@dataclass(frozen=True, slots=True)
class Given:
    """What the user gave, as the engine reads it: the model's own inputs `times` over.

    `is_stack`: they lie along a dimension of their own, and so do the outputs then. `own` is the shape of the first.
    """

    arrays: tuple[Array, ...]
    own: tuple[int, ...]
    times: int
    is_stack: bool

    @property
    def count(self) -> int:
        """How many inputs that is for people: images where the model has a batch of them."""
        return self.times if self.is_stack or len(self.own) == 1 else self.times * self.own[0]

    def content(self, calls: int) -> bytes:
        """The file that the engine reads: all inputs for each of so many inferences."""
        if len(self.arrays) == 1:
            return self.arrays[0].tobytes()
        rows = [np.frombuffer(array.tobytes(), np.uint8).reshape(calls, -1) for array in self.arrays]
        return np.concatenate(rows, axis=1).tobytes()


def given_inputs(inputs: Array | Mapping[str, Array], ports: Sequence[Port], batch: int) -> Given:
    """Raises CallError for what the model does not take, with the names of its inputs."""
    arrays = _assigned(inputs, ports)
    fitted = [_checked(array, port, batch, len(ports) > 1) for array, port in zip(arrays, ports, strict=True)]
    counts = {given.times for given in fitted}
    if len(counts) > 1:
        each = ", ".join(f"'{shown(port.name)}' {given.times}" for port, given in zip(ports, fitted, strict=True))
        raise CallError(f"the arrays hold different numbers of inputs: {each}; give as many of each.")
    first = fitted[0]
    return Given(
        tuple(given.arrays[0] for given in fitted), first.own, first.times, any(given.is_stack for given in fitted)
    )


def listed(ports: Sequence[Port]) -> str:
    """Names and shapes for messages."""
    words = [f"'{shown(port.name)}' {port.dtype.strip('<|')}[{','.join(map(str, port.own))}]" for port in ports]
    return ", ".join(words[:_MOST_LISTED]) + (f" and {len(words) - _MOST_LISTED} more" if words[_MOST_LISTED:] else "")


def shown(name: str) -> str:
    """A name of a file in a message."""
    return shorten(name, _LONGEST)


def _assigned(inputs: Array | Mapping[str, Array], ports: Sequence[Port]) -> list[Array]:
    """An array for each input, by its name in the model, in the signature, or as `infer` would write it."""
    if isinstance(inputs, np.ndarray):
        if len(ports) > 1:
            raise CallError(f"the model has {len(ports)} inputs: {listed(ports)}; give an .npz file with each by name.")
        return [inputs]
    assert isinstance(inputs, Mapping)
    keys = keys_of([port.name for port in ports])
    left, found, missing = dict(inputs), [], []
    for port, key in zip(ports, keys, strict=True):
        name = next((item for item in (port.name, port.signature, key) if item and item in left), None)
        if name is None and len(ports) == 1:
            name = "input" if "input" in left else next(iter(left)) if len(left) == 1 else None
        if name is None:
            missing.append(port)
        else:
            found.append(left.pop(name))
    if missing:
        there = ", ".join(f"'{shown(name)}'" for name in list(inputs)[:_MOST_LISTED]) or "nothing"
        raise CallError(f"there is no array for {listed(missing)}; given are {there}: name each as the model does.")
    if left and len(ports) > 1:
        extra = ", ".join(f"'{shown(name)}'" for name in list(left)[:_MOST_LISTED])
        raise CallError(f"the model has no input {extra}; its inputs are {listed(ports)}.")
    return found


def _checked(array: Array, port: Port, batch: int, is_named: bool) -> Given:
    what = f"the input '{shown(port.name)}'" if is_named else "the input"
    own, dtype = port.own, np.dtype(port.dtype)
    times, is_stack = _times(array.shape, own, what)
    if array.dtype.newbyteorder("<") != dtype and not (array.dtype.kind == "f" and dtype.kind == "f"):
        raise CallError(f"{what} is {printable(str(array.dtype))}; the model takes {dtype}: convert it first.")
    given = Given((np.ascontiguousarray(array).astype(dtype, copy=False),), own, times, is_stack)
    if times % batch:
        at_once = f"{batch} x {own[0]}, the model's own batch" if own[0] > 1 else str(batch)
        raise CallError(f"{given.count} inputs are not a multiple of --batch {at_once}.")
    return given


def _times(shape: tuple[int, ...], own: tuple[int, ...], what: str) -> tuple[int, bool]:
    """How often inputs of `shape` hold the model's own, and whether along a dimension of their own."""
    image, batch = own[1:], own[0]
    if shape == own or (shape == image and batch == 1 and image):
        return 1, False
    if shape[1:] == own and shape[0]:
        return shape[0], True
    if image and shape[1:] == image and shape[0]:
        if shape[0] % batch:
            raise CallError(
                f"{shape[0]} inputs are not a multiple of {batch}, the model's own batch: give {batch} or 2x."
            )
        return shape[0] // batch, False
    wanted = "x".join(map(str, image if batch == 1 and image else own))
    raise CallError(f"{what} has shape {list(shape)}; the model takes {wanted}, or several: Nx{wanted}.")
