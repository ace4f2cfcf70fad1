"""Change points of a history: from where on its figures lie elsewhere.

Pettitt's test ranks the figures r_1..r_n; U_t = 2 (r_1 + ... + r_t) - t (n + 1) is far from zero at t where those
before differ from those after. K = max |U_t|; its p-value is the share of shuffled histories (seeded) with a K as
large. A series is cut at the most likely t and both parts are looked at again. As ranks, a single spike moves U by n
at most however high it is, and a part has at least `LEAST` figures, so it is no change.

A. N. Pettitt, "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979), 126-135; binary
segmentation: A. J. Scott and M. Knott, Biometrics 30 (1974), 507-512.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 4
"""Figures that a part has at least: with 4 and 4, the most uneven of 70 orders is found by chance once in 35."""
ALPHA = 0.01
_SHUFFLES = 2000


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """`at` is the index of the first figure after the change; `before` and `after` are medians of the parts;
    `confidence` is 1 - p of the test that found it."""

    at: int
    before: float
    after: float
    confidence: float


def change_points(figures: Sequence[float], alpha: float = ALPHA, seed: int = 0) -> list[ChangePoint]:
    """The change points of a series in its order, none for a short one. Raises ValueError for a figure that is not
    finite."""
    x = np.asarray(figures, float)
    if not np.isfinite(x).all():
        raise ValueError("a figure is not finite")
    cuts = dict(_cuts(x, 0, alpha, np.random.default_rng(seed)))
    edges = [0, *sorted(cuts), len(x)]
    return [
        ChangePoint(
            at, float(np.median(x[edges[i] : at])), float(np.median(x[at : edges[i + 2]])), confidence=1.0 - cuts[at]
        )
        for i, at in enumerate(edges[1:-1])
    ]


def _cuts(x: NDArray[np.float64], offset: int, alpha: float, rng: np.random.Generator) -> list[tuple[int, float]]:
    n = len(x)
    if n < 2 * LEAST:
        return []
    from scipy.stats import rankdata

    ranks = rankdata(x)
    u = _walk(ranks[None, :])[0]
    at = LEAST + int(np.argmax(u))
    shuffled = rng.permuted(np.broadcast_to(ranks, (_SHUFFLES, n)), axis=1)
    p = (1 + int((_walk(shuffled).max(axis=1) >= u.max() - 1e-9).sum())) / (1 + _SHUFFLES)
    if p > alpha:
        return []
    return [
        *_cuts(x[:at], offset, alpha, rng),
        (offset + at, p),
        *_cuts(x[at:], offset + at, alpha, rng),
    ]


def _walk(ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """|U_t| for every cut that leaves enough on both sides, in units of its standard deviation: else cuts near the
    middle would always win."""
    n = ranks.shape[1]
    t = np.arange(LEAST, n - LEAST + 1)
    u = 2 * np.cumsum(ranks, axis=1)[:, LEAST - 1 : n - LEAST] - t * (n + 1)
    return np.asarray(np.abs(u) / np.sqrt(t * (n - t)))
