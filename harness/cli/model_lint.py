"""`bnnbench model lint`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from .options import DEVICE_HELP, DebugOption, InventoryOption, JsonOption, ShapeOption, ThreadsOption, WaitOption

FOUND = 1
"""Exit status when a finding is what --fail-on names."""


def lint(
    file: Annotated[Path, Parameter(help="A .tflite or .onnx file, or the name of a shipped model.")],
    /,
    *,
    device: Annotated[
        str | None, Parameter(name=["--device", "-d"], help=f"Measure costs there. {DEVICE_HELP}")
    ] = None,
    fail_on: Annotated[
        str, Parameter(help="Exit with status 1 for: none, any, the id of a finding, or a share such as 10%.")
    ] = "none",
    threads: ThreadsOption = 1,
    runs: Annotated[int, Parameter(help="Number of timed runs.")] = 50,
    shape: ShapeOption = None,
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Say what makes a model slower or its file larger than it has to be, by cost, and how to mend it."""
    import sys

    from ..errors import CallError
    from ..suite.load import model_path
    from ..tasks.lint import condition
    from ..tasks.lint import lint as find
    from .documents.document import text_of
    from .documents.lint import LintDocument
    from .lint_cards import print_lint

    if threads < 1 or runs < 1:
        raise CallError("--threads and --runs are at least 1.")
    fails = condition(fail_on)
    done = find(
        model_path(str(file), Path()),
        device=device,
        inventory=inventory,
        threads=threads,
        runs=runs,
        shapes=shape or (),
        tell=lambda line: print(line, file=sys.stderr),
    )
    if json:
        print(text_of(LintDocument.of(str(file), done)))
    else:
        print_lint(file.name, done)
    failing = done.failing(fails)
    if failing:
        print(f"--fail-on {fails}: {', '.join(finding.id for finding in failing)}", file=sys.stderr)
    return FOUND if failing else 0
