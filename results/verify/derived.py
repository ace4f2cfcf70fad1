"""The files of a run that are made of its journal: each is read to its last page, and compared with the journal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from bnnbench.results.store.stored_run import StoredRun
from bnnbench.results.tables.run_files import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

DerivedCheck = Callable[[StoredRun, bytes], Iterator[str]]
"""A run and the content of a file of it -> what is wrong with that, a sentence each."""


def like(make: Callable[[StoredRun], pa.Table]) -> DerivedCheck:
    """The check of a Parquet file that `make` makes of a run: rows and columns as this version makes them. Columns that
    only one of the two has are of another version."""

    def check(run: StoredRun, content: bytes) -> Iterator[str]:
        try:
            found = _table(content)
        except Exception as error:
            yield f"it can't be read ({' '.join(str(error).split())[:200]})"
            return
        expected = make(run)
        if found.num_rows != expected.num_rows:
            yield f"it has {found.num_rows} rows, and the journal gives {expected.num_rows}"
            return
        both = [name for name in expected.column_names if name in found.column_names]
        other = [name for name in both if not found[name].equals(expected[name])]
        if other or not both:
            yield f"it is not what the journal gives, in {', '.join(other) or 'any column'}"

    return check


DERIVED: Mapping[str, DerivedCheck] = {name: like(make) for name, make in TABLES.items()}
"""File -> its check, of all tables of a run."""


def _table(content: bytes) -> pa.Table:
    """All of it, each page against its checksum where it has one."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
