"""`bnnbench store pack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption, StoreOption

EXAMPLES = """Examples:
  bnnbench store pack latest -o run.bnn
  bnnbench store pack 20260131-142501 -o run.bnn --sign ~/.ssh/id_ed25519
  bnnbench store pack latest -o public.bnn --redact    # no hosts, users, paths, serial numbers"""

app = App(name="pack", help_epilogue=EXAMPLES)


@app.default
def pack(
    run: Annotated[str, Parameter(help="Run id, unique prefix, or latest.")] = "latest",
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="File to write; default: <run id>.bnn.")
    ] = None,
    sign: Annotated[Path | None, Parameter(help="Private key of ssh-keygen to sign with.")] = None,
    redact: Annotated[
        bool,
        Parameter(
            negative="",
            show_default=False,
            help="Take out hosts, users, serial numbers, machine ids, paths, addresses.",
        ),
    ] = False,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Pack a run into one file, with a manifest of digests."""
    from sys import stderr

    from bnnbench.results.quantity import size
    from bnnbench.results.store.runs import Store

    from ..tasks.archives import pack_run
    from .documents.document import text_of
    from .documents.store import PackDocument

    done = pack_run(Store(store), run, output, key=sign and sign.expanduser(), redacts=redact)
    if not done.is_ended:
        print(
            f"warning: run {done.manifest.run_id} has not ended: the archive holds what is measured so far", file=stderr
        )
    if json:
        document = PackDocument(
            run_id=done.manifest.run_id,
            path=str(done.path),
            size_bytes=done.size_bytes,
            signed=done.is_signed,
            redacted=redact,
            taken_out=dict(done.taken),
        )
        print(text_of(document))
        return
    how = ", signed" if done.is_signed else ", not signed"
    print(f"{done.path}: run {done.manifest.run_id}, {size(done.size_bytes)}{how}")
    if redact:
        taken = ", ".join(f"{kind} {count}" for kind, count in sorted(done.taken.items())) or "nothing"
        print(f"taken out: {taken}; names of models, workloads, engines and suites stay: read it before you publish it")
