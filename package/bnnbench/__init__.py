"""Benchmarks and profiles binarized neural networks on the devices they ship to.

    import bnnbench as bnn

    run = bnn.run("quicknet_xs", device="pi4", invocations=2)
    run.frame

`run`, `evaluate`, `ab`, `check`, `profile`, `lint` and `infer` do what the commands of these names do and take their
options as keyword arguments; `devices` lists the devices, and `load` reads a store. Nothing is printed unless asked
(`progress=True`), and every error is a `bnnbench.Error`.

Importing this package imports nothing else: each name is looked up when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bnnbench.harness.api.comparison import Check as Check
    from bnnbench.harness.api.comparison import ab as ab
    from bnnbench.harness.api.comparison import check as check
    from bnnbench.harness.api.device import Device as Device
    from bnnbench.harness.api.device import devices as devices
    from bnnbench.harness.api.error import CallError as CallError
    from bnnbench.harness.api.error import Error as Error
    from bnnbench.harness.api.error import MeasureError as MeasureError
    from bnnbench.harness.api.inference import infer as infer
    from bnnbench.harness.api.lint import Lint as Lint
    from bnnbench.harness.api.lint import lint as lint
    from bnnbench.harness.api.measuring import evaluate as evaluate
    from bnnbench.harness.api.measuring import run as run
    from bnnbench.harness.api.profile import Profile as Profile
    from bnnbench.harness.api.profile import profile as profile
    from bnnbench.harness.api.runs import Run as Run
    from bnnbench.harness.api.runs import Runs as Runs
    from bnnbench.harness.api.runs import load as load

    __version__: str

_API = "bnnbench.harness.api"
_HOMES = {
    "CallError": "error",
    "Check": "comparison",
    "Device": "device",
    "Error": "error",
    "Lint": "lint",
    "MeasureError": "error",
    "Profile": "profile",
    "Run": "runs",
    "Runs": "runs",
    "ab": "comparison",
    "check": "comparison",
    "evaluate": "measuring",
    "infer": "inference",
    "lint": "lint",
    "load": "runs",
    "profile": "profile",
    "run": "measuring",
}
"""Name -> module of the API that it is in. `devices` is a package, which can be called."""

__all__ = [
    *("CallError", "Check", "Device", "Error", "Lint", "MeasureError", "Profile", "Run", "Runs"),
    *("ab", "check", "devices", "evaluate", "infer", "lint", "load", "profile", "run"),
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("bnnbench")
    if name == "devices":
        return import_module("bnnbench.devices")
    if name not in _HOMES:
        raise AttributeError(f"module 'bnnbench' has no attribute {name!r}")
    return getattr(import_module(f"{_API}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES, "devices", "__version__"])
