"""What a run learns about its devices: those that are lost for good are quarantined, and the user is told."""

from __future__ import annotations

from collections.abc import Callable

from bnnbench.devices.errors import DeviceError, DeviceLost, DeviceUnfit
from bnnbench.devices.quarantine import Quarantine, note_loss, note_success, quarantine
from bnnbench.devices.spec import DeviceSpec

Tell = Callable[[str], None]


def note_ending(spec: DeviceSpec, error: Exception | None, tell: Tell) -> None:
    """Keeps how a device's part of a run ended: well with None. Never raises: what is measured matters more."""
    try:
        found = _kept(spec, error)
    except DeviceError as trouble:
        tell(str(trouble))
        return
    if found is not None:
        tell(f"{found.sentence}.")


def _kept(spec: DeviceSpec, error: Exception | None) -> Quarantine | None:
    match error:
        case None:
            note_success(spec)
        case DeviceUnfit():
            return quarantine(spec, "lost", str(error))
        case DeviceLost():
            return note_loss(spec, str(error))
    return None
