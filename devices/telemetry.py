"""What to watch on a device around a measurement, and what the readings say."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bnnbench.devices.errors import DeviceError
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.power import watts
from bnnbench.devices.temperature import celsius
from bnnbench.devices.transport.protocol import RemoteProcess, Transport

MOST_FILES = 16
"""As many as an engine's `run watch=` takes."""
VCGENCMD = "vcgencmd get_throttled"
SAMPLE_EVERY_S = 0.2
UPTIME = "/proc/uptime"
_TEMPERATURE: Final = r"/temp$|/temp\d+_input$"
_LIMIT_S, _END_S, _LONGEST_S = 20.0, 5.0, 3600.0
_MOST_SAMPLES = round(_LONGEST_S / SAMPLE_EVERY_S) * 2
_LONGEST_LINE = 1 << 14

# Ends when its input does. $1: seconds between samples, $2 kind of the power source or `none`, then files: of the
# source, and more. One line each: seconds since boot, then values between tabs.
_SAMPLE: Final = """
p=$1; k=$2; shift 2
exec 3<&0
(cat <&3; kill $$) > /dev/null 2>&1 &
while :; do
  read -r u rest < /proc/uptime || exit 1
  l=$u
  if [ "$k" = pmic ]; then
    l="$l	$(vcgencmd pmic_read_adc 2>/dev/null | tr '\\n' ' ')"
  fi
  for f in "$@"; do v=; { read -r v < "$f"; } 2>/dev/null; l="$l	$v"; done
  printf '%s\\n' "$l" || exit 0
  sleep "$p" > /dev/null 2>&1 || sleep 1 > /dev/null
done
"""


def watched_files(facts: DeviceFacts, cores: Sequence[int]) -> list[str]:
    """Small files that an engine reads before and after its samples: the time, throttle word, clocks, heat, load."""
    paths = [UPTIME]
    if str(facts["throttled"].source).startswith("/sys/") and facts.value("throttled") is not None:
        paths.append(facts["throttled"].source)
    clocks = facts.value("clock_hz") or {}
    if facts["clock_hz"].source.endswith("cpufreq"):
        paths += [f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in cores if str(cpu) in clocks][
            :4
        ]
    paths += (facts.value("temperature_files") or [])[:4]
    paths += ["/proc/loadavg"] if facts.value("load_average") else []
    battery = str(facts["battery"].source)
    if battery.startswith("/sys/class/power_supply/"):
        paths += [f"{battery}/capacity", f"{battery}/status"]
    return [path for path in paths if "," not in path][:MOST_FILES]


def sampled_files(watched: Sequence[str]) -> list[str]:
    """Those of the watched files that change while something runs: clocks and temperatures."""
    return [path for path in watched if re.search(_TEMPERATURE, path) or path.endswith("scaling_cur_freq")]


def signs(transport: Transport, facts: DeviceFacts) -> dict[str, str]:
    """Signs of throttling that engines do not read: the firmware's word where only a command tells it, and how often
    control groups were stopped for having used their share of the CPU."""
    found: dict[str, str] = {}
    if facts["throttled"].source == VCGENCMD and facts.value("throttled") is not None:
        found[VCGENCMD] = transport.run(VCGENCMD.split(), timeout_s=_LIMIT_S).stdout.decode("ascii", "replace").strip()
    files = facts.value("cpu_quota_files") if "cpu_quota_files" in facts else None
    for path in files or ():
        found[path] = transport.run(["grep", "nr_", path], timeout_s=_LIMIT_S).stdout.decode("ascii", "replace").strip()
    return found


