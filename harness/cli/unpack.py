"""`bnnbench store unpack`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from .options import DebugOption, JsonOption, SignersOption, StoreOption

EXAMPLES = """Examples:
  bnnbench store unpack run.bnn
  bnnbench store unpack run.bnn --allowed-signers team   # refused unless one of them signed it"""

app = App(name="unpack", help_epilogue=EXAMPLES)


@app.default
def unpack(
    archive: Annotated[Path, Parameter(help="Archive of a run, as store pack writes it.")],
    /,
    *,
    allowed_signers: SignersOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Unpack an archive into the store, as a run from elsewhere."""
    from bnnbench.results.archive import unpack as unpacking
    from bnnbench.results.archive.container import opened
    from bnnbench.results.store.runs import Store

    from ..tasks.archives import checked_signer
    from .documents.document import text_of
    from .documents.store import UnpackDocument

    with opened(archive) as content:
        signer = checked_signer(content, allowed_signers)
        done = unpacking.unpack(content, Store(store))
        manifest = content.manifest
    if json:
        document = UnpackDocument(
            run_id=manifest.run_id, path=str(done.path), new=done.is_new, signer=signer, redacted=manifest.redacted
        )
        print(text_of(document))
        return
    what = "unpacked into" if done.is_new else "is the same as the run that is already in"
    print(f"run {manifest.run_id} {what} {done.path}; {f'signed by {signer}' if signer else 'not signed'}")
