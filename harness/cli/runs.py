"""`bnnbench runs`: list, show, rm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from .examples import give_own_examples
from .options import DebugOption, JsonOption, StoreOption

if TYPE_CHECKING:
    from bnnbench.results.records import RunRecord
    from bnnbench.results.store.runs import Store, StoredRun

    from ..run.execute import RunResult
    from .documents.runs import ShownRun
    from .terminal import Console

app = App(
    name="runs",
    help="List, show and remove stored runs.",
    help_epilogue="""Examples:
  bnnbench runs list                          # newest first
  bnnbench runs list --json | jq -r '.[] | select(.state != "complete") | .run_id'
  bnnbench runs show latest                   # its configuration, devices and results
  bnnbench runs show 20260131-1425 --json     # a unique prefix of the id
  bnnbench runs rm 20260131-142501-9f3a1c --yes""",
)


@app.command(name="list")
def list_(*, store: StoreOption = None, json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the runs of the store, newest first."""
    from msgspec.json import encode

    from bnnbench.results.quantity import size
    from bnnbench.results.sheet import Column, Sheet, say
    from bnnbench.results.store.listing import list_runs
    from bnnbench.results.store.runs import Store

    from .terminal import Console

    results = Store(store)
    lines = list_runs(results)
    if json:
        print(encode(lines).decode())
        return
    sheet = Sheet(
        *(Column("run"), Column("date", rank=2), Column("suite", folds=True), Column("devices", folds=True)),
        *(Column("cases", right=True), Column("state"), Column("size", rank=1, right=True)),
    )
    for line in lines:
        sheet.add(
            line.run_id,
            line.created[:16].replace("T", " "),
            line.suite,
            ", ".join(line.devices),
            str(line.comparisons or line.cases),
            line.state,
            size(line.size_bytes),
        )
    console = Console()
    sheet.print(console)
    total = f"{len(lines)} run{'' if len(lines) == 1 else 's'}, {size(sum(line.size_bytes for line in lines))}"
    say(console, f"{total} in {results.runs_path}", "dim")


@app.command
def show(
    run: Annotated[str, Parameter(help="Run id, unique prefix, folder, or latest.")] = "latest",
    /,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a run's configuration, devices and results."""
    from bnnbench.results.store.runs import Store
    from bnnbench.results.verdict.rows import verdict_rows

    from ..tasks.remarks import remarks_on
    from .documents.document import text_of
    from .outcome import print_outcome
    from .summary import print_summary
    from .terminal import Console

    results = Store(store)
    result = _result(results.run(run))
    if json:
        print(text_of(_document(result, results)))
        return
    console = Console()
    _print_head(result.stored.record, console)
    if result.stored.record.comparisons:
        rows = verdict_rows(result.stored)
        print_outcome(result, rows, remarks_on(result, rows, results), console, store)
    else:
        print_summary(result, console, store)


@app.command
def rm(
    runs: Annotated[list[str], Parameter(help="Run ids, unique prefixes, or latest.", negative="")],
    /,
    *,
    yes: Annotated[
        bool, Parameter(name=["--yes", "-y"], negative="", show_default=False, help="Do not ask for confirmation.")
    ] = False,
    store: StoreOption = None,
    debug: DebugOption = False,
) -> None:
    """Remove runs and their measurements from the store."""
    import sys

    from rich.prompt import Confirm

    from bnnbench.results.quantity import size
    from bnnbench.results.store.listing import folder_size
    from bnnbench.results.store.removal import removable, remove_run
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .terminal import Console

    results = Store(store)
    folders = removable(results, runs)
    what = f"{len(folders)} run{'' if len(folders) == 1 else 's'} ({', '.join(folder.name for folder in folders)})"
    if not yes:
        if not sys.stdin.isatty():
            raise CallError(f"nothing is removed without a terminal to ask on; add --yes to remove {what}.")
        if not Confirm.ask(f"Remove {what} for good?", console=Console(stderr=True), default=False):
            print("nothing is removed")
            return
    for folder in folders:
        freed = folder_size(folder)
        remove_run(results, folder)
        print(f"removed {folder.name}, {size(freed)}")


def _result(stored: StoredRun) -> RunResult:
    """How it ended; of a run that only another version can go on with, without the devices that it lacks."""
    from ..errors import CallError
    from ..run.execute import RunResult
    from ..run.resume import run_result

    try:
        return run_result(stored)
    except CallError:
        return RunResult(stored, stored.end.outcome if stored.end else "incomplete", {})


def _print_head(record: RunRecord, console: Console) -> None:
    """How the run was called, what it was to measure, its engines, and what is known of its devices."""
    from bnnbench.results.sheet import Column, Sheet, say

    from .device_tables import words_of

    asked = record.suite
    chosen = {
        "command": " ".join(record.command),
        "created": f"{record.created[:19].replace('T', ' ')} UTC, by bnnbench {record.version}",
        "commit": record.commit or "",
        "suite": record.suite_name,
        "files": ", ".join(map(str, asked.get("sources") or [])),
        "filter": str(asked.get("filter") or ""),
        "inventory": str(asked.get("inventory") or ""),
        "host": ", ".join(str(value) for value in record.host.values()),
        "invocations": f"{record.invocations_per_case} per case" if record.invocations_per_case else "",
        "samples": f"{record.samples_per_invocation} per invocation",
        "seed": str(record.seed),
    }
    sheet = Sheet(Column("run"), Column(record.run_id, folds=True))
    for name, value in chosen.items():
        if value:
            sheet.add(name, value)
    sheet.print(console)
    console.print()
    engines = Sheet(Column("engine"), Column("built for", folds=True), Column("build", rank=1), Column("SHA-256"))
    for build in record.builds:
        engines.add(build.engine, build.isa or build.triple, (build.build or "")[:12], build.sha256[:12])
    if record.builds:
        engines.print(console)
        console.print()
    for device, facts in record.devices.items():
        say(console, f"device {device}", "bold")
        table = Sheet(Column("fact"), Column("value", folds=True))
        for name, fact in facts.items():
            known = fact.get("value") if isinstance(fact, dict) else fact
            if known is not None:
                table.add(name, words_of(known))
        table.print(console)
        console.print()


def _document(result: RunResult, results: Store) -> ShownRun:
    """The run as `--json` shows it: what was planned, how it ended, and a row per case or verdict."""
    from bnnbench.results import load
    from bnnbench.results.verdict.budget_rows import budget_rows
    from bnnbench.results.verdict.formats import json as as_json
    from bnnbench.results.verdict.rows import verdict_rows

    from ..tasks.remarks import remarks_on
    from .documents.runs import ShownRun, rows_of

    stored, record = result.stored, result.stored.record
    kept = ("created", "version", "commit", "command", "suite_name", "seed", "host", "builds", "devices", "models")
    shown: dict[str, Any]
    if record.comparisons:
        rows = verdict_rows(stored)
        shown = {"comparison": as_json.document(rows, record.run_id, remarks_on(result, rows, results))}
    else:
        budgets = [as_json.budget_entry(row) for row in budget_rows(stored)]
        shown = {"budgets": budgets, "cases": rows_of(load(stored))}
    return ShownRun(
        run_id=record.run_id,
        outcome=result.outcome,
        failures=result.failures,
        overhead=stored.end.overhead if stored.end else {},
        **{name: getattr(record, name) for name in kept},
        config=record.suite,
        **shown,
    )


give_own_examples(app)
