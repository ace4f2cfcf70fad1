"""What would make numbers on a device unreliable, each with what mends it. Pure: from the facts alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from bnnbench.devices.facts import DeviceFacts, cpu_list, keeper
from bnnbench.devices.platforms import BY_TRIPLE, WIDER
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.tuning import settings

HOT_CELSIUS = 70.0
BUSY_SHARE = 0.1
OLD_KERNEL = (4, 9)
_MOST_NAMED = 6
_MOST_DIGITS = 9
_ASK_FIRMWARE = "let the user ask the firmware: sudo usermod -aG video {}; then log in again"
_COMPARE = "what cannot be observed may change during a measurement: compare in pairs, with `bnnbench ab`"
_NOW = {0: "under-voltage", 1: "its clock capped", 2: "throttling", 3: "the soft temperature limit"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: what, and the command or act that mends it. `weight` is how much it lowers
    the trust in times measured like that: to `low` at once, by a `grade`, or `none`."""

    name: str
    what: str
    mend: str
    weight: Literal["grade", "low", "none"] = "grade"


Check = Callable[[DeviceSpec, DeviceFacts], Iterator[Finding]]


def diagnose(spec: DeviceSpec, facts: DeviceFacts) -> list[Finding]:
    """All findings, worst first."""
    found = [finding for check in CHECKS for finding in check(spec, facts)]
    return sorted(found, key=lambda item: ("low", "grade", "none").index(item.weight))


