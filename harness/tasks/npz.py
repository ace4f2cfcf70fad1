"""Arrays by name in one `.npz` file, as `numpy.load` reads it, whatever their names are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

_SUFFIX = ".npy"


def keys_of(names: Sequence[str]) -> list[str]:
    """A key for each name: the name itself where it can be one and is the first of its kind, else one like it.

    Slashes would be folders in the archive, and a zero byte the end of the name.
    """
    plain = ["".join("_" if char in "/\\" or not char.isprintable() else char for char in name) for name in names]
    keys: dict[int, str] = {}
    taken: set[str] = set()
    # Names that need no change keep theirs, whatever stands before them.
    for place in sorted(range(len(names)), key=lambda place: plain[place] != names[place]):
        keys[place] = _unused(plain[place] or "output", taken)
        taken |= {keys[place], keys[place] + _SUFFIX}
    return [keys[place] for place in range(len(names))]


def write_archive(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Like `numpy.savez`, which has no room for arrays called `file` or `allow_pickle`. Raises OSError."""
    with ZipFile(path, "w") as archive:
        for key, array in arrays.items():
            with archive.open(key + _SUFFIX, "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def _unused(wanted: str, taken: set[str]) -> str:
    """`numpy.load` finds an array by its key with and without the suffix, so neither may be another's."""
    key, number = wanted, 2
    while {key, key + _SUFFIX} & taken:
        key, number = f"{wanted}_{number}", number + 1
    return key
