"""What is around a measurement on its device: prepared before, watched during, put back after."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bnnbench.devices import tuning
from bnnbench.devices.doctor import diagnose
from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.telemetry import Sampler, readings, sampled_files, throttle_word, watched_files, window_s
from bnnbench.devices.temperature import celsius
from bnnbench.devices.transport.protocol import Transport
from bnnbench.kernels.engines.replies import Ran
from bnnbench.results.records import DeviceEvent
from bnnbench.results.trust import DISTRUST, DISTRUST_LOW

from ..clock import now
from ..plan.target import Target
from .context import RunContext
from .launcher import Launcher

_LONGEST_COOLING_S, _LONGEST_SAMPLING_S = 300.0, 3600.0
_POLL_S = 2.0
_LONGEST_WORD, _MOST = 255, 1e15
COUNTERS = ("cycles", "instructions", "cache_misses", "branch_misses")
"""Fewer than the counters of every core that we know, so that none takes turns."""
_READ_ALL = 'for f in "$@"; do t=; { read -r t < "$f"; } 2>/dev/null; echo "$t"; done; exit 0'


@dataclass
class Surroundings:
    """Of one device, while its lock is held. `launcher` knows the work folder over there."""

    target: Target
    transport: Transport
    context: RunContext
    launcher: Launcher
    watched: list[str] = field(default_factory=list)
    counters: tuple[str, ...] = ()

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """What an ended run left is put back; what is wrong with the device is recorded; what may be changed, is."""
        facts, spec = self.target.facts, self.target.spec
        self.put_back("an earlier run")
        stored = [(one.device, one.message) for one in self.context.writer.read().events]
        for finding in diagnose(spec, facts):
            if finding.weight != "none" and (spec.name, finding.what) not in stored:
                self._tell(DISTRUST_LOW if finding.weight == "low" else DISTRUST, finding.what, finding.name)
        self.watched = watched_files(facts, self.target.cores)
        self.counters = () if facts.emulated else COUNTERS
        try:
            if spec.tune and not self.target.meter.is_exact:
                self._tune(tuning.steps(facts, self.target.cores))
            yield
        finally:
            with suppress(DeviceError):  # a lost device: it is put back by whoever connects next
                self.put_back("this run")

    def _tune(self, steps: Sequence[tuning.Step]) -> None:
        try:
            changes = tuning.apply(self.transport, self.launcher.workdir, steps)
        except CommandFailed as error:
            self._tell(DISTRUST, f"its environment could not be prepared: {error}", "untuned")
            return
        for change in changes:
            if change.outcome != "same":
                self._tell(DISTRUST if change.outcome == "denied" else "tuned", change.sentence, "untuned")

    def put_back(self, whose: str) -> None:
        """Restores what the journal over there names. Raises DeviceError."""
        for change in tuning.restore(self.transport, self.launcher.workdir):
            self._tell(change.outcome, f"{change.sentence} (changed by {whose})")

    def cool_down(self) -> None:
        """Waits until the device is as cool as its inventory entry wants, with a limit. Raises DeviceError."""
        wanted = self.target.spec.cool_to_celsius
        deadline = time.monotonic() + _LONGEST_COOLING_S
        zones = self.target.facts.value("temperature_files") if "temperature_files" in self.target.facts else None
        while wanted is not None and zones:
            said = self.transport.shell(_READ_ALL, *zones).stdout.decode("ascii", "replace").splitlines()
            hottest = max((degrees for text in said if (degrees := celsius(text)) is not None), default=None)
            if hottest is None or hottest <= wanted:
                return
            if time.monotonic() > deadline:
                limit = f"{_LONGEST_COOLING_S:.0f} s"
                self._tell(DISTRUST, f"it was still at {hottest:.0f} °C after cooling down for {limit}", "hot")
                return
            self.context.show(self.target.spec.name, f"cooling down: {hottest:.0f} °C, {wanted} wanted", 0, 1)
            self.context.stop.check()
            time.sleep(_POLL_S)

    @contextmanager
    def watching(self, cores: Sequence[int]) -> Iterator[Watched]:
        """Around one invocation on these cores."""
        watched = Watched(_cut(throttle_word(self.transport, self.target.facts)))
        sampler = self._sampler(cores)
        if sampler is not None:
            try:
                sampler.start()
            except CommandFailed:
                sampler = None
        try:
            yield watched
        finally:
            if sampler is not None:
                sampler.stop()
                watched.sampler = sampler
        watched.word_after = _cut(throttle_word(self.transport, self.target.facts))

    def _sampler(self, cores: Sequence[int]) -> Sampler | None:
        sources = self.target.facts.value("power_sources") if "power_sources" in self.target.facts.facts else None
        spare = [cpu for cpu in self.target.facts.allowed_cpus if cpu not in cores]
        files = sampled_files(self.watched)
        if not spare or self.target.meter.is_exact or not (sources or files):
            return None
        words = self.launcher.words([spare[0]], _LONGEST_SAMPLING_S)
        return Sampler(self.transport, words, files, sources[0] if sources else None, self.launcher.workdir)

    def _tell(self, kind: str, message: str, code: str | None = None) -> None:
        event = DeviceEvent(device=self.target.spec.name, kind=kind, message=message, code=code, started=now())
        self.context.append(event)


@dataclass
class Watched:
    """What was seen around an invocation."""

    word_before: str | None
    word_after: str | None = None
    sampler: Sampler | None = None

    def watch(self, ran: Ran | None) -> dict[str, Any] | None:
        """The engine's own readings, and the firmware's word where a command tells it."""
        found: dict[str, Any] = dict(ran.watch or {}) if ran else {}
        if self.word_before is not None:
            found["vcgencmd get_throttled"] = [self.word_before, self.word_after or ""]
        return found or None

    def telemetry(self, ran: Ran | None, latency_ns: float | None) -> dict[str, Any]:
        """Figures of the readings; energy where a power source was read while it ran."""
        found = readings(ran.watch) if ran and ran.watch else {}
        window = window_s(ran.watch) if ran else None
        if self.sampler is None or window is None:
            return _sensible(found)
        found |= self.sampler.within(*window)
        if "power_w" in found and latency_ns is not None:
            found["energy_mj"] = found["power_w"] * latency_ns * 1e-6
        return _sensible(found)


def _sensible(found: dict[str, Any]) -> dict[str, Any]:
    """Without numbers that nothing on a board can have."""
    return {name: value for name, value in found.items() if all(map(_possible, _each(value)))}


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def _possible(value: Any) -> bool:
    return len(value) <= _LONGEST_WORD if isinstance(value, str) else abs(value) < _MOST  # False for NaN


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST_WORD]
