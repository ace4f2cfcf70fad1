"""What times on a board do from one invocation to the next, as models with assumed figures.

A session is a row of slots, one for each invocation in the order they are run. Its times are 1 in all of them but for

- a thermal ramp, |N(0, 3 %)| (1 - exp(-t / tau)), tau from a tenth to six tenths of 60 slots;
- one stretch of throttling in 15 % of sessions, 3 to 15 % slower for a tenth to four tenths of 60 slots, which the
  clock shows;
- load by others, AR(1) with rho 0.8 and a standard deviation of 0.6 %;
- what differs from process to process, 0.7 %;
- ten samples of each invocation, 1 % apart, 5 % of them slower by an exponential of mean 8 %; their median counts.

A pair's differences then have a sigma of about 1.2 %. `scale` multiplies all but the throttling. The bimodal model
adds a slower kind of process, as page placement makes it: 3 in 10 processes, by 2 %. The neighbours model is a shared
machine: a share of the invocations is 30 % slower, and no clock shows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SESSION = 60
SAMPLES = 10
RECORDING = Path(__file__).parents[1] / "harness" / "recorded_noise.json"


@dataclass(frozen=True)
class Noise:
    """A model; `head_throttles` and `base_throttles` are the shares of a side's invocations that throttle by
    themselves, which the clock shows."""

    name: str
    scale: float = 1.0
    slow_kind: float = 0.0
    neighbours: float = 0.0
    recorded: float = 0.0
    """Above 0: no model, but the recording, its deviations times this."""
    base_throttles: float = 0.0
    head_throttles: float = 0.0


@dataclass(frozen=True)
class Session:
    """Per slot: ten samples (1.0 is the undisturbed time) and the clock (1.0 is full speed). `throttled` says which
    slots would throttle if they were one side's (a uniform number each), and by how much."""

    samples: NDArray[np.float64]
    clock: NDArray[np.float64]
    chance: NDArray[np.float64]
    depth: NDArray[np.float64]


def session(noise: Noise, slots: int, rng: np.random.Generator) -> Session:
    """One session of `slots` invocations."""
    if noise.recorded:
        return _replayed(noise.recorded, slots, rng)
    t = np.arange(slots) / _SESSION
    offset = abs(rng.normal(0, 0.03 * noise.scale)) * (1 - np.exp(-t / rng.uniform(0.1, 0.6)))
    clock = np.ones(slots)
    if rng.random() < 0.15:
        start, length, depth = rng.uniform(0, 0.9), rng.uniform(0.1, 0.4), rng.uniform(0.03, 0.15)
        during = ((t > start) & (t < start + length)).astype(float)
        offset = offset + during * depth
        clock = clock * np.exp(-during * depth)
    offset = offset + _autoregressive(slots, 0.8, 0.006 * noise.scale, rng)
    offset = offset + rng.normal(0, 0.007 * noise.scale, slots)
    offset = offset + (rng.random(slots) < noise.slow_kind) * 0.02 * noise.scale
    offset = offset + (rng.random(slots) < noise.neighbours) * 0.3
    samples = offset[:, None] + rng.normal(0, 0.01 * noise.scale, (slots, SAMPLES))
    samples += (rng.random((slots, SAMPLES)) < 0.05) * rng.exponential(0.08, (slots, SAMPLES))
    return Session(np.exp(samples), clock, rng.random(slots), rng.uniform(0.03, 0.15, slots))


def _replayed(share: float, slots: int, rng: np.random.Generator) -> Session:
    """Successive invocations of the recording from a random one on, round and round."""
    rows = recording()
    taken = rows[(rng.integers(len(rows)) + np.arange(slots)) % len(rows)]
    return Session(1 + share * taken, np.ones(slots), rng.random(slots), rng.uniform(0.03, 0.15, slots))


@cache
def recording() -> NDArray[np.float64]:
    """Deviations of 320 real invocations: recorded, not modelled; see the file."""
    return np.array(json.loads(RECORDING.read_text())["deviations"], float)


def _autoregressive(n: int, rho: float, sigma: float, rng: np.random.Generator) -> NDArray[np.float64]:
    from scipy.signal import lfilter

    steps = rng.normal(0, sigma * np.sqrt(1 - rho**2), n)
    steps[0] = rng.normal(0, sigma)
    return np.asarray(lfilter([1.0], [1.0, -rho], steps))
