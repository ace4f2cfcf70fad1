"""Waiting until a device is as cool as its inventory entry wants."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bnnbench.devices.temperature import celsius
from bnnbench.devices.transport.protocol import Transport

_LONGEST_S = 300.0
_STEADY_S = 30.0
"""A sensor without a new lowest reading for so long is as cool as it gets."""
_POLL_S = 2.0
_SLACK_CELSIUS = 1.0
_READ_ALL = 'for f in "$@"; do t=; { read -r t < "$f"; } 2>/dev/null; echo "$t"; done; exit 0'


@dataclass
class Cooling:
    """`names` are what the sensors are called, by their files. `floors` are the lowest that sensors get, where that is
    above what is wanted: they are not waited for below it again."""

    names: Mapping[str, str]
    wanted: float
    show: Callable[[str], None]
    tell: Callable[[str], None]
    floors: dict[str, float] = field(default_factory=dict)

    def wait(self, transport: Transport) -> None:
        """Raises DeviceError, and what `show` raises."""
        deadline = time.monotonic() + _LONGEST_S
        lowest: dict[str, tuple[float, float]] = {}
        while hot := self._hot(transport):
            now = time.monotonic()
            for path, degrees in hot.items():
                if path not in lowest or degrees < lowest[path][0]:
                    lowest[path] = (degrees, now)
            steady = [path for path in hot if now - lowest[path][1] > _STEADY_S]
            for path in steady:
                self.floors[path] = hot[path]
            if steady:
                self.tell(self._sentence(steady, hot))
                continue
            if now > deadline:
                self.tell(f"it was still at {max(hot.values()):.0f} °C after cooling down for {_LONGEST_S:.0f} s")
                return
            self.show(f"cooling down: {max(hot.values()):.0f} °C, {self.wanted:.0f} wanted")
            time.sleep(_POLL_S)

    def _hot(self, transport: Transport) -> dict[str, float]:
        """What is above where it should be, by its file."""
        lines = transport.shell(_READ_ALL, *self.names).stdout.decode("ascii", "replace").splitlines()
        found = {path: degrees for path, text in zip(self.names, lines, strict=False) if (degrees := celsius(text))}
        return {path: degrees for path, degrees in found.items() if degrees > self._goal(path)}

    def _goal(self, path: str) -> float:
        floor = self.floors.get(path)
        return self.wanted if floor is None else max(self.wanted, floor + _SLACK_CELSIUS)

    def _sentence(self, steady: Sequence[str], hot: Mapping[str, float]) -> str:
        each = ", ".join(f"{self.names[path]} at {hot[path]:.0f} °C" for path in steady)
        return (
            f"it does not get cooler than {each}: no longer waiting for that; raise cool_to_celsius = "
            f"{self.wanted:.0f}, or cool it"
        )
