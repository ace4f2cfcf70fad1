"""What was last known of devices, kept in the user's state folder, so that a query need not disturb them again."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.machines import place_of
from bnnbench.devices.spec import DeviceSpec

FRESH_HOURS: Final = 24
"""Facts that are older are asked for again."""
_MOST_BYTES = 1 << 20


def folder() -> Path:
    """Where they are, or will be."""
    import platformdirs

    return Path(platformdirs.user_state_dir("bnnbench", appauthor=False)) / "facts"


def remember(spec: DeviceSpec, facts: DeviceFacts) -> None:
    """Keeps facts that were just read. What cannot be kept is asked for again: never raises OSError."""
    from bnnbench.devices.atomic import replace_file

    held = {"schema": 1, "place": place_of(spec), "read": datetime.now(UTC).isoformat(), "facts": facts.to_dict()}
    with suppress(OSError):
        replace_file(_file(spec), json.dumps(held).encode())


def known_facts(spec: DeviceSpec, *, fresh: bool = True) -> DeviceFacts | None:
    """The device's last known facts; None where there are none, or with `fresh` none of the last `FRESH_HOURS`."""
    try:
        with _file(spec).open("rb") as file:
            held: Any = json.loads(file.read(_MOST_BYTES))
        age = datetime.now(UTC) - datetime.fromisoformat(held["read"])
        if held["schema"] != 1 or held["place"] != place_of(spec):
            return None
        is_fresh = timedelta() <= age < timedelta(hours=FRESH_HOURS)
        return DeviceFacts.from_dict(held["facts"]) if is_fresh or not fresh else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _file(spec: DeviceSpec) -> Path:
    return folder() / f"{hashlib.sha256(place_of(spec).encode()).hexdigest()[:16]}.json"