def readings(watch: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What watched files say, as figures before and after: `temperature_celsius` (the hottest), `clock_hz` (the slowest
    core), `load`, `battery_level`."""
    found: dict[str, Any] = {}
    for name, pattern, choose, read in _READ:
        columns = [[read(text) for text in texts] for path, texts in watch.items() if re.search(pattern, path)]
        whole = [column for column in columns if None not in column]
        if whole:
            found[name] = [choose(both) for both in zip(*whole, strict=True)]
    return found


def window_s(watch: Mapping[str, Sequence[str]] | None) -> tuple[float, float] | None:
    """Seconds since boot, by the clock of the samples, between which the timed blocks ran; None where not read."""
    begin, end = map(_first, (watch or {}).get(UPTIME) or ("", ""))
    return (begin, end) if begin is not None and end is not None and end > begin else None


@dataclass
class Sampler:
    """A process on a spare core that reads a power source, clocks and temperatures while an engine is timed."""

    transport: Transport
    launcher: Sequence[str]
    files: Sequence[str]
    source: Mapping[str, Any] | None
    cwd: str
    samples: list[tuple[float, float | None, dict[str, str]]] = field(default_factory=list)
    """(seconds since boot, watts, text of each file)."""
    _process: RemoteProcess | None = None
    _reader: threading.Thread | None = None

    def start(self) -> None:
        """Raises DeviceError."""
        kind, paths = (str(self.source["kind"]), self.source["paths"]) if self.source else ("none", [])
        argv = [*self.launcher, "sh", "-c", _SAMPLE, "sh", f"{SAMPLE_EVERY_S:g}", kind, *paths, *self.files]
        self._process = self.transport.spawn(argv, cwd=self.cwd)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Ends it and keeps what it wrote; without any, there is no energy. Never raises."""
        process, self._process = self._process, None
        if process is None or self._reader is None:
            return
        process.close_stdin()
        self._reader.join(_END_S)
        process.kill()

    def _read(self, process: RemoteProcess) -> None:
        try:
            while len(self.samples) < _MOST_SAMPLES:
                self._take(process.read_line(time.monotonic() + _LONGEST_S))
        except (EOFError, TimeoutError, DeviceError, OSError, ValueError):
            pass  # all of it has been read, or the device is gone, which whoever measures there is told

    def within(self, begin_s: float, end_s: float) -> dict[str, Any]:
        """Figures of the samples between two times since boot: `power_w`, `power_source` and `power_hz` of at
        least two, and `temperature_celsius_max`, `clock_hz_min`, `clock_hz_max`."""
        chosen = [sample for sample in self.samples if begin_s <= sample[0] <= end_s]
        found: dict[str, Any] = {}
        powers = [power for _, power, _ in chosen if power is not None]
        if len(powers) >= 2 and self.source and end_s > begin_s:
            found["power_w"] = sum(powers) / len(powers)
            found["power_source"] = self.source["name"]
            found["power_hz"] = len(powers) / (end_s - begin_s)
        each = [readings({path: [text, text] for path, text in texts.items()}) for _, _, texts in chosen]
        for name, most in (("temperature_celsius", max), ("clock_hz", max), ("clock_hz", min)):
            values = [item[name][0] for item in each if name in item]
            if values:
                found[f"{name}_{most.__name__}"] = most(values)
        return found

    def _take(self, line: str) -> None:
        at, *values = line.split("\t")
        if len(line) > _LONGEST_LINE or not re.fullmatch(r"\d+\.\d+", at):
            return
        count = len(values) - len(self.files)  # of the source's own values, the power chip's text being one
        power = watts(str(self.source["kind"]), values[:count]) if self.source and count > 0 else None
        self.samples.append((float(at), power, dict(zip(self.files, values[max(count, 0) :], strict=False))))


def _first(text: str) -> float | None:
    match = re.match(r"\s*(-?\d+(?:\.\d+)?)", text)
    return float(match[1]) if match else None


def _hertz(text: str) -> float | None:
    kilohertz = _first(text)
    return None if kilohertz is None else kilohertz * 1e3


# Name, files, which of several counts, how each is read.
_READ: Final[tuple[tuple[str, str, Callable[..., float], Callable[[str], float | None]], ...]] = (
    ("temperature_celsius", _TEMPERATURE, max, celsius),
    ("clock_hz", r"scaling_cur_freq$", min, _hertz),
    ("load", r"^/proc/loadavg$", max, _first),
    ("battery_level", r"/capacity$", min, _first),
)
