"""Engines: programs that execute workloads, one file each, pure (they start nothing themselves).

`ENGINES` is the table by name; a user's own engine is a `CustomEngine` row made from the suite.
"""

from __future__ import annotations

from .base import Engine, EngineFile, EngineFiles
from .custom import CustomEngine
from .native import NativeEngine
from .numba import NumbaEngine
from .side import SideEngine
from .tflite import TFLITE_ENGINES

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (NativeEngine(), NumbaEngine(), *TFLITE_ENGINES)}

__all__ = ("ENGINES", "CustomEngine", "Engine", "EngineFile", "EngineFiles", "SideEngine")
