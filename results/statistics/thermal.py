"""How speed falls when a device becomes hot: the knee, the equilibrium, the time to it, and what was lost.

The speed 1 / latency of windows of time, averaged in at most `MOST` parts, is taken for

    s(t) = a - b (1 - exp(-(t - k) / tau))   for t > k,   a before,

what a first-order thermal model gives when a throttle lowers the clock in proportion to the temperature above its
limit, which is reached at the knee k; tau near 0 is a step. Errors are autoregressive of order 1, in proportion to the
speed. For each k and tau of a grid, a and b are those of generalized least squares (the series is whitened with the
estimated correlation, Cochrane and Orcutt 1949). A window beyond 3.5 sigma (MAD) of the running median of 15 is
replaced by it (Hampel 1974), and so is a part that far from the curve: what disturbs a window makes it slower, never
faster. Where more than `MOST_DISTURBED` are replaced, there are two levels rather than disturbances, and no interval
means anything. Intervals are those of the profile likelihood: all values that some k and tau give with a sum of squares
of at most S + c s^2, S the least one, c = 1.15 F(0.95; 1, n - 5), n the number of parts. A knee cannot be known more
precisely than a part of the series: its interval is wider by half a part on each side.

There is a knee when the fall is at least `LEAST_FALL` and the statistic (S_0 - S) / s^2 against constant speed is
beyond that of 99 % of simulated series without a fall, of the same length and correlation.

D. Cochrane and G. H. Orcutt, J. American Statistical Association 44 (1949), 32-61; D. M. Bates and D. G. Watts,
Nonlinear Regression Analysis and Its Applications (1988), chapter 6; F. R. Hampel, J. ASA 69 (1974), 383-393.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

MOST = 120
LEAST = 20
"""Parts of a series; from fewer nothing is concluded."""
LEAST_FALL = 0.01
MOST_DISTURBED = 0.1
"""Twice the share of the simulated series with disturbances, whose intervals hold."""
SETTLED = 3.0
"""So many tau after the knee 95 % of the fall are over: that is the time to the equilibrium."""
_ALPHA, _DRAWS, _ROUNDS, _CLIP, _NEAR = 0.01, 400, 3, 3.5, 7
_TAUS, _MOST_PHI = 16, 0.95
_ESTIMATED = 1.15
"""The correlation is itself an estimate: without this, small falls are covered in 92 % of simulated runs."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Thermal:
    """Times in s since the start, latencies in ns, `loss` a ratio minus 1 of latencies: 0.2 is 20 % slower than at
    first. `knee` and `reached` are None where no fall is shown; `is_settled`: whether the equilibrium was reached
    while it was measured. `correlation` is that of neighbouring parts of `part_s` seconds, `disturbed` the share of
    the series that was replaced."""

    first: Estimate
    equilibrium: Estimate
    loss: Estimate
    knee: Estimate | None
    reached: Estimate | None
    is_settled: bool
    correlation: float
    part_s: float
    disturbed: float = 0.0

    @property
    def is_reliable(self) -> bool:
        """Whether the intervals mean anything."""
        return self.disturbed <= MOST_DISTURBED


@dataclass(frozen=True, slots=True)
class _Fit:
    """Of all k and tau: sums of squares, a and b with the inverse of their normal equations [grid, 2, 2], s^2."""

    k: Array
    tau: Array
    squares: Array
    a: Array
    b: Array
    inverse: Array
    variance: float

    @property
    def best(self) -> int:
        return int(np.argmin(self.squares))


def thermal(ends_s: Sequence[float], latencies_ns: Sequence[float], first_s: float) -> Thermal | None:
    """Of windows that end at `ends_s` after the start, the first beginning at 0; the level at first is that of the
    first `first_s`. None where there are fewer than `LEAST` windows. Raises ValueError for latencies that are not
    positive."""
    if len(ends_s) < LEAST:
        return None
    if min(latencies_ns) <= 0:
        raise ValueError("a latency is not positive")
    measured = 1.0 / np.asarray(latencies_ns, float)
    quiet = _undisturbed(measured)
    edges, speed = _parts(np.asarray(ends_s, float), quiet)
    scale = float(np.median(speed))
    y, step = speed / scale, float(np.median(np.diff(edges)))
    fit, phi, clean, weight, taken_out = _robust(edges, y, *_grid(edges, step))
    disturbed = 1 - (1 - float(np.mean(quiet != measured))) * (1 - taken_out)
    falls = _falls(fit, clean, weight, phi, edges, step)
    if not falls:
        return replace(_steady(clean, phi, scale, step), disturbed=disturbed)
    near = _accepted(fit, len(y))
    finer = _finer(fit, near, step)
    fit = _fitted(edges, clean, weight, phi, *finer)
    return replace(_told(fit, _accepted(fit, len(y)), edges, first_s, scale, phi, step), disturbed=disturbed)


def _undisturbed(speed: Array) -> Array:
    padded = np.pad(speed, _NEAR, mode="reflect")
    running = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEAR + 1), axis=1)
    deviations = speed / running - 1
    sigma = 1.4826 * float(np.median(np.abs(deviations)))
    return np.where(np.abs(deviations) > _CLIP * max(sigma, 1e-9), running, speed)


