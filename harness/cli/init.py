"""`bnnbench init`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption

EXAMPLES = """Examples:
  bnnbench init                # suite.toml and devices.toml here
  bnnbench init bench && cd bench && bnnbench run suite.toml"""

app = App(name="init", help_epilogue=EXAMPLES)


@app.default
def init(
    folder: Annotated[Path, Parameter(help="Folder to write to; made if missing.")] = Path(),
    /,
    *,
    debug: DebugOption = False,
) -> None:
    """Write a commented suite and inventory to start from. Existing files are kept."""
    from ..tasks.init import init_folder

    written = init_folder(folder)
    for item in written:
        print(f"wrote {item.path}" if item.is_new else f"kept {item.path}, which exists")
    print(f"next: bnnbench run {shlex.quote(str(written[0].path))}")
