"""What a comparison that is still to be made will show, and how many pairs it will take.

The procedure of `sequential.py` itself is run on differences that are drawn: from those of earlier comparisons of the
case (one comparison for each repetition, because the noise of sessions differs; its differences about their centre,
with either sign, enlarged for the centre being known from them alone), or normal ones where only a sigma is known. To
these the effect is added. So nothing is assumed beyond that the next session is like one of the earlier ones.

After the bootstrap power estimate of B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter
25.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.statistics.hodges_lehmann import hodges_lehmann
from bnnbench.results.statistics.sequential import Differences, Need, Rules, judge

REPETITIONS = 200
LEAST_DIFFERENCES = 8
"""Of an earlier comparison: fewer say too little of its noise."""
_GROWTH = 1.4
_CALLED = ("regression", "improvement")
_LEAST_SESSIONS = 2
Draw = Callable[[np.random.Generator], Callable[[int], NDArray[np.float64]]]
"""Makes the noise of a session, which gives so many differences more."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """`power`: probability that the effect is called. Pairs are means: if nothing changed, and with the effect."""

    power: float
    pairs_same: float
    pairs_changed: float
    looks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of the noise of a case: `source` for people, and `sigma` where it is a calibration's."""

    source: str
    draw: Draw
    sigma: float | None = None


def known_noise(sessions: Sequence[Sequence[float]], sigma: float | None) -> Noise | None:
    """Of earlier comparisons (differences, logarithms), or of a calibration's sigma; None where nothing is known.

    One comparison does not show how they differ from each other, so a calibration goes before it.
    """
    known = [one for one in sessions if len(one) >= LEAST_DIFFERENCES]
    if sigma is not None and len(known) < _LEAST_SESSIONS:
        sigma = max(round(sigma, 4), 1e-4)  # many cases of a device have the same
        return Noise("the device's calibration", of_sigma(sigma), sigma)
    if not known:
        return None
    stages = "1 stage of an earlier comparison" if len(known) == 1 else f"{len(known)} stages of earlier comparisons"
    return Noise(stages, of_sessions(known))


def of_sigma(sigma: float) -> Draw:
    """Normal differences with this sigma (logarithms)."""
    return lambda rng: lambda n: rng.normal(0, sigma, n)


def of_sessions(sessions: Sequence[Sequence[float]]) -> Draw:
    """Differences (logarithms) of earlier comparisons, each with `LEAST_DIFFERENCES` at least. Raises ValueError for
    none."""
    known = [_about_zero(one) for one in sessions if len(one) >= LEAST_DIFFERENCES]
    if not known:
        raise ValueError("there is no earlier comparison with enough pairs")

    def session(rng: np.random.Generator) -> Callable[[int], NDArray[np.float64]]:
        mine = known[rng.integers(len(known))]
        return lambda n: rng.choice(mine, n) * rng.choice([-1.0, 1.0], n)

    return session


def outlook(rules: Rules, noise: Draw, see: float, repetitions: int = REPETITIONS, seed: int = 0) -> Outlook:
    """What comparisons by `rules` will come to, for an effect `see` (a ratio minus 1)."""
    shift = math.log1p(see)
    ended = [_compared(rules, noise, shift, np.random.default_rng([seed, number])) for number in range(repetitions)]
    same = [_compared(rules, noise, 0.0, np.random.default_rng([seed, number])) for number in range(repetitions // 2)]
    return Outlook(
        power=sum(is_called for is_called, _ in ended) / repetitions,
        pairs_same=sum(pairs for _, pairs in same) / len(same),
        pairs_changed=sum(pairs for _, pairs in ended) / repetitions,
        looks=rules.looks,
    )


def with_more_looks(rules: Rules, most_pairs: int) -> Rules:
    """The rules with looks that grow by two fifths, as long as none is beyond `most_pairs`."""
    looks = list(rules.looks)
    while (following := int(looks[-1] * _GROWTH) // 2 * 2) <= most_pairs:
        looks.append(following)
    return dataclasses.replace(rules, looks=tuple(looks))


def least_looks(rules: Rules, noise: Draw, see: float, power: float, most_pairs: int) -> Outlook | None:
    """The outlook with the fewest looks (at least those of `rules`) that see the effect with so much power; None where
    `most_pairs` do not suffice."""
    every = with_more_looks(rules, most_pairs).looks
    for count in range(len(rules.looks), len(every) + 1):
        found = outlook(dataclasses.replace(rules, looks=every[:count]), noise, see)
        if found.power >= power:
            return found
    return None


def _about_zero(differences: Sequence[float]) -> NDArray[np.float64]:
    d = np.asarray(differences, float)
    return (d - hodges_lehmann(d).value) * math.sqrt(len(d) / (len(d) - 1))


def _compared(rules: Rules, noise: Draw, shift: float, rng: np.random.Generator) -> tuple[bool, int]:
    """Whether a difference is called, and after how many pairs."""
    more = noise(rng)
    screen: list[float] = []
    confirm: list[float] = []
    while isinstance(found := judge(rules, Differences(screen, confirm)), Need):
        these = screen if found.stage == "screen" else confirm
        these += (more(found.pairs - len(these)) + shift).tolist()
    return found.verdict in _CALLED, len(screen) + len(confirm)
