"""Batteries, coolers, and what tells how much power a device takes: parsers of the probe's text and of samples."""

from __future__ import annotations

import re
from typing import Any

from bnnbench.devices.facts import Fact
from bnnbench.devices.probe_script import Sections

_MICRO = 1e-6
# INA219, INA226, INA260...: other power sensors are a GPU's or a CPU's own.
_SUPPLY_SENSOR = re.compile(r"ina2\w\w")
_PMIC_CURRENT = re.compile(r"(\w+)_A\s+current\(\d+\)=([\d.]+)A")
_PMIC_VOLTAGE = re.compile(r"(\w+)_V\s+volt\(\d+\)=([\d.]+)V")


def cooling(sections: Sections) -> Fact:
    """`{cooler: state}`: fans and clock limits, 0 where they rest; None where there are none."""
    states = {path.rpartition("/")[0]: value for path, value in sections["cooling_state"].rows}
    found: dict[str, int] = {}
    for path, kind in sections["cooling"].rows:
        state = states.get(path.rpartition("/")[0], "")
        if state.isdecimal():
            found[f"{kind} ({path.split('/')[-2]})" if kind in found else kind] = int(state)
    section = sections["cooling"]
    return Fact(found, section.source) if found else Fact(None, f"tried {section.source}")


def battery(sections: Sections) -> Fact:
    """`{level, charging, powersave, screen}` with what there is of them: from Android's services, else sysfs."""
    battery = sections["battery"]
    value: dict[str, Any] = {}
    if match := re.search(r"^\s*level: (\d+)", battery.said, re.MULTILINE):
        value["level"] = int(match[1])
        value["charging"] = bool(re.search(r"^\s*(AC|USB|Wireless|Dock) powered: true", battery.said, re.MULTILINE))
        if sections["low_power"].said in ("0", "1"):
            value["powersave"] = sections["low_power"].said == "1"
        if match := re.search(r"mWakefulness=(\w+)", sections["wake"].said):
            value["screen"] = match[1] == "Awake"
        return Fact(value, ", ".join(sections[name].source for name in ("battery", "low_power", "wake")))
    rows = dict(sections["supply"].rows)
    for path, kind in rows.items():
        folder = path.rpartition("/")[0]
        if path.endswith("/type") and kind == "Battery" and rows.get(f"{folder}/capacity", "").isdecimal():
            charging = rows.get(f"{folder}/status") in ("Charging", "Full", "Not charging")
            return Fact({"level": int(rows[f"{folder}/capacity"]), "charging": charging}, folder)
    return Fact(None, "tried dumpsys battery, /sys/class/power_supply")


def wake_lock(sections: Sections) -> Fact:
    """Whether Termux keeps the phone awake; None where it can't be seen, or this is no Android."""
    section = sections["wake"]
    if "Wake Locks:" not in section.said:
        return Fact(None, f"tried {section.source}")
    return Fact("com.termux" in section.said, section.source)


def sources(sections: Sections) -> Fact:
    """What tells power there, best first: `[{"kind", "paths", "name"}]`; None where nothing does.

    `hwmon`: a sensor in the supply line (INA219, INA260), in uW. `supply`: the battery's own gauge, in uW, or in uA and
    uV, after its status: only while it discharges does it tell what the device takes. `pmic`: the Raspberry Pi 5's
    power chip, by vcgencmd.
    """
    found: list[dict[str, Any]] = []
    rows = dict(sections["hwmon_power"].rows)
    for path, value in rows.items():
        name = rows.get(path.replace("power1_input", "name"), "")
        if path.endswith("/power1_input") and value.isdecimal() and _SUPPLY_SENSOR.fullmatch(name):
            found.append({"kind": "hwmon", "paths": [path], "name": name})
    if pmic_watts(sections["pmic"].said) is not None:
        found.append({"kind": "pmic", "paths": [], "name": "vcgencmd pmic_read_adc"})
    supply = dict(sections["supply"].rows)
    for folder in dict.fromkeys(path.rpartition("/")[0] for path in supply):
        if supply.get(f"{folder}/type") != "Battery" or f"{folder}/status" not in supply:
            continue
        if f"{folder}/power_now" in supply:
            paths = [f"{folder}/status", f"{folder}/power_now"]
        elif f"{folder}/current_now" in supply and f"{folder}/voltage_now" in supply:
            paths = [f"{folder}/status", f"{folder}/current_now", f"{folder}/voltage_now"]
        else:
            continue
        found.append({"kind": "supply", "paths": paths, "name": folder.rpartition("/")[2]})
    tried = "/sys/class/hwmon, vcgencmd pmic_read_adc, /sys/class/power_supply"
    return Fact(found, tried) if found else Fact(None, f"tried {tried}")


def watts(kind: str, values: list[str]) -> float | None:
    """Power of one reading of a source; None for what is not a reading."""
    if kind == "pmic":
        return pmic_watts("\n".join(values))
    if kind == "supply":
        status, *values = values or [""]
        if status.strip() != "Discharging":
            return None
    if not values or not all(re.fullmatch(r"-?\d{1,12}", value) for value in values):
        return None
    numbers = [abs(int(value)) * _MICRO for value in values]  # a battery's current is negative while it discharges
    return numbers[0] if len(numbers) == 1 else numbers[0] * numbers[1]


def pmic_watts(text: str) -> float | None:
    """The sum over the rails whose current and voltage the power chip tells."""
    currents = {name: float(value) for name, value in _PMIC_CURRENT.findall(text)}
    volts = {name: float(value) for name, value in _PMIC_VOLTAGE.findall(text)}
    both = currents.keys() & volts.keys()
    return sum(currents[name] * volts[name] for name in both) if both else None