def _emulated(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    if facts.emulated:
        yield Finding(
            "emulated", f"its CPU is emulated ({facts['emulated'].source}): times mean nothing and are never shown",
            "use a real board for times; a device with transport = \"qemu\" counts instructions", "none",
        )  # fmt: skip


def _throttled(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    word = facts.value("throttled")
    if not isinstance(word, int):
        return
    for bit, what in _NOW.items():
        if word >> bit & 1:
            mend = (
                "use a stronger power supply and a short cable" if bit == 0 else "cool it: a heat sink, a fan, a pause"
            )
            yield Finding("throttled", f"the firmware reports {what} now", mend, "low")
        elif word >> (bit + 16) & 1:
            yield Finding(
                "throttled-before", f"the firmware has seen {what} since it was booted, and would not report it again",
                f"remove the cause and reboot: {f'ssh {spec.host} ' if spec.host else ''}sudo reboot",
            )  # fmt: skip


def _governor(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    governors = {each for each in str(facts.value("governor") or "").split(", ") if each}
    if governors - {"performance"} and not spec.tune and not facts.emulated:
        files = [step.what for step in settings(facts, facts.allowed_cpus) if step.kind == "file"]
        # Every path in full: a wildcard of sudoers also stands for slashes and further arguments.
        sudoers = f"{spec.user or 'USER'} ALL=(root) NOPASSWD: " + ", ".join(f"/usr/bin/tee {path}" for path in files)
        yield Finding(
            "governor", f"the frequency governor is {', '.join(sorted(governors))}: the clock follows the load",
            f"set tune = true in its inventory entry, and allow it there: echo '{sudoers}' | sudo tee "
            "/etc/sudoers.d/bnnbench; or once: echo performance | sudo tee "
            "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        )  # fmt: skip


def _hot(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    degrees = facts.value("temperature_celsius") or {}
    zones = {name: value for name, value in degrees.items() if value >= HOT_CELSIUS}
    if zones:
        name = max(zones, key=lambda zone: float(zones[zone]))
        yield Finding("hot", f"{name} is at {zones[name]:.0f} °C before anything ran", "let it cool down; add a fan")


def _busy(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    load, cpus = facts.value("load_average"), facts.value("cpus") or {}
    if load and load[0] > BUSY_SHARE * cpus.get("count", 1) and load[0] > 0.3:
        yield Finding(
            "busy", f"other processes keep it busy: load {load[0]:.2f} on {cpus.get('count', 1)} CPUs",
            "see what runs with `top`, and stop it",
        )  # fmt: skip


def _left_out(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    degrees = facts.value("temperature_left_out") or {}
    odd = [f"{name} ({why})" for name, why in degrees.items() if not why.startswith("not the CPU's") or _is_hot(why)]
    if odd and not facts.emulated:
        yield Finding(
            "left-out", f"thermal zones that are not gone by: {', '.join(odd[:_MOST_NAMED])}",
            "nothing, unless one of them is the CPU's: then please report its name", "none",
        )  # fmt: skip


def _is_hot(why: str) -> bool:
    match = re.search(r"at (\d+) °C", why)
    return bool(match and int(match[1]) >= HOT_CELSIUS)


def _quota(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    count = (facts.value("cpus") or {}).get("count", 1)
    for limit in (facts.value("cpu_quota") or [])[:1]:
        if limit["cpus"] < count:
            yield Finding(
                "quota",
                f"a control group lets it use {_less_than(count, limit['cpus'])} of {count} CPUs' time, and stops it "
                f"for the rest of each period ({limit['path']})",
                "raise the limit: `docker run --cpus`, CPUQuota= of systemd, limits.cpu of Kubernetes",
            )


def _less_than(whole: int, value: float) -> str:
    """A positive number below `whole`, with two digits after the point, or more where these would show 0 or `whole`."""
    digits = min(_MOST_DIGITS, max(2, 1 - math.floor(math.log10(value)))) if value > 0 else 2
    while float(f"{value:.{digits}f}") >= whole and digits < _MOST_DIGITS:
        digits += 1
    return f"{value:.{digits}f}"


def _unseen(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    """What could not be read, and so may be as bad as can be."""
    if facts.emulated or facts.system not in (None, "Linux"):
        return
    is_pi = "Raspberry Pi" in (facts.model or "") or "vcgencmd" in (facts.value("tools") or [])
    missing = {
        "its clock (no cpufreq)": not str(facts["clock_hz"].source).endswith("/cpufreq"),
        "its governor": not facts.value("governor"),
        "its temperature": not facts.value("temperature_celsius"),
        "its load": facts.value("load_average") is None,
        "the firmware's throttle flags": is_pi and facts.value("throttled") is None,
        "limits of its CPU time": facts.value("container") is True and facts.value("cpu_quota") is None,
    }
    unseen = [what for what, is_missing in missing.items() if is_missing]
    if unseen:
        message = re.search(r"\(status .*\)", facts["throttled"].source)
        is_denied = bool(message) and "the firmware's throttle flags" in unseen
        yield Finding(
            "not-seen", f"not seen: {', '.join(unseen)}{f' {message[0]}' if message and is_denied else ''}",
            _ASK_FIRMWARE.format(spec.user or "USER") if is_denied else _COMPARE,
            "none" if facts.value("hypervisor") else "grade",  # of a virtual machine, which is in doubt anyway
        )  # fmt: skip


def _userland(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    here = BY_TRIPLE.get(facts.triple or "")
    wide = WIDER.get(here.architecture) if here else None
    if wide and wide.triple and facts.value("machine") in (*wide.uname, *wide.narrow_uname):
        yield Finding(
            "32-bit", "its userland is 32-bit, its CPU is not: the static 64-bit engine would run, and is faster",
            f'set abi = "{wide.architecture}" in its inventory entry, or install a 64-bit system', "none",
        )  # fmt: skip
    elif facts.triple is None:
        yield Finding(
            "no-engine", f"there are no engines for it: {facts['triple'].source}", "use another device", "low"
        )


def _power(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    battery = facts.value("battery") or {}
    if battery.get("powersave"):
        yield Finding(
            "battery-saver",
            "the battery saver is on: clocks are held down",
            "adb shell settings put global low_power 0",
            "low",
        )
    if battery.get("level") is not None and battery["level"] < 20 and not battery.get("charging"):
        yield Finding("battery", f"the battery is at {battery['level']} % and not charging", "charge it")
    if battery.get("screen") is True:
        yield Finding("screen", "its screen is on and takes CPU time and heat", "adb shell input keyevent 26", "none")
    status = facts.value("thermal_status")
    if isinstance(status, int) and status > 0:
        yield Finding(
            "thermal", f"Android reports thermal status {status}: it is throttling", "let it cool down", "low"
        )


def _cpus(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    cpus = facts.value("cpus") or {}
    left_out = [cpu for cpu in cpus.get("online", []) if cpu not in (*facts.allowed_cpus, *facts.settable_cpus)]
    if left_out:
        act = "bring the app to the foreground, or measure over adb" if facts.is_android else "widen the cpuset"
        yield Finding("cpuset", f"it may not use CPUs {cpu_list(left_out)}: they are outside {keeper(facts)}", act)
    if facts.settable_cpus:
        yield Finding(
            "set-aside", f"programs have CPUs {cpu_list(facts.settable_cpus)} only when they ask (isolcpus, taskset)",
            "name them in cores= to measure there: nothing else disturbs isolated ones", "none",
        )  # fmt: skip


def _termux(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    if facts.value("wake_lock") is False:
        yield Finding(
            "wake-lock", "Termux holds no wake-lock: Android puts it to sleep and on the little cores",
            "run `termux-wake-lock` there",
        )  # fmt: skip


def _kernel(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    match = facts.system in (None, "Linux") and re.search(r"(\d+)\.(\d+)", str(facts.value("kernel") or ""))
    if match and (int(match[1]), int(match[2])) < OLD_KERNEL:
        yield Finding(
            "old-kernel", f"its kernel {match[0]} is old: counters and cpufreq may be missing", "update it", "none"
        )


def _virtual(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    if facts.value("hypervisor") and not facts.emulated:
        yield Finding(
            "virtual", "it is a virtual machine, which shares its CPU with others unseen", "use a machine of its own"
        )
    if facts.value("container") is True:
        yield Finding(
            "container", "it is a container: whether another one measures on the same machine cannot be known here",
            "measure outside of containers, or share /tmp or the work folder between them: the lock is there too",
            "none" if facts.value("hypervisor") else "grade",  # a virtual machine is in doubt for the same reason
        )  # fmt: skip


def _pmu(spec: DeviceSpec, facts: DeviceFacts) -> Iterator[Finding]:
    level = facts.value("perf_event_paranoid")
    if isinstance(level, int) and level > 2 and not facts.emulated:
        mend = (
            "adb shell setprop security.perf_harden 0"
            if facts.is_android
            else "sudo sysctl kernel.perf_event_paranoid=2"
        )
        yield Finding("no-counters", f"hardware counters are not allowed (perf_event_paranoid {level})", mend, "none")


# One row per thing to look for.
CHECKS: Final[tuple[Check, ...]] = (
    _emulated, _throttled, _governor, _hot, _left_out, _busy, _quota, _unseen, _userland, _power, _termux, _cpus,
    _kernel, _virtual, _pmu,
)  # fmt: skip
