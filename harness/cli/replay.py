"""`bnnbench replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from .options import DEVICE_HELP, DebugOption, InventoryOption, JsonOption, SignersOption, StoreOption, WaitOption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bnnbench.results.ratios import RunComparison
    from bnnbench.results.store.stored_run import StoredRun

    from ..run.execute import RunResult
    from ..tasks.rejudge import Rejudged
    from .documents.runs import Execution, ReplayDocument, ReplayedVerdict

EXAMPLES = """Examples:
  bnnbench replay run.bnn                    # its verdicts again; the report into ./replay-<run id>
  bnnbench replay run.bnn -o report --json
  bnnbench replay run.bnn --execute          # also measure again; needs a signature that you allow
Exit status: 0 all verdicts are the same, 1 a verdict differs, 2 the archive is refused,
3 not measured, or not completely."""

app = App(name="replay", help_epilogue=EXAMPLES)
DIFFERS = 1


@app.default
def replay(
    archive: Annotated[Path, Parameter(help="Archive of a run, as store pack writes it.")],
    /,
    *,
    output: Annotated[
        Path | None,
        Parameter(name=["--output", "-o"], help="Folder to write the report to; default: replay-<run id>."),
    ] = None,
    allowed_signers: SignersOption = None,
    execute: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Also measure again, with engines that are built here; needs a signature by an allowed signer.",
        ),
    ] = False,
    device: Annotated[
        list[str],
        Parameter(name=["--device", "-d"], negative="", show_default="the run's", help=f"For --execute. {DEVICE_HELP}"),
    ] = [],  # noqa: B006 - the parser copies it
    inventory: InventoryOption = None,
    wait: WaitOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Judge an archive's verdicts again and draw its report, without running anything of it."""
    from sys import stderr
    from tempfile import TemporaryDirectory

    from msgspec.structs import replace

    from bnnbench.results import load
    from bnnbench.results.archive.container import opened
    from bnnbench.results.archive.unpack import unpack_aside
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from ..tasks.archives import checked_signer
    from ..tasks.rejudge import rejudged
    from ..tasks.remeasure import remeasure, remeasurement
    from .documents.document import text_of
    from .documents.runs import ReplayDocument
    from .measuring import NOT_MEASURED, called
    from .report import write_report

    if not execute and (device or inventory or wait):
        raise CallError("--device, --inventory and --wait say how to measure again; add --execute.")
    with opened(archive) as content, TemporaryDirectory(prefix="bnnbench-replay-") as folder:
        manifest, signer = content.manifest, checked_signer(content, allowed_signers, required=execute)
        aside, run, calibrations = unpack_aside(content, Path(folder))
        plan = remeasurement(run, redacted=manifest.redacted) if execute else None
        judged = rejudged(run, calibrations)
        report = write_report([run], output or Path(f"replay-{manifest.run_id}"), aside, lints=False)
        document = ReplayDocument(
            run_id=manifest.run_id,
            version=run.record.version,
            signer=signer,
            redacted=manifest.redacted,
            cases=len(load(run)),
            verdicts=_verdicts(judged),
            differences=[text for item in judged for text in item.differences],
            warnings=list(run.warnings),
            report={format: str(path) for format, path in report.items()},
        )
        measured: tuple[RunResult, RunComparison] | None = None
        if plan is not None:
            for name, reason in plan.left_out.items():
                print(f"engine {name} is not run: {reason}", file=stderr)
            with called(Store(store), device, inventory) as call:
                measured = remeasure(run, plan, call)
            document = replace(document, execution=_execution(*measured, plan.left_out))
    if json:
        print(text_of(document))
    else:
        _print(document, run, measured)
    if document.differences:
        return DIFFERS
    return NOT_MEASURED if measured and measured[0].outcome != "complete" else 0


def _verdicts(judged: list[Rejudged]) -> list[ReplayedVerdict]:
    from .documents.runs import ReplayedVerdict

    return [
        ReplayedVerdict(
            workload=item.record.workload,
            device=item.record.device,
            threads=item.record.threads,
            metric=verdict.metric,
            verdict=verdict.verdict or verdict.status,
            effect=verdict.effect,
        )
        for item in judged
        for verdict in item.again
    ]


def _execution(result: RunResult, found: RunComparison, left_out: Mapping[str, str]) -> Execution:
    from .documents.runs import Execution, ratio_entry

    return Execution(
        run_id=result.stored.record.run_id,
        outcome=result.outcome,
        ratios=[ratio_entry(ratio) for ratio in found.ratios],
        refused=found.refused,
        left_out=dict(left_out),
    )


def _print(document: ReplayDocument, run: StoredRun, measured: tuple[RunResult, RunComparison] | None) -> None:
    from bnnbench.results.printable import shorten
    from bnnbench.results.sheet import say

    from .ratio_table import print_ratios
    from .terminal import Console

    console = Console()
    by = f"signed by {document.signer}" if document.signer else "not signed"
    redacted = ", redacted" if document.redacted else ""
    say(console, f"run {run.record.run_id} of bnnbench {run.record.version}: {by}{redacted}", "dim")
    for warning in document.warnings:
        say(console, f"warning: {warning}", "yellow")
    count, differences = len(document.verdicts), document.differences
    say(
        console,
        f"{document.cases} cases, {count} verdicts judged again: "
        + (
            f"{len(differences)} difference{'s' * (len(differences) != 1)}"
            if differences
            else "all as stored"
            if count
            else "none is stored"
        ),
        "bold",
    )
    for text in differences:
        say(console, f"differs: {shorten(text, 500)}", "red")
    print("\n".join(document.report.values()))
    if measured is not None:
        result, found = measured
        say(console, f"base: the archive; head: run {result.stored.record.run_id}, measured now", "dim")
        print_ratios(found, console)
