"""Constants of one file: read once, checked once, and never more of them than the file holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ..model import TensorRef

_SPARE_BYTES = 65_536
_TIMES_READ = 8
"""A model reads each constant about once, and may compute others of it. A damaged one may name the same megabytes in a
hundred thousand ops."""


class Exhausted(ModelError):  # noqa: N818 - names a state
    """More constants than the file can hold: nothing behind the op can be imported."""


@dataclass(slots=True)
class Constants:
    """`file_bytes` bounds what is read."""

    file_bytes: int
    _arrays: dict[int, NDArray[Any]] = field(default_factory=dict)
    _read: int = 0

    def array(self, ref: TensorRef, role: str) -> NDArray[Any]:
        """An aligned copy that does not keep the whole file in memory; finite. ModelError when it is none."""
        known = self._arrays.get(ref.index)
        if known is not None:
            return known
        data = ref.data
        if data is None:
            raise ModelError(f"its {role} is computed by the model; only constant ones are supported.")
        if data.dtype.name != ref.dtype or data.shape != ref.shape:
            raise ModelError(f"its {role} is sparse or {ref.dtype}, which is not supported.")
        self.charge(data.nbytes)
        if data.dtype.kind == "f" and not np.isfinite(data).all():
            raise ModelError(f"its {role} holds infinite numbers or NaN.")
        copy = np.array(data)
        self._arrays[ref.index] = copy
        return copy

    def charge(self, size: int) -> None:
        """Counts bytes of constants that an op reads."""
        self._read += size
        if self._read > _TIMES_READ * self.file_bytes + _SPARE_BYTES:
            raise Exhausted("the ops up to here have more constants than the file can hold.")
