"""Which exit status an error has; the packages' own errors are sentences already."""

from __future__ import annotations

from collections.abc import Mapping


def explain(error: Exception) -> tuple[str, int]:
    """A sentence for a person and the exit status."""
    kind = type(error).__name__
    internal = f"internal error, {kind}: {error}; run again with --debug and report what it prints.", 3
    return expected(error) or internal


def expected(error: Exception) -> tuple[str, int] | None:
    """The same of an error that can be expected; None of one of the program itself."""
    from bnnbench.devices.errors import DeviceError, InventoryError
    from bnnbench.kernels.errors import BuildError, DatasetError, EngineError, KernelError, ModelError
    from bnnbench.results.errors import StoreError

    from ..errors import CannotMeasure, HarnessError

    statuses: Mapping[type, int] = {
        HarnessError: 2,
        CannotMeasure: 3,
        InventoryError: 2,
        ModelError: 2,
        DatasetError: 2,
        KernelError: 2,
        StoreError: 2,
        DeviceError: 3,
        BuildError: 3,
        EngineError: 3,
    }
    for base in type(error).__mro__:
        if base in statuses:
            return _sentence(error), statuses[base]
    if isinstance(error, UnicodeEncodeError):
        return f"this locale cannot name {error.object!r}: set LC_ALL=C.UTF-8 or PYTHONUTF8=1.", 2
    if isinstance(error, OSError):
        return f"{error.filename or 'the output'} cannot be used: {error.strerror or error}.", 3
    return None


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text if text.endswith((".", "!", "?")) else text + "."
