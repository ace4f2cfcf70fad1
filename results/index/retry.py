"""Reading an index that other processes change meanwhile."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from bnnbench.results.errors import StoreWarning
from bnnbench.results.store.entries import Entries, entries_of
from bnnbench.results.store.parts import PartError, is_part

T = TypeVar("T")
_ATTEMPTS = 4


def with_index(
    store: Path, names: Callable[[], Iterable[str]], read: Callable[[Entries], T], columns: Sequence[str]
) -> T:
    """What `read` makes of the entries of an index, of the runs that `names` gives just before, with these `columns`
    of runs. A part that was merged meanwhile is looked for again, a damaged one is left out with a warning
    (StoreWarning).

    In the end, an index that changes all the time is left out whole. Raises what `read` raises, but no PartError.
    """
    damaged: set[Path] = set()
    for _ in range(_ATTEMPTS):
        try:
            return read(entries_of(store, names(), frozenset(damaged), columns=columns))
        except PartError as error:
            if is_part(error.folder):
                damaged.add(error.folder)
                warnings.warn(StoreWarning(f"{error}; make it again with bnnbench store index"), stacklevel=3)
    return read(entries_of(store, names(), only=frozenset(), columns=columns))