def _parts(ends: Array, speed: Array) -> tuple[Array, Array]:
    """Edges and mean speeds of at most MOST parts of equally many windows."""
    each = -(-len(ends) // MOST)
    starts = np.arange(0, len(ends) - len(ends) % each, each)
    edges = np.concatenate([[0.0], ends[starts + each - 1]])
    return edges, np.array([speed[at : at + each].mean() for at in starts])


def _grid(edges: Array, step: float) -> tuple[Array, Array]:
    k = edges[:-3]
    taus = np.geomspace(step / 4, edges[-1], _TAUS)
    return np.repeat(k, _TAUS), np.tile(taus, len(k))


def _finer(fit: _Fit, near: NDArray[np.bool_], step: float) -> tuple[Array, Array]:
    """A grid over what the coarse one accepts, and one of its steps beyond."""
    ks = np.linspace(max(0.0, fit.k[near].min() - step), fit.k[near].max() + step, 41)
    ratio = (fit.tau.max() / fit.tau.min()) ** (2 / (_TAUS - 1))
    taus = np.geomspace(fit.tau[near].min() / ratio, fit.tau[near].max() * ratio, 25)
    return np.repeat(ks, len(taus)), np.tile(taus, len(ks))


def _fall(edges: Array, k: Array, tau: Array) -> Array:
    """[grid, parts]: 1 - exp(-(t - k) / tau), 0 before k, averaged over each part."""
    after = np.maximum(edges[None, :] - k[:, None], 0.0)
    integral = after + tau[:, None] * np.expm1(-after / tau[:, None])
    return np.asarray(np.diff(integral, axis=1) / np.diff(edges)[None, :])


def _whiten(values: Array, phi: float) -> Array:
    """Along the last axis."""
    first = values[..., :1] * np.sqrt(1 - phi * phi)
    return np.concatenate([first, values[..., 1:] - phi * values[..., :-1]], axis=-1)


def _fitted(edges: Array, y: Array, weight: Array, phi: float, k: Array, tau: Array) -> _Fit:
    """Generalized least squares at each k and tau; a fall is never a rise: b >= 0."""
    target, ones = _whiten(y * weight, phi), _whiten(weight, phi)
    basis = -_whiten(_fall(edges, k, tau) * weight, phi)
    oo, ob, bb = ones @ ones, basis @ ones, np.einsum("ij,ij->i", basis, basis)
    oy, by, yy = ones @ target, basis @ target, target @ target
    determinant = np.maximum(oo * bb - ob * ob, 1e-12 * oo * np.maximum(bb, 1e-12))
    b = (oo * by - ob * oy) / determinant
    b = np.maximum(b, 0.0)
    a = (oy - ob * b) / oo
    squares = yy - 2 * (a * oy + b * by) + a * a * oo + 2 * a * b * ob + b * b * bb
    inverse = np.stack([bb, -ob, -ob, np.full_like(bb, oo)], axis=-1).reshape(-1, 2, 2) / determinant[:, None, None]
    variance = max(float(squares.min()) / max(1, len(y) - 5), 1e-18)
    return _Fit(k, tau, squares, a, b, inverse, variance)


def _robust(edges: Array, y: Array, k: Array, tau: Array) -> tuple[_Fit, float, Array, Array, float]:
    """The fit, the correlation, the series without its outliers, the weights, and the share of outliers."""
    phi, clean, weight, share = 0.0, y, np.ones_like(y), 0.0
    for _ in range(_ROUNDS):
        fit = _fitted(edges, clean, weight, phi, k, tau)
        at = fit.best
        curve = fit.a[at] - fit.b[at] * _fall(edges, fit.k[at : at + 1], fit.tau[at : at + 1])[0]
        curve = np.maximum(curve, 0.05 * float(np.median(y)))
        deviations = y / curve - 1
        sigma = 1.4826 * float(np.median(np.abs(deviations - np.median(deviations)))) or 1e-9
        kept = np.where(np.abs(deviations) > _CLIP * sigma, 0.0, deviations)
        share = float(np.mean(kept != deviations))
        clean, weight, phi = curve * (1 + kept), 1 / curve, _correlation(kept)
    return _fitted(edges, clean, weight, phi, k, tau), phi, clean, weight, share


def _correlation(residuals: Array) -> float:
    """Of neighbours, with the bias of short series (4 fitted parameters) taken out."""
    n, centred = len(residuals), residuals - residuals.mean()
    squares = float(centred @ centred)
    phi = float(centred[1:] @ centred[:-1]) / squares if squares > 0 else 0.0
    return float(np.clip(phi + (4 + 4 * phi) / n, 0.0, _MOST_PHI))


def _threshold(n: int) -> float:
    """F(0.95; 1, n - 5), by the expansion of Student's t of Fisher and Cornish, and more for the correlation."""
    z, dof = 1.959964, max(1, n - 5)
    return float((z + (z**3 + z) / (4 * dof) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * dof**2)) ** 2) * _ESTIMATED


