"""The devices that a run may choose from: those of this host's inventory; `lab.lab_candidates` has a lab's."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bnnbench.devices.errors import DeviceBusy, DeviceError
from bnnbench.devices.inventory import Inventory
from bnnbench.devices.quarantine import quarantine_of
from bnnbench.devices.selecting import Selected, Tell, listed, select
from bnnbench.devices.spec import DeviceSpec

from ..errors import CannotMeasure
from .launcher import LAUNCHER
from .lease import require_free
from .reach import reach
from .waiting import current, in_words, waiting

_LOOK_AGAIN_S = 2.0


class Candidates(Protocol):
    """Where the devices of a run are chosen from."""

    @property
    def list_command(self) -> str:
        """The command that shows them, and their quarantine."""
        ...

    def select(self, word: str, tell: Tell) -> Selected:
        """The devices that a text means. Raises InventoryError, CallError."""
        ...

    def every(self) -> Selected:
        """All that there are. Raises InventoryError."""
        ...

    def quarantined(self, spec: DeviceSpec) -> str | None:
        """Why nothing is to be measured there, a sentence without its full stop. Raises DeviceError."""
        ...

    def free(self, specs: Sequence[DeviceSpec], count: int, tell: Tell) -> list[DeviceSpec]:
        """`count` of them that can be had; `specs` are at least so many. Raises CannotMeasure."""
        ...


@dataclass(frozen=True, slots=True)
class InventoryCandidates:
    """See `Candidates`."""

    inventory: Inventory

    @property
    def list_command(self) -> str:
        """Of this host."""
        return "bnnbench devices list"

    def select(self, word: str, tell: Tell) -> Selected:
        """See `devices.selecting.select`."""
        return select(word, self.inventory, tell)

    def every(self) -> Selected:
        """See `devices.selecting.listed`."""
        return Selected("the inventory", tuple(listed(self.inventory)), is_pool=True)

    def quarantined(self, spec: DeviceSpec) -> str | None:
        """By this user's own list."""
        held = quarantine_of(spec)
        return held.sentence if held else None

    def free(self, specs: Sequence[DeviceSpec], count: int, tell: Tell) -> list[DeviceSpec]:
        """The first `count` that nothing runs on, waited for as `--wait` says."""
        limit_s, begun = current().limit_s, time.monotonic()
        left, found, reasons = list(specs), list[DeviceSpec](), dict[str, str]()
        while True:
            for spec in list(left):
                try:
                    _require_free(spec, tell)
                except DeviceBusy as error:
                    reasons[spec.name] = str(error)
                    continue
                except (DeviceError, CannotMeasure) as error:
                    reasons[spec.name] = str(error)
                    tell(f"left out: {error}")
                else:
                    found.append(spec)
                left.remove(spec)
                if len(found) == count:
                    return found
            if not left or time.monotonic() - begun >= limit_s:
                waited = f" after {in_words(limit_s)}" if limit_s else ""
                why = " ".join(reasons.values())
                raise CannotMeasure(f"--any {count}: {len(found)} devices could be had{waited}. {why}")
            time.sleep(min(_LOOK_AGAIN_S, max(0.0, begun + limit_s - time.monotonic())))


def _require_free(spec: DeviceSpec, tell: Tell) -> None:
    with waiting(0.0, tell):
        reached = reach(spec, [], tell)
        with reached.transport as transport:
            if LAUNCHER not in reached.target.builds:
                raise CannotMeasure(f"no engine is built for device '{spec.name}'.")
            require_free(reached.target, transport, "bnnbench run")
