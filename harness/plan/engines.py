"""One engine by the name that the user gave."""

from __future__ import annotations

from bnnbench.kernels.engines import ENGINES, Engine

from ..errors import CallError


def engine_named(name: str) -> Engine:
    """Raises CallError that lists the engines."""
    if name not in ENGINES:
        raise CallError(f"there is no engine '{name}'; there are {', '.join(ENGINES)}.")
    return ENGINES[name]
