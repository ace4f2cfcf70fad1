"""The rows of cases in the parts of an index: sorted by case, so that those of one lie in few files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from bnnbench.results.arrow_types import schema
from bnnbench.results.columns import CASE_COLUMNS
from bnnbench.results.index.where import Where
from bnnbench.results.store.parts import Part, PartError, PartFile

RUN, ROW = "_run", "_row"
"""The place of a row's run in the part's table of runs, and of the row in its run."""
OF_RUN = ("run_id", "created", "commit")
"""Columns that are the run's: they are in the table of runs alone."""
STORED = {name: kind for name, kind in CASE_COLUMNS.items() if name not in OF_RUN}
PLANNED = frozenset(
    (
        *("device", "device_model", "emulated", "boot_id", "engine", "variant", "workload", "kind", "op", "threads"),
        *("macs_1bit", "macs_32bit", "bytes_moved", "size_bytes", "plan_sha256", "caveat", "comparison"),
    )
)
"""Columns that `run.json` alone decides: a run never changes in them."""
_ORDER = ("kind", "workload", "device", "engine", "variant", "threads", RUN, ROW)
_MOST_ROWS = 1 << 16
SCHEMA = pa.schema([(RUN, pa.int32()), (ROW, pa.int32()), *schema(STORED)])


def chunks(cases: pa.Table) -> Iterator[tuple[PartFile, pa.Table]]:
    """A table of `SCHEMA` in files' worth, sorted by case."""
    keys = pa.table(
        {name: cases[name].fill_null("" if pa.types.is_string(SCHEMA.field(name).type) else 0) for name in _ORDER}
    )
    ordered = cases.take(pc.sort_indices(keys, [(name, "ascending") for name in _ORDER]))
    for number, start in enumerate(range(0, ordered.num_rows, _MOST_ROWS)):
        chunk = ordered.slice(start, _MOST_ROWS)
        file = PartFile(
            name=f"cases-{number}.parquet",
            rows=chunk.num_rows,
            sha256="",
            low=_case(chunk, 0),
            high=_case(chunk, chunk.num_rows - 1),
        )
        yield file, chunk


def read_cases(part: Part, columns: Sequence[str], where: Where | None, condition: Any) -> pa.Table:
    """Columns of the rows of a part that meet an Arrow condition; files that cannot have any are not opened. Texts are
    dictionaries. Raises PartError."""
    fixed = {} if where is None else where.fixed
    files = [file for file in part.manifest.tables.get("cases", []) if _may_have(file, fixed)]
    paths = [str(part.verified(file)) for file in files]
    wanted = pa.schema([SCHEMA.field(name) for name in columns])
    if not paths:
        return wanted.empty_table()
    texts = [field.name for field in wanted if pa.types.is_string(field.type)] if condition is None else []
    reading = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(dictionary_columns=texts))
    try:
        return ds.dataset(paths, format=reading).to_table(columns=list(columns), filter=condition)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise PartError(part.folder, f"can't be read: {str(error).splitlines()[0]}") from error


def _case(chunk: pa.Table, row: int) -> tuple[str, str]:
    return tuple(chunk[name][row].as_py() or "" for name in ("kind", "workload"))  # type: ignore[return-value]


def _may_have(file: PartFile, fixed: Mapping[str, str]) -> bool:
    if file.low is None or file.high is None:
        return True
    kind, workload = fixed.get("kind"), fixed.get("workload")
    low, high = file.low, file.high
    if kind is not None and not low[0] <= kind <= high[0]:
        return False
    if workload is None:
        return True
    # A file of several kinds has workloads of the first from its first row on, and of the last up to its last row.
    if low[0] == high[0]:
        return low[1] <= workload <= high[1]
    return (kind != low[0] or workload >= low[1]) and (kind != high[0] or workload <= high[1])
