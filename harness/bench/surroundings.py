"""What is around a measurement on its device: prepared before, watched during, put back after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from bnnbench.devices import tuning
from bnnbench.devices.doctor import diagnose
from bnnbench.devices.errors import CommandFailed, DeviceError
from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.telemetry import Sampler, readings, sampled_files, signs, watched_files, window_s
from bnnbench.devices.transport.protocol import Transport
from bnnbench.kernels.engines.replies import Ran
from bnnbench.results.records import DeviceEvent
from bnnbench.results.trust import DISTRUST, DISTRUST_LOW

from ..clock import now
from ..plan.target import Target
from .context import RunContext
from .cooling import Cooling
from .launcher import Launcher

_LONGEST_SAMPLING_S = 3600.0
_LONGEST_WORD, _MOST = 255, 1e15
COUNTERS = ("cycles", "instructions", "cache_misses", "branch_misses", "page_faults")
"""Fewer than the counters of every core that we know, so that none takes turns; the kernel itself counts page
faults."""


@dataclass
class Surroundings:
    """Of one device, while its lock is held. `launcher` knows the work folder over there."""

    target: Target
    transport: Transport
    context: RunContext
    launcher: Launcher
    watched: list[str] = field(default_factory=list)
    counters: tuple[str, ...] = ()
    _cooling: Cooling | None = None

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """What an ended run left is put back; what is wrong with the device is recorded; what may be changed, is."""
        facts, spec = self.target.facts, self.target.spec
        self.put_back("an earlier run")
        stored = [(event.device, event.message) for event in self.context.writer.read().events]
        for event in distrusted(spec, facts):
            if (event.device, event.message) not in stored:
                self.context.append(event)
        self.watched = watched_files(facts, self.target.cores)
        self.counters = () if facts.emulated else COUNTERS
        try:
            if spec.tune and not self.target.meter.is_exact:
                self._tune(tuning.settings(facts, self.target.cores))
            yield
        finally:
            with suppress(DeviceError):  # a lost device: it is put back by whoever connects next
                self.put_back("this run")

    def _tune(self, settings: Sequence[tuning.Setting]) -> None:
        try:
            changes = tuning.apply(self.transport, self.launcher.workdir, settings)
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
        if self._cooling is None and (wanted := self.target.spec.cool_to_celsius) is not None:
            self._cooling = Cooling(
                self._sensors(), wanted, self._show, lambda message: self._tell(DISTRUST, message, "hot")
            )
        if self._cooling is not None and self._cooling.names:
            self._cooling.wait(self.transport)

    def _sensors(self) -> dict[str, str]:
        facts = self.target.facts
        files = facts.value("temperature_files") if "temperature_files" in facts else None
        return dict(zip(files or (), facts.value("temperature_celsius") or (), strict=False))

    def _show(self, text: str) -> None:
        self.context.show(self.target.spec.name, text, 0, 1)
        self.context.stop.check()

    @contextmanager
    def watching(self, cores: Sequence[int]) -> Iterator[Watched]:
        """Around one invocation on these cores."""
        watched = Watched(signs(self.transport, self.target.facts))
        sampler = self._sampler(cores)
        if sampler is not None:
            try:
                sampler.start()
            except CommandFailed:
                sampler = None
        watched.sampler = sampler
        try:
            yield watched
        finally:
            if sampler is not None:
                sampler.stop()
        watched.after = signs(self.transport, self.target.facts)

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


def distrusted(spec: DeviceSpec, facts: DeviceFacts) -> list[DeviceEvent]:
    """What speaks against times on a device before anything ran there."""
    return [
        DeviceEvent(
            device=spec.name,
            kind=DISTRUST_LOW if finding.weight == "low" else DISTRUST,
            message=finding.what,
            code=finding.name,
            started=now(),
        )
        for finding in diagnose(spec, facts)
        if finding.weight != "none"
    ]


@dataclass
class Watched:
    """What was seen around an invocation."""

    before: Mapping[str, str]
    after: Mapping[str, str] = field(default_factory=dict)
    sampler: Sampler | None = None

    def watch(self, ran: Ran | None) -> dict[str, Any] | None:
        """The engine's own readings, and signs that it does not read."""
        found: dict[str, Any] = dict(ran.watch or {}) if ran else {}
        for name, before in self.before.items():
            found[name] = [before[:_LONGEST_WORD], self.after.get(name, "")[:_LONGEST_WORD]]
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
