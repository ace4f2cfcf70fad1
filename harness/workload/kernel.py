"""A kernel case: an op, the bytes of its arrays, and the output that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.data import data_bytes
from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.ops import KernelSpec
from bnnbench.kernels.reference import oracle
from bnnbench.results.records import Kind

from .base import Payload
from .judges import Opinions
from .output_match import Match, compare_array, not_finite, tolerance


@dataclass(frozen=True)
class KernelWorkload:
    """One kernel case. `source` says where its weights are from; None means random ones."""

    name: str
    spec: KernelSpec
    arrays: Mapping[str, NDArray[Any]]
    source: str | None = None
    kind: Kind = "kernel"
    has_images: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    """Of a model's layer, the model's."""

    @property
    def op(self) -> str | None:
        return self.spec.op

    @property
    def images_sha256(self) -> None:
        """It has none."""

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

    @property
    def is_prepared(self) -> bool:
        """Whether the oracle has run."""
        return "expected" in self.__dict__

    @property
    def prepared_key(self) -> str:
        """The op, its keys and its data."""
        items = sorted((key, str(value)) for key, value in self.spec.protocol_items().items())
        return hashlib.sha256(f"{items} {self.identity}".encode()).hexdigest()

    def prepared(self) -> Mapping[str, NDArray[Any]]:
        """The output."""
        return {"expected": self.expected}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """See `Workload`."""
        self.__dict__["expected"] = arrays["expected"]

    def expected_sha256(self, which: int) -> str:
        """Most outputs are equal to the last bit, and need not be fetched."""
        return hashlib.sha256(self.expected.tobytes()).hexdigest()

    def graph_and_input(self, which: int) -> None:
        """None."""

    def input_name(self, which: int) -> str:
        """Its data is drawn once."""
        return "its data"

    @property
    def remark(self) -> str | None:
        """What is to be said of a right output that is not finite."""
        return not_finite([self.expected])

    @property
    def unverified(self) -> None:
        """Every output is compared."""

    @property
    def opinions(self) -> Opinions | None:
        """There is no file to read."""
        return None

    def is_sure(self, which: int) -> bool:
        """No rounding decides a kernel's output."""
        return True

    def compare(self, raw: bytes, which: int, traced: bool) -> Match:
        """Integers and bits must be equal; floats within `FLOAT_TOLERANCE` of the largest value."""
        expected = self.expected
        if len(raw) != expected.nbytes:
            return Match(None, f"the output has {len(raw)} bytes, not {expected.nbytes}")
        output = np.frombuffer(raw, expected.dtype).reshape(expected.shape)
        if expected.dtype == np.uint32:
            wrong = int(np.bitwise_count(output ^ expected).sum())
            return Match(None, f"{wrong} of {expected.nbytes * 8} output bits are wrong" if wrong else None)
        return compare_array(output, expected, tolerance(expected))
