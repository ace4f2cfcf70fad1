"""The versions that all machines of a lab must share: they exchange Python objects."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from ..errors import CannotMeasure
from .address import LabAddress

PACKAGES: Final = ("bnnbench", "distributed", "dask", "cloudpickle", "msgpack", "msgspec", "numpy")


def own_versions() -> dict[str, str]:
    """Of this process: Python's as 3.11, the packages' whole."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """What differs, as part of a sentence; None where nothing does."""
    pairs = {name: (here.get(name, "none"), there.get(name, "none")) for name in [*here, *there]}
    words = [f"{name} {mine} here and {theirs} there" for name, (mine, theirs) in pairs.items() if mine != theirs]
    return ", ".join(words) or None


def require_versions(address: LabAddress, there: Mapping[str, str]) -> None:
    """Raises CannotMeasure when this process cannot work with the scheduler's."""
    if different := differing(own_versions(), there):
        raise CannotMeasure(f"the lab at {address.text} has other versions: {different}; install the same ones.")
