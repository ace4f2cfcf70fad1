"""An engine by the name that the user gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from bnnbench.devices.closest import closest, there_is_no
from bnnbench.kernels.engines import ENGINES, Engine

from ..errors import CallError


def engine_named(
    name: str, declared: Mapping[str, Engine] = MappingProxyType({}), models: Collection[str] = ()
) -> Engine:
    """One of those that are built in, or that a suite declared. Raises CallError that lists them, and the `models` that
    the name may have meant instead."""
    known = {**declared, **ENGINES}
    if name not in known:
        also = f"{closest(name, models)}, and the shipped models {', '.join(models)}" if models else ""
        raise CallError(f"{there_is_no('engine', name, [*ENGINES, *declared])}{also}.")
    return known[name]
