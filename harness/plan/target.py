"""A device that answered, as plans and sessions know it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bnnbench.devices.facts import DeviceFacts
from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.engines import Engine, EngineFiles, Refusal

from .meter import WALL_CLOCK, Meter


@dataclass(frozen=True, slots=True)
class Target:
    """A device that answered, as plans and sessions know it."""

    spec: DeviceSpec
    facts: DeviceFacts
    cores: tuple[int, ...]
    isas: Mapping[str, str | None]
    """Engine name -> ISA level it is started with; None leaves it to the engine."""
    builds: Mapping[str, EngineFiles]
    launcher: Path = Path()
    """The native engine for the machine that starts things: the device itself, or this one for an emulated CPU."""
    emulator: tuple[str, ...] = ()
    """Words before an engine's own that run it on an emulated CPU."""
    counter: Path | None = None
    """The plugin that makes the emulator count instructions."""
    meter: Meter = WALL_CLOCK
    """What is measured there."""
    lacks: Mapping[str, Refusal] = field(default_factory=dict)
    """Engine name -> what it is started with and the device has not."""

    def refusal(self, engine: Engine, threads: int) -> Refusal | None:
        """Why the engine cannot run there, as far as engine and device know; None also for an unknown CPU."""
        triple = self.facts.triple
        if triple is None:
            return None
        return engine.refusal(threads, triple, self.is_local) or self.lacks.get(engine.name)

    @property
    def stored_facts(self) -> dict[str, dict[str, Any]]:
        """What `run.json` holds of the device: its facts, and a digest of the address at which it answered."""
        digest = hashlib.sha256(self.spec.address.encode()).hexdigest()[:16]
        return {**self.facts.to_dict(), "address": {"value": digest, "source": "digest of the inventory's address"}}

    @property
    def is_local(self) -> bool:
        """Whether it is the machine that bnnbench itself runs on."""
        return self.spec.is_local