def _accepted(fit: _Fit, n: int) -> NDArray[np.bool_]:
    return np.asarray(fit.squares <= fit.squares.min() + fit.variance * _threshold(n))


def _falls(fit: _Fit, y: Array, weight: Array, phi: float, edges: Array, step: float) -> bool:
    at = fit.best
    if fit.b[at] / fit.a[at] < LEAST_FALL:
        return False
    target, ones = _whiten(y * weight, phi), _whiten(weight, phi)
    constant = float(target @ target - (ones @ target) ** 2 / (ones @ ones))
    return float((constant - fit.squares[at]) / fit.variance) > _critical(len(y), round(phi, 1))


@lru_cache(maxsize=256)
def _critical(n: int, phi: float) -> float:
    """The statistic's quantile of 1 - _ALPHA without a fall, with the correlation estimated in each series."""
    rng = np.random.default_rng(7)
    edges = np.arange(n + 1, dtype=float)
    k, tau = _grid(edges, 1.0)
    keep = slice(None, None, 4)
    found = []
    for _ in range(_DRAWS):
        noise = rng.normal(size=n)
        for place in range(1, n):
            noise[place] = phi * noise[place - 1] + noise[place] * (1 - phi * phi) ** 0.5
        y = 1 + 0.01 * noise
        own = 0.0
        for _ in range(2):
            fit = _fitted(edges, y, np.ones(n), own, k[keep], tau[keep])
            curve = fit.a[fit.best] - fit.b[fit.best] * _fall(edges, fit.k[[fit.best]], fit.tau[[fit.best]])[0]
            own = _correlation(y - curve)
        fit = _fitted(edges, y, np.ones(n), own, k[keep], tau[keep])
        target, ones = _whiten(y, own), _whiten(np.ones(n), own)
        constant = float(target @ target - (ones @ target) ** 2 / (ones @ ones))
        found.append((constant - fit.squares.min()) / fit.variance)
    return float(np.quantile(found, 1 - _ALPHA))


def _steady(y: Array, phi: float, scale: float, step: float) -> Thermal:
    """No fall: one level, whose error the correlation widens; it is that of the whole time."""
    middle = float(np.mean(y))
    # Correlated parts count (1 - phi) / (1 + phi) times.
    error = float(np.std(y)) * ((1 + phi) / (1 - phi) / len(y)) ** 0.5 * _threshold(len(y)) ** 0.5
    level = Estimate(1 / (middle * scale), 1 / ((middle + error) * scale), 1 / (max(middle - error, 1e-9) * scale))
    # As the halves of the series differ by chance; a smaller fall cannot be excluded.
    doubt = 2 * error / middle
    return Thermal(level, level, Estimate(0.0, -doubt, doubt), None, None, True, phi, step)


def _told(
    fit: _Fit, accepted: NDArray[np.bool_], edges: Array, first_s: float, scale: float, phi: float, step: float
) -> Thermal:
    at = fit.best
    room = np.sqrt(np.maximum(fit.squares.min() + fit.variance * _threshold(len(edges) - 1) - fit.squares, 0.0))
    early = np.array([0.0, min(first_s, edges[-1])])
    share = _fall(early, fit.k, fit.tau)[:, 0]
    first, last = fit.a - fit.b * share, fit.a - fit.b

    def error(on_a: Array, on_b: Array) -> Array:
        """Of on_a * a + on_b * b, for one standard deviation of the whitened residuals."""
        way = np.stack([on_a, on_b], axis=-1)
        return np.asarray(np.sqrt(np.maximum(np.einsum("gi,gij,gj->g", way, fit.inverse, way), 0.0)))

    ones = np.ones_like(share)

    def level(values: Array, on_b: Array) -> Estimate:
        wide = room * error(ones, on_b)
        low, high = (values - wide)[accepted].min(), (values + wide)[accepted].max()
        return Estimate(*(float(1 / (max(each, 1e-9) * scale)) for each in (values[at], high, low)))

    ratio = np.log(np.maximum(first, 1e-9) / np.maximum(last, 1e-9))
    wide = room * error(1 / first - 1 / last, -share / first + 1 / last)
    low, high = (ratio - wide)[accepted].min(), (ratio + wide)[accepted].max()
    loss = Estimate(*(float(np.expm1(value)) for value in (ratio[at], low, high)))
    reached = fit.k + SETTLED * fit.tau
    return Thermal(
        first=level(first, -share),
        equilibrium=level(last, -ones),
        loss=loss,
        knee=_span(fit.k, at, accepted, step / 2),
        reached=_span(reached, at, accepted, step / 2),
        is_settled=bool(reached[at] <= edges[-1]),
        correlation=phi,
        part_s=step,
    )


def _span(values: Array, at: int, accepted: NDArray[np.bool_], more: float) -> Estimate:
    chosen = values[accepted]
    return Estimate(float(values[at]), max(0.0, float(chosen.min()) - more), float(chosen.max()) + more)
