"""`bnnbench compare`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption, StoreOption

EXAMPLES = """Examples:
  bnnbench compare 20260131-142501 latest      # ratios, no verdicts"""

app = App(name="compare", help_epilogue=EXAMPLES)


@app.default
def compare(
    base: Annotated[str, Parameter(help="Reference run: its id, a unique prefix, or latest.")],
    head: Annotated[str, Parameter(help="Candidate run, in the same forms.")] = "latest",
    /,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show the ratios of two stored runs, case by case. No verdicts: more than the code differs between runs."""
    from bnnbench.results import load
    from bnnbench.results.environment import differences, entry_of, environment_of, lines_of
    from bnnbench.results.ratios import compare as compare_frames
    from bnnbench.results.sheet import say
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .documents.document import text_of
    from .documents.runs import ComparedRuns, ratio_entry
    from .ratio_table import print_ratios
    from .terminal import Console

    results = Store(store)
    sides = {"base": results.run(base), "head": results.run(head)}
    found = compare_frames(*(load(run) for run in sides.values()))
    if not found.ratios:
        raise CallError(f"nothing can be compared: {found.refused[0] if found.refused else 'the head has no cases'}.")
    different = differences(*(environment_of(run) for run in sides.values()))
    if json:
        document = ComparedRuns(
            ratios=[ratio_entry(ratio) for ratio in found.ratios],
            refused=found.refused,
            environment=[entry_of(one) for one in different],
        )
        print(text_of(document))
        return
    console = Console()
    for side, run in sides.items():
        commit = f", commit {run.record.commit[:10]}" if run.record.commit else ""
        say(console, f"{side}: run {run.record.run_id} of {run.record.created[:16].replace('T', ' ')}{commit}", "dim")
    print_ratios(found, console)
    for line in lines_of(different):
        say(console, line, "yellow")
    if not different:
        say(console, "same environment, as far as it is recorded", "dim")
