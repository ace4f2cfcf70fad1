"""Baselines: capsules of what a version was, so that it can be run again beside another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnnbench.results.store import Store


@dataclass(frozen=True, slots=True)
class Baselines:
    """The capsules of a store."""

    store: Store

    def binaries(self, name: str) -> Mapping[str, str] | None:
        """Engine binaries by triple; None when there is no such baseline."""
        return None
