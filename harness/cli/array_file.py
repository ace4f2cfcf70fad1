"""NumPy files of the command line: the input of `bnnbench infer`, and the outputs that it writes."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from bnnbench.results.printable import shorten
from bnnbench.results.store.reading import read_regular

from ..errors import CallError
from ..tasks.infer import Output
from ..tasks.npz import keys_of, write_archive

_DAMAGED = (
    *(
        ValueError,
        EOFError,
        SyntaxError,
        TypeError,
        KeyError,
        OverflowError,
        MemoryError,
        BadZipFile,
        zlib.error,
        TokenError,
    ),
    RuntimeError,  # an archive with a password, and deep nesting
)
_MOST_ARRAYS = 1000


def read_input(path: Path) -> NDArray[np.generic] | dict[str, NDArray[np.generic]]:
    """The array of a NumPy file that may be hostile; of an archive, each by its name. Raises CallError."""
    try:
        return _arrays(path, np.load(io.BytesIO(read_regular(path)), allow_pickle=False))
    except OSError as error:
        raise CallError(f"--input {path} cannot be read: {error.strerror or error}.") from None
    except _DAMAGED:
        raise CallError(f"--input {path} is not a NumPy file of numbers; write it with numpy.save.") from None


def _arrays(path: Path, loaded: NDArray[np.generic] | NpzFile) -> NDArray[np.generic] | dict[str, NDArray[np.generic]]:
    if isinstance(loaded, np.ndarray):
        return loaded
    if len(loaded.files) > _MOST_ARRAYS:
        raise CallError(f"--input {path} holds {len(loaded.files):,} arrays, and up to {_MOST_ARRAYS} are read.")
    found = {name: loaded[name] for name in loaded.files}
    strange = next((name for name, array in found.items() if not isinstance(array, np.ndarray)), None)
    if strange is not None:
        raise CallError(f"--input {path} holds '{shorten(strange, 60)}', which is no array; write it with numpy.savez.")
    return found


def write_outputs(path: Path, outputs: Sequence[Output]) -> list[tuple[str, str]]:
    """Returns the outputs whose name in the file is not the model's, with that name. Raises CallError."""
    names, arrays = [name for name, _ in outputs], [array for _, array in outputs]
    if path.suffix == ".npy" and len(outputs) > 1:
        raise CallError(f"the model has {len(outputs)} outputs; name an .npz file for them.")
    try:
        if path.suffix == ".npy":
            np.save(path, arrays[0])
            return []
        keys = keys_of(names)
        write_archive(path, dict(zip(keys, arrays, strict=True)))
    except OSError as error:
        raise CallError(f"--output {path} cannot be written: {error.strerror or error}.") from None
    return [(name, key) for name, key in zip(names, keys, strict=True) if name != key]
