"""Which exit status an error has; the packages' own errors are sentences already."""

from __future__ import annotations


def explain(error: Exception) -> tuple[str, int]:
    """A sentence for a person and the exit status."""
    from bnnbench.devices.errors import DeviceError, InventoryError
    from bnnbench.kernels.errors import BuildError, DatasetError, EngineError, KernelError, ModelError
    from bnnbench.results.errors import StoreError

    from ..errors import HarnessError

    if isinstance(error, HarnessError):
        return _sentence(error), error.exit_status
    if isinstance(error, InventoryError | ModelError | DatasetError | KernelError | StoreError):
        return _sentence(error), 2
    if isinstance(error, DeviceError | BuildError | EngineError):
        return _sentence(error), 3
    if isinstance(error, OSError):
        return f"{error.filename or 'the output'} cannot be used: {error.strerror or error}.", 3
    kind = type(error).__name__
    return f"internal error, {kind}: {error}; run again with --debug and report what it prints.", 3


def _sentence(error: Exception) -> str:
    text = str(error).strip()
    return text if text.endswith((".", "!", "?")) else text + "."
