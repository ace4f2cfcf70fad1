"""The workloads of a suite: op, the bytes of its arrays, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.binary_layers import arrays_for, binary_layers
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.ops import BConv2d, KernelSpec, data_bytes, make_data
from bnnbench.kernels.reference import oracle

from .errors import SuiteError
from .suite_tables import ModelTable, Suite

FLOAT_TOLERANCE = 1e-5
"""Of the output's scale: how far a float output may be off (docs/method.md)."""


@dataclass(frozen=True)
class Workload:
    """One kernel case. `source` says where its weights are from; None means random ones."""

    name: str
    spec: KernelSpec
    arrays: Mapping[str, NDArray[Any]]
    source: str | None = None

    @cached_property
    def data(self) -> bytes:
        """The file that the engine loads."""
        return data_bytes(self.arrays)

    @cached_property
    def data_sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def expected(self) -> NDArray[Any]:
        """The right output, by the NumPy oracle."""
        return oracle.run(self.spec, self.arrays)

    @cached_property
    def expected_sha256(self) -> str:
        return hashlib.sha256(self.expected.tobytes()).hexdigest()

    def difference(self, raw: bytes) -> tuple[float | None, str | None]:
        """Largest absolute difference of an output to the right one, and what is wrong with it; None: nothing.

        Integers and bits must be equal; floats within `FLOAT_TOLERANCE` of the largest value.
        """
        expected = self.expected
        if len(raw) != expected.nbytes:
            return None, f"the output has {len(raw)} bytes where {expected.nbytes} are right"
        output = np.frombuffer(raw, expected.dtype).reshape(expected.shape)
        if expected.dtype == np.uint32:
            wrong = int(np.bitwise_count(output ^ expected).sum())
            return None, f"{wrong} of {expected.nbytes * 8} output bits are wrong" if wrong else None
        with np.errstate(all="ignore"):
            gaps = np.abs(output.astype(np.float64) - expected.astype(np.float64))
        largest = float(np.nan_to_num(gaps, nan=np.inf).max())
        allowed = FLOAT_TOLERANCE * float(np.abs(expected).max()) if expected.dtype == np.float32 else 0.0
        if largest <= allowed:
            return largest, None
        count = int((~(gaps <= allowed)).sum())
        place = tuple(int(i) for i in np.unravel_index(int(np.nan_to_num(gaps, nan=np.inf).argmax()), gaps.shape))
        return largest, (
            f"{count} of {expected.size} values differ from the reference, most at {list(place)}: "
            f"{output[place]} where {expected[place]} is right"
        )


def workloads(suite: Suite) -> list[Workload]:
    """All workloads of a suite, in its order, with different names. Raises SuiteError."""
    found: list[Workload] = []
    for table in suite.model:
        found += _layers(table, suite.seed)
    for kernel in suite.kernel:
        spec = kernel.spec()
        found.append(Workload(kernel.name or _short(spec), spec, make_data(spec, suite.seed)))
    taken: set[str] = set()
    unique = []
    for workload in found:
        name, count = workload.name, 1
        while name in taken:
            count += 1
            name = f"{workload.name} #{count}"
        taken.add(name)
        unique.append(Workload(name, workload.spec, workload.arrays, workload.source))
    return unique


def _short(spec: KernelSpec) -> str:
    # Float is what a suite's convolutions put out unless it says otherwise, so its name need not.
    if not isinstance(spec, BConv2d):
        return spec.name
    return f"{spec.name} i32" if spec.out == "i32" else spec.name.removesuffix(" f32")


def _layers(table: ModelTable, seed: int) -> list[Workload]:
    path = Path(table.file)
    try:
        model = read(path)
        layers = binary_layers(model)
    except ModelError as error:
        raise SuiteError(str(error)) from None
    if not layers:
        raise SuiteError(f"{path} has no binary convolution (LceBconv2d) to measure; convert it with LCE first.")
    label = table.name or path.stem
    return [
        Workload(
            name=f"{label}/op{layer.index} {_short(layer.spec)}",
            spec=layer.spec,
            arrays=arrays_for(layer, seed + layer.index),
            source=f"{path.name} op {layer.index}" + (f" ({layer.note})" if layer.note else ""),
        )
        for layer in layers
    ]
