"""Getting to the devices of a run: connect, probe, choose cores, build what runs there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bnnbench.devices.errors import DeviceError, InventoryError
from bnnbench.devices.facts import DeviceFacts, cores_of
from bnnbench.devices.inventory import LOCAL
from bnnbench.devices.known_facts import remember
from bnnbench.devices.probe import probe
from bnnbench.devices.quarantine import require_fit
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport import connect
from bnnbench.devices.transport.emulator import Emulator
from bnnbench.devices.transport.local import LocalTransport
from bnnbench.devices.transport.protocol import Transport
from bnnbench.kernels.engines import ENGINES, Engine, EngineFiles, Refusal
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.instruction_counter import build_counter

from ..errors import CannotMeasure
from ..plan.meter import INSTRUCTION_COUNT
from ..plan.target import Target
from .launcher import LAUNCHER
from .trouble import concerns_all, is_fault

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """A connected device and what is known of it."""

    target: Target
    transport: Transport
    builds_ns: int


def reach(spec: DeviceSpec, engines: Sequence[Engine], tell: Tell) -> Reached:
    """Raises DeviceError, or CannotMeasure when the machine is none that engines are built for."""
    transport = connect(spec)
    try:
        facts = probe(transport)
        remember(spec, facts)
        started = time.monotonic_ns()
        lacking = partial(_lacking, transport)
        target = target_of(spec, facts, engines, transport.emulator, tell, lacking)
        return Reached(target, transport, time.monotonic_ns() - started)
    except BaseException:
        transport.close()
        raise


def target_of(
    spec: DeviceSpec,
    facts: DeviceFacts,
    engines: Sequence[Engine],
    emulator: Emulator | None,
    tell: Tell,
    lacking: Callable[[Engine, str], Refusal | None],
) -> Target:
    """A device by its facts, with the engines that it can run, built here. `lacking` says why an engine cannot be
    started by a program that should be on the device. Raises DeviceError, CannotMeasure."""
    if facts.system not in (None, "Linux"):
        raise DeviceError(f"device {spec.name!r} cannot be measured: {facts['triple'].source}.")
    cores = cores_of(spec, facts)
    isas: dict[str, str | None] = {}
    builds: dict[str, EngineFiles] = {}
    lacks: dict[str, Refusal] = {}
    triple = facts.triple
    try:
        if triple is not None:
            for engine in _runnable(engines, triple, spec):
                isa = engine.isa_for(triple, facts.isa_features)
                files = engine.prepare(triple, isa, tell)
                if files.program and (refusal := lacking(engine, files.program)):
                    lacks[engine.name] = refusal
                else:
                    isas[engine.name], builds[engine.name] = isa, files
        launcher = builds[LAUNCHER].build.path if LAUNCHER in builds else Path()
        target = Target(spec, facts, cores, isas, builds, launcher, lacks=lacks)
        return _emulated(target, emulator, tell) if emulator and triple is not None else target
    except BuildError as error:
        raise CannotMeasure(str(error)) from error


def own_builds(spec: DeviceSpec, facts: DeviceFacts, engines: Sequence[Engine]) -> list[tuple[str, str, str | None]]:
    """Engine, triple and ISA level of what `target_of` takes of this project's own builds."""
    triple = facts.triple
    if triple is None:
        return []
    return [
        (engine.recorded_as, triple, engine.isa_for(triple, facts.isa_features))
        for engine in _runnable(engines, triple, spec)
        if engine.builds
    ]


def _runnable(engines: Sequence[Engine], triple: str, spec: DeviceSpec) -> list[Engine]:
    """The native one is always there: it launches every other engine and holds the lock."""
    asked = {LAUNCHER: ENGINES[LAUNCHER], **{engine.name: engine for engine in engines}}
    return [engine for engine in asked.values() if engine.refusal(1, triple, spec.is_local) is None]


def _lacking(transport: Transport, engine: Engine, program: str) -> Refusal | None:
    """Asks the device. Raises DeviceError."""
    name = engine.recorded_as
    if transport.emulator:
        return Refusal(f"the engine '{name}' has no binary, and nothing else is run on an emulated CPU", "no_binary")
    if transport.shell('command -v "$1" >/dev/null 2>&1', program).status == 0:
        return None
    return Refusal(
        f"there is no program {program} on device '{transport.spec.name}', and the engine '{name}' is started with it; "
        "install it there, or correct the engine's command",
        "not_installed",
    )


def _emulated(target: Target, emulator: Emulator, tell: Tell) -> Target:
    """Started by this machine's launcher, counted by a plugin."""
    host = probe(LocalTransport(LOCAL)).triple
    if host is None:
        raise CannotMeasure("no engine can be built for this host, so it cannot run emulated devices.")
    launcher = ENGINES[LAUNCHER].prepare(host, None, tell).build.path
    counter = build_counter(host, emulator.plugin_interface, tell)
    return replace(target, launcher=launcher, emulator=emulator.words, counter=counter, meter=INSTRUCTION_COUNT)


def reach_all(
    specs: Sequence[DeviceSpec], engines: Sequence[Engine], tell: Tell, *, even_unfit: bool = False
) -> tuple[list[Reached], dict[str, Exception]]:
    """The devices that answer, and why the others don't, by name; those in quarantine only with `even_unfit`. One after
    the other: builds share the cache.

    Raises what concerns all of them, and, where none answers, what is wrong with the inventory or this program.
    """
    reached: list[Reached] = []
    failures: dict[str, Exception] = {}
    try:
        for spec in specs:
            try:
                if not even_unfit:
                    require_fit(spec)
                reached.append(reach(spec, engines, tell))
            except Exception as error:
                if concerns_all(error):
                    raise
                failures[spec.name] = error
        if not reached:
            for failure in failures.values():
                if isinstance(failure, InventoryError) or is_fault(failure):
                    raise failure
    except BaseException:
        for item in reached:
            item.transport.close()
        raise
    return reached, failures
