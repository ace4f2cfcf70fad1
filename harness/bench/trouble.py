"""What one device's trouble is to a run of several: a sentence about that device, while the others go on."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import DeviceError, is_out_of_something
from bnnbench.kernels.errors import BuildError, DatasetError, EngineError, KernelError, ModelError
from bnnbench.results.errors import StoreError

from ..errors import HarnessError
from .stop import Interrupted

FAULTS: Final = "faults.txt"
"""In a run's folder: the tracebacks of what should not have happened."""
_SENTENCES: Final = (DeviceError, HarnessError, BuildError, EngineError, KernelError, ModelError, DatasetError)
_LONGEST: Final = 300


def concerns_all(error: Exception) -> bool:
    """Whether it ends the run: the order to stop, a store that fails, or this machine being out of something."""
    return is_out_of_something(error) or isinstance(error, Interrupted | StoreError)


def is_fault(error: Exception) -> bool:
    """Whether nobody expected it: then it is a fault of this program."""
    return not isinstance(error, _SENTENCES)


def sentence(device: str, error: Exception) -> str:
    """Why a device was given up."""
    if not is_fault(error):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = "".join(f" in {Path(item.filename).name}, line {item.lineno}" for item in frame)
    message = " ".join(str(error).split())[:_LONGEST]
    return (
        f"Device '{device}' was given up because of a bug in bnnbench, {type(error).__name__}{place}: {message}; "
        f"please report it with {FAULTS} of the run's folder."
    )


def trace(device: str, error: Exception) -> str:
    """The fault in full."""
    return f"device '{device}'\n{''.join(traceback.format_exception(error))}\n"


def keep_trace(folder: Path, text: str) -> None:
    """Adds a fault to those of a run. Raises OSError."""
    with (folder / FAULTS).open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
