"""Where a run was measured, and with what: what two runs are held against each other by."""

from typing import Any

import msgspec


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What is recorded of a run's surroundings; what an older version did not record is empty.

    `devices` maps a device's name to its facts, as in `RunRecord`; `cores` to the CPUs that its processes ran on,
    `events` to the kinds of what happened to it. `builds` maps `ENGINE for TRIPLE` to the build's key, `levels`
    `ENGINE on DEVICE` to the ISA level that ran, `models` a model's name to its SHA-256, `settings` what was asked of
    every case. `versions` are bnnbench's, the host's and those of compilers and runtimes.
    """

    devices: dict[str, dict[str, Any]] = {}
    cores: dict[str, list[int]] = {}
    events: dict[str, list[str]] = {}
    builds: dict[str, str] = {}
    levels: dict[str, str] = {}
    models: dict[str, str] = {}
    settings: dict[str, Any] = {}
    versions: dict[str, str] = {}
