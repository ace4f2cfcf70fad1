"""`bnnbench store`: index, and the commands that have modules of their own."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from .examples import give_own_examples
from .options import DebugOption, JsonOption, StoreOption, WaitOption

app = App(
    name="store",
    help="Index, check and tidy the store, and pack runs into archives.",
    help_epilogue="""Examples:
  bnnbench store index                        # after copying runs into the store
  bnnbench store index --wait 10m             # while a benchmark runs on this machine
  bnnbench store pack latest -o run.bnn --sign ~/.ssh/id_ed25519
  bnnbench store unpack run.bnn""",
)


@app.command
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
    from json import dumps

    from bnnbench.results.store.runs import Store

    from ..tasks.index import make
    from .progress import Display
    from .terminal import Console

    with Display(Console(stderr=True)) as display:
        made = make(Store(store), display, rebuild=rebuild)
    if json:
        print(dumps(asdict(made)))
    else:
        added = f"{made.added:,} added" if made.added else "nothing to add"
        print(f"{made.runs:,} run{'' if made.runs == 1 else 's'} in the index: {added}")
        for name, reason in made.left_out.items():
            print(f"run {name} is not in it: {reason}", file=sys.stderr)
    return 0


give_own_examples(app)
# Imported when they are called, with examples of their own.
app.command(f"{__package__}.pack:app", name="pack", help="Pack a run into one file, with a manifest of digests.")
app.command(
    f"{__package__}.unpack:app", name="unpack", help="Unpack an archive into the store, as a run from elsewhere."
)
