"""One simulated comparison: the product's own gate and verdict on noise, pair by pair as `bnnbench ab` measures
them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bnnbench.harness.session.throttle import throttled
from bnnbench.results.records import Invocation, Pair, Side, Verdict
from bnnbench.results.statistics.sequential import Rules
from bnnbench.results.verdict.paired import needed, verdict
from tests.simulation.noise import Noise, Session, session

_SLOTS = 400
_NS = 1e6
_HZ = 2e9


@dataclass(frozen=True)
class Compared:
    """A verdict, and what it took."""

    verdict: Verdict
    pairs: list[Pair]

    @property
    def called(self) -> bool:
        return self.verdict.verdict in ("regression", "improvement")


def compare(noise: Noise, effect: float, rules: Rules, rng: np.random.Generator, with_mde: bool = False) -> Compared:
    """`effect`: by which share the head is slower."""
    during = session(noise, _SLOTS, rng)
    pairs: list[Pair] = []
    slot = 0
    while (need := needed(rules, pairs)) is not None and slot < _SLOTS - 4:
        kept = sum(pair.stage == need.stage and pair.dropped is None for pair in pairs)
        for _ in range((need.pairs - kept + 1) // 2):
            order: list[Side] = ["base", "head"] if rng.random() < 0.5 else ["head", "base"]
            for first in order:
                pairs.append(_pair(during, slot, first, noise, effect, need.stage, len(pairs)))
                slot += 2
                if slot >= _SLOTS - 4:
                    break
    return Compared(verdict(rules, "simulated", pairs, with_mde=with_mde), pairs)


def _pair(during: Session, slot: int, first: Side, noise: Noise, effect: float, stage: str, number: int) -> Pair:
    second: Side = "head" if first == "base" else "base"
    done = {
        side: _invocation(during, slot + place, side, noise, effect if side == "head" else 0.0)
        for place, side in enumerate((first, second))
    }
    drop = throttled(done["base"], done["head"])
    return Pair(
        comparison_id="simulated",
        stage="confirm" if stage == "confirm" else "screen",
        number=number,
        first=first,
        base_ns=float(np.median(done["base"].samples_ns)),
        head_ns=float(np.median(done["head"].samples_ns)),
        dropped=drop.side if drop else None,
    )


def _invocation(during: Session, slot: int, side: Side, noise: Noise, effect: float) -> Invocation:
    depth = 0.0
    if during.chance[slot] < (noise.head_throttles if side == "head" else noise.base_throttles):
        depth = float(during.depth[slot])
    samples = during.samples[slot] * (1 + effect) * np.exp(depth) * _NS
    clock = float(during.clock[slot] * np.exp(-depth) * _HZ)
    return Invocation(case_id=side, index=slot, order=slot, status="ok", samples_ns=samples.tolist(), clock_hz=[clock])
