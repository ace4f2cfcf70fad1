"""A program that runs what is built for another processor, and counts its instructions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Emulator:
    """`words` stand before an engine's own; `plugin_interface` is the version of QEMU's interface for plugins."""

    words: tuple[str, ...]
    plugin_interface: int
