"""Packing a stored run: the calibrations that its verdicts rest on, and what this machine knows of names in it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.inventory import find_inventory, load, resolve
from bnnbench.results.archive.container import Archive
from bnnbench.results.archive.error import ArchiveError
from bnnbench.results.archive.pack import Packed, pack
from bnnbench.results.archive.signature import default_signers, signer_of
from bnnbench.results.records import RunRecord
from bnnbench.results.store import calibration
from bnnbench.results.store.calibration import Calibration
from bnnbench.results.store.runs import Store
from bnnbench.results.store.signature import is_signed
from bnnbench.results.store.stored_run import StoredRun

from .redaction import known_here, known_of


def pack_run(store: Store, selector: str, path: Path | None, *, key: Path | None, redacts: bool) -> Packed:
    """Writes the archive of a run; without a path, `<run id>.bnn` here. Raises StoreError."""
    run = store.run(selector)
    return pack(
        run,
        path or Path(f"{run.record.run_id}.bnn"),
        calibrations=_calibrations(store, run),
        key=key,
        known=known_names(run.record) if redacts else None,
    )


def known_names(record: RunRecord) -> dict[str, str]:
    """What this machine knows of names and places in a run, each with its kind: its own, this user's, and those of the
    run's devices in the inventory."""
    found = dict(known_here())
    given = record.suite.get("inventory")
    for text in (given if isinstance(given, str) else None, None):
        for device in record.devices:
            with suppress(InventoryError, OSError):
                found |= dict(known_of(resolve(device, load(find_inventory(text), is_given=False))))
    # Devices get numbers instead.
    return {value: kind for value, kind in found.items() if value and kind != "device name"}


def checked_signer(archive: Archive, signers: Path | None, *, required: bool = False) -> str | None:
    """Who signed the archive; None for one without a signature, which is refused with `required`, or when the user
    names the `signers`. Raises ArchiveError."""
    if archive.signature is None:
        if required or signers is not None:
            raise ArchiveError(f"{archive.path} is not signed: ask its author to pack it with --sign KEY")
        return None
    return signer_of(archive.manifest_bytes, archive.signature, signers or default_signers(), archive.path)


def _calibrations(store: Store, run: StoredRun) -> list[Calibration]:
    """Of a run that was made here: another's device of the same name is another device. Raises StoreError."""
    if run.path is None or not is_signed(run.path / "run.json"):
        return []
    devices = dict.fromkeys(comparison.device for comparison in run.record.comparisons)
    found = [calibration.latest(store.path, device, run.record.created) for device in devices]
    return [one for one in found if one is not None]
