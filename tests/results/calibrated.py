"""A calibration of a board, its figures made up."""

from __future__ import annotations

from bnnbench.results.store.calibration import Calibration


def calibrated(layout: float | None = None) -> Calibration:
    return Calibration(
        device="pi4",
        created="2026-01-01T00:00:00+00:00",
        version="0",
        suite="s",
        kernel="6.1",
        floor=0.01,
        margin=0.02,
        comparisons=40,
        false_alarms=0,
        false_alarm_low=0,
        false_alarm_high=0.09,
        unstable=0,
        conclusive=0.9,
        sigma=0.012,
        mde=0.015,
        invocation_ms=350,
        layout=layout,
    )
