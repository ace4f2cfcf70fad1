"""Engines: programs that execute workloads, one file each, pure (they start nothing themselves).

`ENGINES` is the table by name; a user's own engine is of a class of `DECLARED`, made from the suite.
"""

from __future__ import annotations

from collections.abc import Mapping

from .base import Engine, EngineFile, EngineFiles, Refusal, Start
from .custom import CustomEngine
from .native import NativeEngine
from .numba import NumbaEngine
from .side import SideEngine
from .tflite import TFLITE_ENGINES
from .tflite_benchmark import SummaryEngine

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (NativeEngine(), NumbaEngine(), *TFLITE_ENGINES)}

DECLARED: Mapping[str, type[CustomEngine]] = {"1": CustomEngine, "none": SummaryEngine}
"""By what a suite says of its engine's `protocol`."""

__all__ = (
    "DECLARED",
    "ENGINES",
    "CustomEngine",
    "Engine",
    "EngineFile",
    "EngineFiles",
    "Refusal",
    "SideEngine",
    "Start",
)
