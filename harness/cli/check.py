"""`bnnbench check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from bnnbench.devices.closest import there_is_no

from .options import (
    DEVICE_HELP,
    AllOption,
    AnyOption,
    DebugOption,
    FilterOption,
    InventoryOption,
    LabOption,
    StoreOption,
    TrustOption,
    WaitOption,
)

if TYPE_CHECKING:
    from bnnbench.results.verdict.remarks import Remarks
    from bnnbench.results.verdict.rows import VerdictRow

EXAMPLES = """Examples:
  bnnbench check --baseline main                                   # its suite, on its device
  bnnbench check suite.toml --baseline main --baseline v1.2 -d pi4 # last merge and last release
  bnnbench check --baseline main --format markdown -o comment.md
  bnnbench check --baseline main --format junit -o bnnbench.xml --max-inconclusive 20%
  bnnbench check --baseline main --only-regressions
  bnnbench check --baseline main --notify        # to the webhook BNNBENCH_NOTIFY_URL
Exit status: 0 passed, 1 regression or wrong output, 2 usage error, 3 not measured or too many
inconclusive cases."""

app = App(name="check", help_epilogue=EXAMPLES)


@app.default
def check(
    files: Annotated[
        list[Path] | None, Parameter(help="Suites (.toml) and models (.tflite, .onnx); default: the baseline's suite.")
    ] = None,
    /,
    *,
    baseline: Annotated[
        list[str], Parameter(negative="", help="Baseline to compare with; can be given several times.")
    ],
    head: Annotated[
        str | None,
        Parameter(help="Candidate side: ENGINE or ENGINE@FILE; default: the baseline's engines."),
    ] = None,
    device: Annotated[
        list[str],
        Parameter(name=["--device", "-d"], negative="", show_default="the baseline's", help=DEVICE_HELP),
    ] = [],  # noqa: B006 - the parser copies it
    any: AnyOption = None,
    all: AllOption = False,
    filter: FilterOption = None,
    budget: Annotated[str | None, Parameter(help="Time limit of each comparison, such as 90s, 5min or 1h.")] = None,
    format: Annotated[str, Parameter(help="table, markdown, json, junit or github (annotations).")] = "table",
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="File to write the format to; the table goes to the terminal."),
    ] = None,
    strict: Annotated[
        bool, Parameter(negative="", show_default=False, help="Fail if any case is inconclusive.")
    ] = False,
    max_inconclusive: Annotated[str, Parameter(help="Allowed share of inconclusive cases.")] = "100%",
    only_regressions: Annotated[
        bool, Parameter(negative="", show_default=False, help="List only what makes the check fail.")
    ] = False,
    notify: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Post the verdicts to the webhook BNNBENCH_NOTIFY_URL of the environment if the check does not pass.",
        ),
    ] = False,
    notify_always: Annotated[
        bool, Parameter(negative="", show_default=False, help="Post them also if it passes.")
    ] = False,
    trust: TrustOption = False,
    store: StoreOption = None,
    inventory: InventoryOption = None,
    lab: LabOption = None,
    wait: WaitOption = None,
    debug: DebugOption = False,
) -> int:
    """Compare with a baseline in interleaved pairs; fail on regressions."""
    from dataclasses import replace

    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.formats import FORMATS
    from bnnbench.results.verdict.remarks import together

    from ..tasks.check import planned
    from ..tasks.checking import checked
    from ..tasks.notice import Notice
    from ..tasks.remarks import history_of_unjudged, remarks_on
    from ..tasks.webhook import webhook
    from .exit_status import exit_status, worst
    from .failure import explain
    from .measuring import INTERRUPTED, NOT_MEASURED, called
    from .outcome import print_outcome, remark_lines
    from .terminal import Console
    from .words import pattern, seconds, share

    _require_writable(format, output)
    hook = webhook() if notify or notify_always else None
    most_unclear, budget_s, words = share(max_inconclusive, "--max-inconclusive"), seconds(budget), pattern(filter)
    results = Store(store)
    rows: list[VerdictRow] = []
    statuses: list[int] = []
    all_remarks: list[Remarks] = []
    trouble: list[Exception] = []
    checks = planned(
        *(results, baseline, head),
        files=files,
        devices=device,
        inventory=inventory,
        budget_s=budget_s,
        trusts=trust,
        lab=lab,
    )
    run_ids: list[str] = []
    calls = lambda: called(results, device, inventory, filter=words, lab=lab, any=any, all=all)  # noqa: E731
    for done in checked(checks, calls, _tell, strict=strict, most_unclear=most_unclear):
        all_remarks.append(done.remarks(results, lambda error: explain(error)[0]))
        if done.result is None:
            trouble += [done.error] if done.error else []
            statuses.append(NOT_MEASURED)
            if len(checks) > 1:
                print(*remark_lines(replace(all_remarks[-1], notes=())), sep="\n", file=sys.stderr)
            continue
        rows += done.rows
        run_ids.append(done.result.stored.record.run_id)
        statuses.append(exit_status(done.result, done.rows))
        remarks = remarks_on(done.result, done.rows, results, is_brief=only_regressions)
        if format == "table" or output is not None:
            print_outcome(done.result, done.rows, remarks, Console(), store)
        else:
            print(*remark_lines(remarks), sep="\n", end="\n" * bool(remark_lines(remarks)), file=sys.stderr)
        for line in history_of_unjudged(done.result, results):
            _tell(line)
    if format != "table":
        _write(FORMATS[format](rows, ", ".join(run_ids), together(all_remarks, only_regressions)), output)
    status = worst(statuses)
    if hook is not None and status != INTERRUPTED and (status or notify_always):
        _tell(hook.told(Notice(rows, together(all_remarks), run_ids, status)))
    if not run_ids:
        raise trouble[0]
    return status


def _require_writable(format: str, output: Path | None) -> None:
    """Before anything is measured. Raises CallError."""
    from bnnbench.results.verdict.formats import FORMATS

    from ..errors import CallError

    if format not in ("table", *FORMATS):
        raise CallError(f"{there_is_no('format', format, ['table', *FORMATS])}.")
    if output is not None and format == "table":
        raise CallError(f"--output takes the other formats, the table is printed: add --format {' or '.join(FORMATS)}.")
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise CallError(f"--output {output} cannot be written: name a file in an existing folder.")


def _write(text: str, output: Path | None) -> None:
    """To the file, or to the terminal where there is none."""
    if output is not None:
        output.write_text(text, "utf-8")
    else:
        print(text, end="" if text.endswith("\n") else "\n")


def _tell(line: str) -> None:
    print(line, file=sys.stderr)
