"""An engine by the name that the user gave."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from bnnbench.kernels.engines import ENGINES, Engine

from ..errors import CallError


def engine_named(name: str, declared: Mapping[str, Engine] = MappingProxyType({})) -> Engine:
    """One of those that are built in, or that a suite declared. Raises CallError that lists them."""
    known = {**declared, **ENGINES}
    if name not in known:
        raise CallError(f"there is no engine '{name}'; there are {', '.join([*ENGINES, *declared])}.")
    return known[name]
