"""Devices that nothing is measured on until a person has looked at them: kept in a file of the user's state folder.

A device is known by where it is (`machines.place_of`), so the same board in two inventories is one. The file also
counts losses: in how many runs in a row a device did not come back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from bnnbench.devices.errors import DeviceError, DeviceQuarantined
from bnnbench.devices.machines import place_of
from bnnbench.devices.spec import DeviceSpec

Cause = Literal["lost", "gate", "canary", "calibration", "user"]
MOST_LOSSES: Final = 3
"""Runs in a row that may lose a device: with the last of them it is quarantined."""
_LOCK_S = 10.0
_MOST_BYTES = 1 << 20
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Quarantine:
    """`device` is its name when it was quarantined, `place` where it is, `since` ISO 8601 in UTC."""

    device: str
    place: str
    cause: Cause
    reason: str
    since: str

    @property
    def sentence(self) -> str:
        """Why, since when, and how to end it."""
        return (
            f"device {self.device!r} is quarantined since {self.since[:16].replace('T', ' ')} UTC: "
            f"{self.reason.rstrip('.')}; see to it, then bring it back with: bnnbench devices release {self.device}"
        )


@dataclass(frozen=True, slots=True)
class _Known:
    """What the file holds by place: quarantines, numbers of losses, and when figures were accepted that had been out of
    control."""

    quarantines: dict[str, Quarantine] = field(default_factory=dict)
    losses: dict[str, int] = field(default_factory=dict)
    releases: dict[str, str] = field(default_factory=dict)


def file_path() -> Path:
    """Where quarantines are kept, or will be."""
    import platformdirs

    return Path(platformdirs.user_state_dir("bnnbench", appauthor=False)) / "quarantine.json"


def quarantines() -> list[Quarantine]:
    """Every one, the oldest first. Raises DeviceError for a file that cannot be read."""
    return sorted(_read().quarantines.values(), key=lambda each: each.since)


def quarantine_of(spec: DeviceSpec) -> Quarantine | None:
    """The device's quarantine, under the name that the device has now. Raises DeviceError."""
    found = _read().quarantines.get(place_of(spec))
    return replace(found, device=spec.name) if found else None


def require_fit(spec: DeviceSpec) -> None:
    """Raises DeviceQuarantined for a device that is quarantined, DeviceError for a file that cannot be read."""
    if found := quarantine_of(spec):
        raise DeviceQuarantined(f"{found.sentence}.")


def quarantine(spec: DeviceSpec, cause: Cause, reason: str) -> Quarantine:
    """Quarantines a device; one that is quarantined already keeps its reason and moment. Raises DeviceError."""
    with _changing() as known:
        return _put(known, spec, cause, reason)


def release(spec: DeviceSpec) -> Quarantine | None:
    """Ends a quarantine, and forgets the losses. None where there was none. Raises DeviceError."""
    with _changing() as known:
        known.losses.pop(place_of(spec), None)
        ended = known.quarantines.pop(place_of(spec), None)
        if ended is not None and ended.cause in ("canary", "calibration"):
            known.releases[place_of(spec)] = datetime.now(UTC).isoformat(timespec="seconds")
        return ended


def accepted_since(spec: DeviceSpec) -> str | None:
    """When the device was last released although its figures had been out of control: those before are another
    device's, so to say. ISO 8601 in UTC. Raises DeviceError."""
    return _read().releases.get(place_of(spec))


def note_loss(spec: DeviceSpec, reason: str) -> Quarantine | None:
    """Counts a run that lost the device; with the last of `MOST_LOSSES` in a row it is quarantined.

    Raises DeviceError.
    """
    with _changing() as known:
        place = place_of(spec)
        known.losses[place] = known.losses.get(place, 0) + 1
        if known.losses[place] < MOST_LOSSES:
            return None
        return _put(known, spec, "lost", f"lost in {known.losses[place]} runs in a row, lastly: {reason}")


def note_success(spec: DeviceSpec) -> None:
    """A run was measured there to its end: losses are counted from none again. Raises DeviceError."""
    if place_of(spec) in _read().losses:  # mostly it is not, and nothing is written
        with _changing() as known:
            known.losses.pop(place_of(spec), None)


def _put(known: _Known, spec: DeviceSpec, cause: Cause, reason: str) -> Quarantine:
    place = place_of(spec)
    words = " ".join(reason.split())[:_LONGEST_REASON]
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    return known.quarantines.setdefault(place, Quarantine(spec.name, place, cause, words, moment))


@contextmanager
def _changing() -> Iterator[_Known]:
    """What the file holds, to be changed; written when the block ends well. Locked against other processes."""
    import filelock

    from bnnbench.devices.atomic import replace_file

    path = file_path()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with filelock.FileLock(path.with_suffix(".lock"), timeout=_LOCK_S):
            known = _read()
            yield known
            held = {
                "schema": 1,
                "quarantines": [asdict(each) for each in known.quarantines.values()],
                "losses": known.losses,
                "releases": known.releases,
            }
            replace_file(path, json.dumps(held, indent=1).encode() + b"\n")
    except filelock.Timeout:
        raise DeviceError(
            f"{path} is locked by another process for {_LOCK_S:g} s; try again when it has ended."
        ) from None
    except OSError as error:
        raise DeviceError(f"{path} cannot be written ({error.strerror or error}); check its permissions.") from error


def _read() -> _Known:
    path = file_path()
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return _Known()
    except OSError as error:
        raise DeviceError(f"{path} cannot be read ({error.strerror or error}); check its permissions.") from error
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError("it is too large")
        return _parsed(json.loads(data))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DeviceError(
            f"{path} does not hold quarantines ({str(error)[:80] or type(error).__name__}); remove it, and quarantine "
            "again what was."
        ) from error


def _parsed(document: Any) -> _Known:
    if document["schema"] != 1:
        raise ValueError(f"its schema is {document['schema']!r}, and this bnnbench reads 1")
    found = [Quarantine(**{key: _text(value) for key, value in row.items()}) for row in document["quarantines"]]
    if wrong := [each.cause for each in found if each.cause not in get_args(Cause)]:
        raise ValueError(f"{wrong[0]!r} is not a cause")
    losses = {_text(place): int(count) for place, count in document["losses"].items()}
    releases = {_text(place): _text(moment) for place, moment in document.get("releases", {}).items()}
    return _Known({each.place: each for each in found}, losses, releases)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
