"""`bnnbench selftest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, InventoryOption, JsonOption, OneDeviceOption, WaitOption

EXAMPLES = """Examples:
  bnnbench selftest                       # this machine
  bnnbench selftest -d pi4 -o pi4.md      # one file to attach to an issue
  bnnbench selftest -d pi4 --quick        # fewer shapes, fewer pairs"""
_WRONG = 1

app = App(name="selftest", help_epilogue=EXAMPLES)


@app.default
def selftest(
    *,
    device: OneDeviceOption = "local",
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="Markdown file to write.")] = Path("selftest.md"),
    quick: Annotated[bool, Parameter(negative="", show_default=False, help="Fewer shapes, fewer pairs.")] = False,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Write a redacted test report of a device, to attach to an issue: kernels, roofs, noise, counters, facts."""
    import sys

    from msgspec import convert

    from ..errors import CallError
    from ..tasks.selftest import is_right
    from ..tasks.selftest import selftest as look
    from ..tasks.selftest_report import render
    from .documents.devices import SelftestReport
    from .documents.document import text_of
    from .progress import Display
    from .terminal import Console

    if output.is_dir() or not output.parent.is_dir():
        raise CallError(f"--output {output} cannot be written: name a file in an existing folder.")
    with Display(Console(stderr=True)) as display:
        done = look(
            device,
            inventory,
            display.note,
            lambda text, step, steps: display.phase(device, text, step, steps),
            quick=quick,
        )
    output.write_text(render(done), "utf-8")
    taken = ", ".join(f"{kind} {count}" for kind, count in done["redacted"].items()) or "nothing"
    if json:
        print(text_of(convert(done, SelftestReport)))
    else:
        for isa, level in done["correctness"].items():
            print(f"{isa}: {level['right']} of {level['cases']} kernels are right")
        print(f"{output}: attach it to an issue; taken out: {taken}")
    if not is_right(done):
        print("bnnbench: not every kernel is right; the report says which.", file=sys.stderr)
        return _WRONG
    return 0
