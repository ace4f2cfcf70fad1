"""The sweep of small odd shapes, which `bnnbench selftest` takes too."""

from __future__ import annotations

from bnnbench.kernels.sweep import CHANNELS, FILTERS, IMAGES, MAX_MACS, SEED, sweep

__all__ = ("CHANNELS", "FILTERS", "IMAGES", "MAX_MACS", "SEED", "sweep")
