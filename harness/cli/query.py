"""`bnnbench query`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from .options import DebugOption, StoreOption

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLES = """Examples:
  bnnbench query "SELECT device, count(*) FROM cases GROUP BY device"
  bnnbench query "SELECT created, latency_ns FROM cases ORDER BY created" --format csv
  bnnbench query "SELECT * FROM verdicts WHERE verdict = 'regression'" -o regressions.parquet
  bnnbench query "SELECT device, kernel, max(created) FROM devices GROUP BY ALL" --explain
Tables: cases, invocations, verdicts, runs, devices; their columns are in docs/store.md."""

app = App(name="query", help_epilogue=EXAMPLES)
FORMATS = ("table", "csv", "json", "parquet")


@app.default
def query(
    sql: Annotated[str, Parameter(help="One SELECT, in DuckDB's SQL.")],
    /,
    *,
    format: Annotated[
        Literal["table", "csv", "json", "parquet"] | None,
        Parameter(help="Format of the answer; default: that of --output, otherwise a table.", show_default=False),
    ] = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="File to write; default: print.")] = None,
    explain: Annotated[
        bool, Parameter(negative="", show_default=False, help="Print how the answer would be found.")
    ] = False,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Ask the store a question in SQL. Needs DuckDB: pip install 'bnnbench[query]'."""
    from bnnbench.results.query.sql import QueryError
    from bnnbench.results.query.sql import query as ask
    from bnnbench.results.store.atomic import write_atomically
    from bnnbench.results.store.runs import Store

    from ..errors import CallError

    kind = _format(format, output)
    try:
        found = ask(Store(store), sql, explain=explain)
    except QueryError as error:
        raise CallError(f"the query cannot be run: {error}.") from None
    except ImportError as error:
        if error.name != "duckdb":
            raise
        raise CallError("bnnbench query needs DuckDB; run pip install 'bnnbench[query]'.") from None
    if explain:
        print(found["plan"][0].as_py())
        return
    if kind == "table":
        _print_table(found)
        return
    content = _RENDER[kind](found)
    if output is None:
        sys.stdout.write(content.decode())
        return
    write_atomically(output, content)
    print(f"{output}: {found.num_rows:,} row{'' if found.num_rows == 1 else 's'}")


def _format(given: str | None, output: Path | None) -> str:
    from ..errors import CallError

    kind = given or ("table" if output is None else output.suffix.removeprefix("."))
    known = FORMATS if output is None else FORMATS[1:]
    if kind not in known:
        raise CallError(
            f"answers are written as {', '.join(FORMATS[1:])}, not as {kind or 'a file without a suffix'!r}."
        )
    if kind == "parquet" and output is None:
        raise CallError("Parquet is for files; name one with --output.")
    return kind


def _print_table(found: pa.Table) -> None:
    from bnnbench.results.sheet import Column, Sheet

    from .terminal import Console

    numeric = [str(field.type).startswith(("int", "uint", "double", "float", "decimal")) for field in found.schema]
    columns = zip(found.column_names, numeric, strict=True)
    sheet = Sheet(*(Column(name, folds=not right, right=right) for name, right in columns))
    for row in zip(*(found.column(number).to_pylist() for number in range(found.num_columns)), strict=True):
        sheet.add(*("" if value is None else str(value) for value in row))
    sheet.print(Console())


def _csv(found: pa.Table) -> bytes:
    """As other exports: what a spreadsheet would take for a formula begins with an apostrophe."""
    from csv import writer
    from io import StringIO
    from json import dumps

    from bnnbench.results.printable import cell, harmless

    def field(value: object) -> object:
        if isinstance(value, list | dict):
            return dumps(value, default=str)
        return cell(value) if isinstance(value, str) else value

    out = StringIO()
    rows = writer(out, lineterminator="\n")
    rows.writerow(found.column_names)
    for row in zip(*(found.column(number).to_pylist() for number in range(found.num_columns)), strict=True):
        rows.writerow([field(value) for value in row])
    return harmless(out.getvalue()).encode()


def _json(found: pa.Table) -> bytes:
    """Numbers stay numbers; what JSON has no number for is null."""
    from decimal import Decimal
    from json import dumps
    from math import isfinite

    from ..errors import CallError

    if len(set(found.column_names)) < found.num_columns:
        raise CallError("two columns of the answer have one name; give each a name of its own with AS.")

    def value(item: object) -> object:
        if isinstance(item, Decimal):
            return int(item) if item == item.to_integral_value() else float(item)
        if isinstance(item, float) and not isfinite(item):
            return None
        return [value(each) for each in item] if isinstance(item, list) else item

    rows = [{name: value(item) for name, item in row.items()} for row in found.to_pylist()]
    return (dumps(rows, indent=1, default=str) + "\n").encode()


def _parquet(found: pa.Table) -> bytes:
    from io import BytesIO

    from pyarrow.parquet import write_table

    buffer = BytesIO()
    write_table(found, buffer, compression="zstd")
    return buffer.getvalue()


_RENDER = {"csv": _csv, "json": _json, "parquet": _parquet}
