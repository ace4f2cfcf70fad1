"""`bnnbench store`: its commands, each in a module of its own, which is imported when it is called."""

from __future__ import annotations

from cyclopts import App

app = App(
    name="store",
    help="Pack runs into files, and unpack them.",
    help_epilogue="""Examples:
  bnnbench store pack latest -o run.bnn --sign ~/.ssh/id_ed25519
  bnnbench store unpack run.bnn""",
)
app.command(f"{__package__}.pack:app", name="pack", help="Pack a run into one file, with a manifest of digests.")
app.command(
    f"{__package__}.unpack:app", name="unpack", help="Unpack an archive into the store, as a run from elsewhere."
)
