"""A kernel case: an op, the bytes of its arrays, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.ops import KernelSpec, data_bytes
from bnnbench.kernels.reference import oracle
from bnnbench.results.records import Kind

from .workload import FLOAT_TOLERANCE, Payload


@dataclass(frozen=True)
class KernelWorkload:
    """One kernel case. `source` says where its weights are from; None means random ones."""

    name: str
    spec: KernelSpec
    arrays: Mapping[str, NDArray[Any]]
    source: str | None = None
    kind: Kind = "kernel"

    @property
    def op(self) -> str | None:
        return self.spec.op

    @cached_property
    def data(self) -> bytes:
        """The file that the engine loads."""
        return data_bytes(self.arrays)

    @cached_property
    def identity(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def expected(self) -> NDArray[Any]:
        """The right output, by the NumPy oracle."""
        return oracle.run(self.spec, self.arrays)

    @property
    def output_bytes(self) -> int:
        """Of the right output."""
        return self.expected.nbytes

    def figures(self) -> Mapping[str, Any]:
        """Multiply-accumulates and bytes of one iteration, the op's keys."""
        return {
            "params": {key: value for key, value in self.spec.protocol_items().items() if key != "op"},
            "macs_1bit": self.spec.macs_1bit or None,
            "macs_32bit": self.spec.macs_32bit or None,
            "bytes_moved": self.spec.bytes_moved,
        }

    def payload(self, accepts: frozenset[Accepts]) -> Payload | None:
        """Op and data in one `load`."""
        if "op" not in accepts:
            return None
        return Payload({**self.spec.protocol_items(), "data": f"blobs/{self.identity}"}, (self.data,))

    def prepare(self, watch: Callable[[str, int, int], None]) -> None:
        """Runs the oracle."""
        _ = self.expected

    def expected_sha256(self, which: int) -> str:
        """Most outputs are equal to the last bit, and need not be fetched."""
        return hashlib.sha256(self.expected.tobytes()).hexdigest()

    def difference(self, raw: bytes, which: int) -> tuple[float | None, str | None]:
        """Integers and bits must be equal; floats within `FLOAT_TOLERANCE` of the largest value."""
        expected = self.expected
        if len(raw) != expected.nbytes:
            return None, f"the output has {len(raw)} bytes where {expected.nbytes} are right"
        output = np.frombuffer(raw, expected.dtype).reshape(expected.shape)
        if expected.dtype == np.uint32:
            wrong = int(np.bitwise_count(output ^ expected).sum())
            return None, f"{wrong} of {expected.nbytes * 8} output bits are wrong" if wrong else None
        allowed = FLOAT_TOLERANCE * float(np.abs(expected).max()) if expected.dtype == np.float32 else 0.0
        return largest_gap(output, expected, allowed)


def largest_gap(output: NDArray[Any], expected: NDArray[Any], allowed: float) -> tuple[float, str | None]:
    """Largest absolute difference of two arrays, and a sentence when it is more than `allowed`."""
    with np.errstate(all="ignore"):
        gaps = np.abs(output.astype(np.float64) - expected.astype(np.float64))
    largest = float(np.nan_to_num(gaps, nan=np.inf).max())
    if largest <= allowed:
        return largest, None
    count = int((~(gaps <= allowed)).sum())
    place = tuple(int(i) for i in np.unravel_index(int(np.nan_to_num(gaps, nan=np.inf).argmax()), gaps.shape))
    return largest, (
        f"{count} of {expected.size} values differ from the reference, most at {list(place)}: "
        f"{output[place]} where {expected[place]} is right"
    )
