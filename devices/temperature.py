"""Temperatures: what sensors say, and which of them are the CPU's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Sections

# A kernel's unit is 1/1000 degree; zones of some vendors count whole degrees.
_LEAST_IN_MILLI: Final = 1000
_BELIEVED: Final = (-40.0, 130.0)
_RUNNING: Final = (0.0, 125.0)
"""A CPU that answers is warmer than the one, and off above the other."""
_LONGEST_LIST: Final = 24

Place = Literal["cpu", "elsewhere", "unclear"]

# What sensors measure, by the names that drivers give them (`type` of thermal zones, `name` of hwmon chips). The first
# row that matches counts, upper and lower case alike.
_PLACES: Final[tuple[tuple[Place, str], ...]] = (
    # Power chips, and what stands beside a CPU: also where their name has its name in it.
    ("elsewhere", r"pmic|^pm[aik]?\d|pch|batt|^bms|charg|chg|usb|vrm|buck|regulator|wi-?fi|wlan|nvme|ssd|drive"),
    ("elsewhere", r"modem|mdm|pa[-_]|gpu|g3d|npu|tpu|dsp|hexagon|isp|vpu|camera|cam[-_]|video|venc|mali|adreno"),
    ("elsewhere", r"ddr|dram|mem|emc"),
    ("elsewhere", r"skin|shell|case|board|ambient|quiet|^xo|xo[-_]therm|display|disp|lcd|fan|led|nic|phy|sfp|ac$"),
    ("elsewhere", r"^int3[0-9a-f]{3}|^sen\d|mtktsap|mtktsbatt|mtktspa|aoss|pll|tboard|tdiode|center|ao[-_]therm"),
    ("cpu", r"cpu|^b0d4|x86_pkg|coretemp|k8temp|k10temp|zenpower|fam15h"),
    ("cpu", r"soc|^tj[-_]|apss|apc\d|^apollo|^atlas|bcm2\d{3}_thermal|^imx|core|^ths$"),
    ("cpu", r"^(big|mid|little)\d*$|cluster|^cls\d|gold|silver|prime|tsens_tz_sensor|package|pkg"),
)  # fmt: skip
# Of a chip's labels, the best first: `Tctl` may have an offset, `Package id 0` is the hottest core.
_LABELS: Final = (r"^tdie$", r"^package id", r"^tctl$", r"")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One file that tells a temperature."""

    name: str
    path: str
    text: str
    place: Place

    @property
    def degrees(self) -> float | None:
        """None where it is not a temperature of a CPU that runs."""
        degrees = celsius(self.text)
        return degrees if degrees is not None and _RUNNING[0] < degrees < _RUNNING[1] else None


def celsius(text: str) -> float | None:
    """Degrees; None for what is not a reading, or one that a sensor gives while it is off."""
    if not re.fullmatch(r"-?\d{1,7}", text.strip()):
        return None
    number = int(text)
    degrees = number / 1000 if abs(number) >= _LEAST_IN_MILLI else float(number)
    return degrees if _BELIEVED[0] <= degrees <= _BELIEVED[1] else None


def place_of(name: str) -> Place:
    """What a sensor of this name measures. ACPI's own zone, and a name that nobody knows, may be anywhere."""
    return next((place for place, pattern in _PLACES if re.search(pattern, name, re.IGNORECASE)), "unclear")


def sensors(sections: Sections) -> tuple[list[Sensor], list[Sensor]]:
    """Those to go by, and those left out: the CPU's zones, else a CPU's own chip, else zones of an unclear place."""
    zones, chips = _zones(sections), _chips(sections)
    of_cpu = [zone for zone in zones if zone.place == "cpu" and zone.degrees is not None]
    unclear = [zone for zone in zones if zone.place == "unclear" and zone.degrees is not None]
    chosen = of_cpu or _best(chips) or unclear
    return chosen, [zone for zone in zones if zone not in chosen]


def temperatures(sections: Sections) -> Fact:
    """`{sensor: degrees}`; sensors of one name get their zone or chip."""
    chosen, left_out = sensors(sections)
    degrees: dict[str, float] = {}
    for entry in chosen:
        name = f"{entry.name} ({entry.path.split('/')[-2]})" if entry.name in degrees else entry.name
        degrees[name] = entry.degrees or 0.0
    if degrees:
        return Fact(degrees, sections["zone_temp" if "thermal_zone" in chosen[0].path else "hwmon_temp"].source)
    tried = f"tried {sections['zone_temp'].source}, {sections['hwmon_temp'].source}"
    return Fact(None, f"{tried}; left out: {', '.join(item.name for item in left_out)}" if left_out else tried)


def temperature_files(sections: Sections) -> Fact:
    """The files of `temperature_celsius`, in its order."""
    paths = [sensor.path for sensor in sensors(sections)[0]]
    return Fact(paths or None, temperatures(sections).source)


def left_out(sections: Sections) -> Fact:
    """`{sensor: why}` of zones that are not gone by."""
    found = {sensor.name: _why(sensor) for sensor in sensors(sections)[1][:_LONGEST_LIST]}
    return Fact(found or None, sections["zone_type"].source if found else f"tried {sections['zone_type'].source}")


def _why(sensor: Sensor) -> str:
    at = f"reads {sensor.text[:20]}" if sensor.degrees is None else f"at {sensor.degrees:.0f} °C"
    if sensor.place == "elsewhere":
        return f"not the CPU's, {at}"
    return f"{at}, which no running CPU has" if sensor.degrees is None else f"its place is not known, {at}"


def _zones(sections: Sections) -> list[Sensor]:
    types = {path.rpartition("/")[0]: value for path, value in sections["zone_type"].rows}
    found = []
    for path, text in sections["zone_temp"].rows:
        zone = path.rpartition("/")[0]
        name = types.get(zone) or zone.rpartition("/")[2]
        found.append(Sensor(name, path, text, place_of(types.get(zone, ""))))
    return found


def _chips(sections: Sections) -> list[Sensor]:
    rows = dict(sections["hwmon_temp"].rows)
    found = []
    for path, text in rows.items():
        if path.endswith("_input"):
            chip = rows.get(f"{path.rpartition('/')[0]}/name", "")
            label = rows.get(f"{path.removesuffix('_input')}_label", "")
            found.append(Sensor(f"{chip} {label}".strip(), path, text, place_of(chip)))
    return found


def _best(chips: Sequence[Sensor]) -> list[Sensor]:
    """The CPU's own chip, by its best label."""
    of_cpu = [chip for chip in chips if chip.place == "cpu" and chip.degrees is not None]
    for pattern in _LABELS:
        if found := [item for item in of_cpu if re.search(pattern, item.name.partition(" ")[2], re.IGNORECASE)]:
            return found
    return []
