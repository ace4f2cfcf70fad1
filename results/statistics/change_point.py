"""Change points of a history: from where on its figures lie elsewhere.

Pettitt's test ranks the figures r_1..r_n; U_t = 2 (r_1 + ... + r_t) - t (n + 1) is far from zero at t where those
before differ from those after. K = max |U_t|; its p-value is the share of shuffled histories (seeded) with a K as
large. A series is cut at the most likely t and both parts are looked at again. As ranks, a single spike moves U by n
at most however high it is, and a part has at least `LEAST` figures, so it is no change.

No shuffle need be made where none can be as high: the sum of t ranks of n that are drawn without replacement is a or
more from its mean with a probability of at most 2 exp(-2 a^2 / (t (1 - (t - 1) / n) (n - 1)^2)), by Serfling, and all t
together with at most the sum of these.

A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979), 126-135; binary
segmentation: A. J. Scott and M. Knott, Biometrics 30 (1974), 507-512; R. J. Serfling, "Probability inequalities for the
sum in sampling without replacement", Annals of Statistics 2 (1974), 39-48.
"""

import math
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.midranks import midranks

LEAST = 4
"""Figures that a part has at least: with 4 and 4, the most uneven of 70 orders is found by chance once in 35."""
ALPHA = 0.01
_SHUFFLES = 2000
_AT_ONCE = 25
"""A steady history is known to be one after some 40 shuffles; how many are made at once changes no result."""
_IMPOSSIBLE = 1e-9
"""That one of all shuffles is as high has a probability of less than 2e-6 then."""


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """`at` is the index of the first figure after the change; `before` and `after` are medians of the parts;
    `confidence` is 1 - p of the test that found it."""

    at: int
    before: float
    after: float
    confidence: float


Cut = tuple[int, float]
"""Where a part is cut, as an index of the part, and the p-value."""


def change_points(
    figures: Sequence[float],
    alpha: float = ALPHA,
    seed: int = 0,
    known: Mapping[str, Cut | None] | None = None,
    looked_at: MutableMapping[str, Cut | None] | None = None,
) -> list[ChangePoint]:
    """The change points of a series in its order, none for a short one. Raises ValueError for a figure that is not
    finite.

    `looked_at` gets the cut of each part that was looked at, None where it has none; given as `known` the next time,
    with the same `alpha` and `seed`, a series that has grown is looked at only where it changed."""
    x = np.asarray(figures, float)
    if not np.isfinite(x).all():
        raise ValueError("a figure is not finite")
    looked_at = {} if looked_at is None else looked_at
    cuts = dict(_cuts(x, 0, lambda part, offset: _cut(part, offset, alpha, seed), known or {}, looked_at))
    edges = [0, *sorted(cuts), len(x)]
    return [
        ChangePoint(
            at, float(np.median(x[edges[i] : at])), float(np.median(x[at : edges[i + 2]])), confidence=1.0 - cuts[at]
        )
        for i, at in enumerate(edges[1:-1])
    ]


def _cuts(
    x: NDArray[np.float64],
    offset: int,
    cut_of: Callable[[NDArray[np.float64], int], Cut | None],
    known: Mapping[str, Cut | None],
    looked_at: MutableMapping[str, Cut | None],
) -> list[Cut]:
    if len(x) < 2 * LEAST:
        return []
    part = f"{offset}-{sha256(x.tobytes()).hexdigest()[:20]}"
    cut = known[part] if part in known else cut_of(x, offset)
    looked_at[part] = cut
    if cut is None:
        return []
    at, p = cut
    return [
        *_cuts(x[:at], offset, cut_of, known, looked_at),
        (offset + at, p),
        *_cuts(x[at:], offset + at, cut_of, known, looked_at),
    ]


def _cut(x: NDArray[np.float64], offset: int, alpha: float, seed: int) -> Cut | None:
    n = len(x)
    ranks = midranks(x)
    u = _walk(ranks[None, :])[0]
    at = LEAST + int(np.argmax(u))
    p = _p_value(ranks, float(u.max()), alpha, np.random.default_rng((seed, offset, n)))
    return None if p > alpha else (at, p)


def _p_value(ranks: NDArray[np.float64], highest: float, alpha: float, rng: np.random.Generator) -> float:
    """The share of shuffled histories with a walk as high; more than `alpha` once it is sure to be so."""
    n = len(ranks)
    if 2.0 * n * math.exp(-(highest**2) * n / (2.0 * (n - 1) ** 2) * (n - LEAST) / (n - LEAST + 1)) < _IMPOSSIBLE:
        return 1.0 / (1 + _SHUFFLES)
    as_high, done = 0, 0
    while done < _SHUFFLES and 1 + as_high <= alpha * (1 + _SHUFFLES):
        count = min(_AT_ONCE, _SHUFFLES - done)
        shuffled = rng.permuted(np.broadcast_to(ranks, (count, n)), axis=1)
        as_high += int((_walk(shuffled).max(axis=1) >= highest - 1e-9).sum())
        done += count
    return (1 + as_high) / (1 + done) if done == _SHUFFLES else 1.0


def _walk(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """|U_t| for every cut that leaves enough on both sides, in units of its standard deviation: else cuts near the
    middle would always win."""
    n = ranks.shape[1]
    t = np.arange(LEAST, n - LEAST + 1)
    u = 2 * np.cumsum(ranks, axis=1)[:, LEAST - 1 : n - LEAST] - t * (n + 1)
    return np.asarray(np.abs(u) / np.sqrt(t * (n - t)))
