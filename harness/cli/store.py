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
  bnnbench store index                   # after copying runs into the store
  bnnbench store index --wait 10m        # while a benchmark may run here
  bnnbench store verify                  # every file of the store
  bnnbench store verify latest --json    # one run
  bnnbench store prune --keep 90d        # all older complete runs
  bnnbench store prune --keep 20 --keep 1y --yes
  bnnbench store pack latest -o run.bnn --sign ~/.ssh/id_ed25519
  bnnbench store unpack run.bnn""",
)
app.command(index)
app.command(verify)
app.command(prune)
give_own_examples(app)
# Imported when they are called, with examples of their own.
app.command(f"{__package__}.pack:app", name="pack", help="Pack a run into one file, with a manifest of digests.")
app.command(
    f"{__package__}.unpack:app", name="unpack", help="Unpack an archive into the store, as a run from elsewhere."
)
