"""The right outputs of a workload as a file, for other machines that measure it: arrays by name, in NumPy's format."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..errors import CannotMeasure
from .base import Workload


def write(workload: Workload, path: Path) -> None:
    """Of a workload that is prepared. Raises OSError."""
    arrays: dict[str, Any] = dict(workload.prepared())
    with path.open("wb") as file:
        np.savez(file, **arrays)


def read(workload: Workload, path: Path) -> None:
    """Makes it a prepared one. Raises CannotMeasure for a file that does not hold its outputs."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            workload.restore(dict(arrays))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        said = " ".join(str(error).split())[:100] or type(error).__name__
        raise CannotMeasure(f"the right outputs of {workload.name} that were sent cannot be read ({said}).") from None
