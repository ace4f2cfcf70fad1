"""Knees, equilibria and losses of simulated devices whose truth is known: a first-order thermal model with a throttle.

The temperature T (above that of the room) follows C dT/dt = P v - T / R, v the speed: with RC = `heating_s` and the
speed at which a full load heats, T' = (v - T) / heating_s in units of the full load's temperature. Above `limit` a
throttle lowers the speed in proportion, v = 1 - gain (T - limit). Knee and equilibrium are known exactly: T reaches
the limit at -heating_s ln(1 - limit), and rests where T = v.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.statistics.thermal import thermal

WINDOWS, WINDOW_S, FIRST_S = 360, 5.0, 60.0
BASE_NS = 1e7
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Device:
    """`gain` 0 is a device that never throttles."""

    heating_s: float = 300.0
    limit: float = 0.6
    gain: float = 1.5

    @property
    def knee_s(self) -> float:
        return -self.heating_s * math.log1p(-self.limit)

    @property
    def speed(self) -> float:
        """In equilibrium."""
        return (1 + self.gain * self.limit) / (1 + self.gain)

    def speeds(self, times: Array) -> Array:
        tau = self.heating_s / (1 + self.gain)
        after = np.maximum(times - self.knee_s, 0)
        return np.asarray(1 - (1 - self.speed) * -np.expm1(-after / tau))


@dataclass(frozen=True)
class Setting:
    """`noise` makes the logarithms of factors on latency."""

    name: str
    device: Device
    noise: Callable[[np.random.Generator, int], Array]

    @property
    def throttles(self) -> bool:
        return self.device.gain > 0


def white(sigma: float) -> Callable[[np.random.Generator, int], Array]:
    return lambda rng, n: rng.normal(0, sigma, n)


def correlated(sigma: float, phi: float) -> Callable[[np.random.Generator, int], Array]:
    """AR(1)."""

    def drawn(rng: np.random.Generator, n: int) -> Array:
        shocks = rng.normal(0, sigma, n)
        for place in range(1, n):
            shocks[place] = phi * shocks[place - 1] + shocks[place] * (1 - phi * phi) ** 0.5
        return shocks

    return drawn


def disturbed(rng: np.random.Generator, n: int) -> Array:
    """White, and one window of 20 is slower by up to 40 %."""
    return rng.normal(0, 0.01, n) + (rng.random(n) < 0.05) * rng.uniform(0.05, 0.4, n)


THROTTLED, SMALL, NONE = Device(), Device(limit=0.8, gain=0.6), Device(gain=0.0)
SUDDEN = Device(heating_s=300.0, limit=0.5, gain=20.0)
SETTINGS = (
    Setting("throttles by 24 %, white 1 %", THROTTLED, white(0.01)),
    Setting("throttles by 24 %, AR(1) 0.5, 1 %", THROTTLED, correlated(0.01, 0.5)),
    Setting("throttles by 24 %, AR(1) 0.8, 2 %", THROTTLED, correlated(0.02, 0.8)),
    Setting("throttles by 24 %, outliers", THROTTLED, disturbed),
    Setting("throttles by 7.5 %, AR(1) 0.5, 1 %", SMALL, correlated(0.01, 0.5)),
    Setting("throttles by 48 % within a minute, white 1 %", SUDDEN, white(0.01)),
    Setting("never, white 1 %", NONE, white(0.01)),
    Setting("never, AR(1) 0.5, 1 %", NONE, correlated(0.01, 0.5)),
    Setting("never, AR(1) 0.8, 2 %", NONE, correlated(0.02, 0.8)),
    Setting("never, outliers", NONE, disturbed),
)


@dataclass(frozen=True)
class Outcome:
    """Shares of `n` runs: with a `knee`, and whose intervals hold the truth (a run without a knee holds none of a
    device that has one); the widths are medians: s, and shares of the true latency."""

    n: int
    knees: float
    held: dict[str, float]
    widths: dict[str, float]

    def interval(self, share: float) -> tuple[float, float]:
        return proportion_interval(round(share * self.n), self.n)


def one(setting: Setting, rng: np.random.Generator) -> tuple[Array, Array]:
    """Ends of windows, and their latencies."""
    ends = np.arange(1, WINDOWS + 1) * WINDOW_S
    fine = setting.device.speeds(np.arange(WINDOWS * 20) * WINDOW_S / 20 + WINDOW_S / 40)
    medians = np.median(1 / fine.reshape(WINDOWS, 20), axis=1)
    return ends, BASE_NS * medians * np.exp(setting.noise(rng, WINDOWS))


def truths(setting: Setting) -> dict[str, float]:
    device = setting.device
    early = float(device.speeds(np.linspace(0, FIRST_S, 1000)).mean())
    last = device.speed if setting.throttles else 1.0
    return {"knee": device.knee_s, "equilibrium": BASE_NS / last, "loss": early / last - 1}


def simulate(setting: Setting, repetitions: int, seed: int = 3) -> Outcome:
    """Seeded."""
    right = truths(setting)
    held = dict.fromkeys(right, 0)
    widths: dict[str, list[float]] = {name: [] for name in right}
    knees = 0
    for number in range(repetitions):
        rng = np.random.default_rng([seed, sum(map(ord, setting.name)), number])
        ends, latencies = one(setting, rng)
        found = thermal(ends.tolist(), latencies.tolist(), FIRST_S)
        assert found is not None
        knees += found.knee is not None
        for name, estimate in (("knee", found.knee), ("equilibrium", found.equilibrium), ("loss", found.loss)):
            if estimate is not None:
                held[name] += estimate.low <= right[name] <= estimate.high
                widths[name].append((estimate.high - estimate.low) / (BASE_NS if name == "equilibrium" else 1))
    shares = {name: count / repetitions for name, count in held.items()}
    middle = {name: float(np.median(values)) if values else math.nan for name, values in widths.items()}
    return Outcome(repetitions, knees / repetitions, shares, middle)
