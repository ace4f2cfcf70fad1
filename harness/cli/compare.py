"""`bnnbench compare`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .options import DebugOption, JsonOption, StoreOption

EXAMPLES = """Examples:
  bnnbench compare 20260131-142501 latest      # ratios of two stored runs; for a verdict: bnnbench ab, check"""


def compare(
    base: Annotated[str, Parameter(help="A run's id, a beginning of it, or latest.")],
    head: Annotated[str, Parameter(help="The same: what is held against it.")] = "latest",
    /,
    *,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show ratios of two stored runs, case by case. No verdict: other things than the code lie between two runs."""
    from dataclasses import asdict
    from json import dumps

    from rich.table import Table

    from bnnbench.results import load
    from bnnbench.results.quantity import duration
    from bnnbench.results.ratios import compare as compare_frames
    from bnnbench.results.store.runs import Store

    from ..errors import CallError
    from .terminal import Console, line

    where = Store(store)
    found = compare_frames(load(where.run(base)), load(where.run(head)))
    if not found.ratios:
        raise CallError(f"nothing can be compared: {found.refused[0] if found.refused else 'the head has no cases'}.")
    if json:
        rows = [asdict(one) | {"ratio": one.ratio} for one in found.ratios]
        print(dumps({"ratios": rows, "refused": found.refused}, indent=1))
        return
    table = Table("workload", "engine", "device", "base", "head", "head / base", "intervals", box=None, pad_edge=False)
    for one in found.ratios:
        threads = f" x{one.threads}" if one.threads > 1 else ""
        cells = (one.workload, one.engine + threads, one.device, duration(one.base_ns), duration(one.head_ns))
        table.add_row(*map(line, (*cells, f"{one.ratio:.3f}", "overlap" if one.overlap else "apart")))
    console = Console()
    console.print(table)
    for reason in found.refused:
        console.print(line(f"not compared: {reason}", "yellow"), soft_wrap=True)
    console.print("ratios of two runs are no verdict; for one: bnnbench ab, or check --baseline", style="dim")
