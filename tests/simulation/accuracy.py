"""Accuracies of two models whose true difference is known, and what the product's verdict says of them.

Right and wrong come from images drawn independently: `discordant` of them are right on one side alone, as many as
two quicknet models have on Fashion-MNIST (4.4 to 8.1 %). Where nothing differs, the sides of every image are swapped at
random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bnnbench.results.records import Verdict
from bnnbench.results.statistics.proportion import proportion_interval
from bnnbench.results.verdict.accuracy import of_two_models

_RIGHT_ON_BOTH = 0.88
_EMPTY = Verdict(comparison_id="simulated", metric="accuracy", unit="share", status="ok")


@dataclass(frozen=True)
class Setting:
    """`images` of each repetition; the head is right on `difference` (a share) fewer of them."""

    name: str
    images: int
    difference: float
    discordant: float = 0.05


@dataclass(frozen=True)
class Outcome:
    """Shares of `n` repetitions, and the median of the stated least differences."""

    setting: Setting
    n: int
    called: float
    equivalent: float
    inconclusive: float
    mde: float | None

    @property
    def called_interval(self) -> tuple[float, float]:
        return proportion_interval(round(self.called * self.n), self.n)


SETTINGS: tuple[Setting, ...] = tuple(
    Setting(name, images, difference, max(0.05, difference + 0.01))
    for images in (60, 1000, 10_000)
    for name, difference in (
        ("no better or worse", 0.0),
        ("1 point worse", 0.01),
        ("2 points worse", 0.02),
        ("5 points worse", 0.05),
    )
)


def drawn(setting: Setting, rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """[images] each: which are right on the base, and on the head."""
    discordant, difference = setting.discordant, setting.difference
    chances = [_RIGHT_ON_BOTH, (discordant + difference) / 2, (discordant - difference) / 2]
    cells = rng.choice(4, setting.images, p=[*chances, 1 - sum(chances)])
    base, head = (cells == 0) | (cells == 1), (cells == 0) | (cells == 2)
    if difference:
        return base, head
    swapped = rng.random(setting.images) < 0.5
    return np.where(swapped, head, base), np.where(swapped, base, head)


def simulate(setting: Setting, repetitions: int, seed: int = 1, stated_by: int = 50) -> Outcome:
    """Seeded. The least difference is that which the first `stated_by` repetitions state."""
    words: list[str | None] = []
    stated: list[float] = []
    for number in range(repetitions):
        rng = np.random.default_rng([seed, setting.images, round(setting.difference * 1e4), number])
        found = of_two_models(_EMPTY, *drawn(setting, rng), with_mde=number < stated_by)
        words.append(found.verdict)
        if found.mde is not None:
            stated.append(found.mde)
    share = lambda *these: sum(word in these for word in words) / repetitions  # noqa: E731
    return Outcome(
        setting=setting,
        n=repetitions,
        called=share("regression", "improvement") if not setting.difference else share("regression"),
        equivalent=share("equivalent"),
        inconclusive=share("inconclusive"),
        mde=float(np.median(stated)) if stated else None,
    )
