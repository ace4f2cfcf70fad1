"""`bnnbench schema`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no

from .options import DebugOption
from .schemas import SCHEMAS

EXAMPLES = """Examples:
  bnnbench schema                       # the names
  bnnbench schema runs-show
  bnnbench schema ab > ab.schema.json   # for a validator, or a generator of types"""

app = App(name="schema", help_epilogue=EXAMPLES)


@app.default
def schema(
    name: Annotated[str | None, Parameter(help="Name of a document; without it, all names are listed.")] = None,
    /,
    *,
    debug: DebugOption = False,
) -> None:
    """Print the JSON Schema of what a command prints with --json."""
    from json import dumps

    from bnnbench.results.sheet import Column, Sheet

    from ..errors import CallError
    from .schemas import schema_of
    from .terminal import Console

    if name is None:
        sheet = Sheet(Column("name"), Column("printed by", folds=True))
        for one, row in SCHEMAS.items():
            sheet.add(one, f"bnnbench {row.command} {row.option}")
        sheet.print(Console())
        return
    if name not in SCHEMAS:
        raise CallError(f"{there_is_no('schema', name, SCHEMAS)}.")
    print(dumps(schema_of(name), indent=1))
