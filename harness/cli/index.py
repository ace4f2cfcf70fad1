"""`bnnbench store index`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from .options import DebugOption, JsonOption, StoreOption, WaitOption


def index(
    *,
    rebuild: Annotated[
        bool, Parameter(negative="", show_default=False, help="Delete the index first and make it from the runs.")
    ] = False,
    wait: WaitOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> int:
    """Bring the index up to date, which makes reading a store of many runs fast.

    The index is a cache in the store's folder "index", which can be deleted at any time. Runs of older versions get
    their cases.parquet and verdicts.parquet. Nothing else in a run's folder changes.
    """
    import sys
    from dataclasses import asdict

    from bnnbench.results.store.runs import Store

    from ..tasks.index import make
    from .documents.document import text_of
    from .documents.store import IndexDocument
    from .progress import Display
    from .terminal import Console

    with Display(Console(stderr=True)) as display:
        made = make(Store(store), display, rebuild=rebuild)
    if json:
        print(text_of(IndexDocument(**asdict(made)), indent=None))
    else:
        added = f"{made.added:,} added" if made.added else "nothing to add"
        print(f"{made.runs:,} run{'' if made.runs == 1 else 's'} in the index: {added}")
        for name, reason in made.left_out.items():
            print(f"run {name} is not in it: {reason}", file=sys.stderr)
    return 0
