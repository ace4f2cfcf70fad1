"""`bnnbench store`: what keeps a store in order."""

from __future__ import annotations

from cyclopts import App

from .examples import give_own_examples
from .prune import prune
from .verify import verify

app = App(
    name="store",
    help="Verify a store, and remove old runs.",
    help_epilogue="""Examples:
  bnnbench store verify                       # every file of the store
  bnnbench store verify latest --json         # one run
  bnnbench store prune --keep 90d             # all older complete runs
  bnnbench store prune --keep 20 --keep 1y --yes""",
)
app.command(verify)
app.command(prune)
give_own_examples(app)
