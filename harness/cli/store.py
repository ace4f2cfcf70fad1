"""`bnnbench store`: what keeps a store in order."""

from __future__ import annotations

from cyclopts import App

from .examples import give_own_examples
from .index import index
from .prune import prune
from .verify import verify

app = App(
    name="store",
    help="Index, verify and prune the store, and pack runs into archives.",
    help_epilogue="""Examples:
  bnnbench store index                        # after copying runs into the store
  bnnbench store index --wait 10m             # while a benchmark may run here
  bnnbench store verify                       # every file of the store
  bnnbench store verify latest --json         # one run
  bnnbench store prune --keep 90d             # all older complete runs
  bnnbench store prune --keep 20 --keep 1y --yes""",
)
app.command(index)
app.command(verify)
app.command(prune)
give_own_examples(app)
