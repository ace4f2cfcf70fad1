"""`python -m tests.simulation.bisection_table [--histories N]`: the table of bisections in docs/statistics.md."""

from __future__ import annotations

import argparse

import numpy as np
from rich.console import Console

from bnnbench.results.statistics.bisect_search import SURE
from bnnbench.results.statistics.proportion import proportion_interval
from tests.simulation.bisection import (
    NOISES,
    History,
    Searched,
    Summary,
    history,
    is_exact,
    known_noise,
    oracle,
    search,
    simulate,
    summarize,
    unchanged,
)
from tests.simulation.scenarios import BASE, BIMODAL, CALM

HISTORIES = 63
"""Of each of eight noise models: 504."""
_HEAD = (
    "noise",
    "histories",
    "2 % and more: found exactly (95 %)",
    "1 to 2 %: median width",
    "1 to 2 %: exactly",
    "stated at the end: probability, and right",
    "stated early: probability, and right",
    "effect in its 95 % interval",
    "pairs",
    "pairs, noise known",
    "comparisons",
    "builds",
)


def print_table(histories: int = HISTORIES, seed: int = 1) -> None:
    """A row as soon as it is there; the last is of all."""
    progress = Console(stderr=True)
    print(_line(*_HEAD))
    print("|---" * len(_HEAD) + "|", flush=True)
    every: tuple[list[Searched], list[Searched]] = [], []
    for noise in NOISES:
        progress.print(f"bisections, {noise.name}: {histories} histories")
        done, known = simulate(noise, histories, seed)
        every[0].extend(done)
        every[1].extend(known)
        print(_row(summarize(noise.name, done, known)), flush=True)
    print(_row(summarize("all", *every)), flush=True)
    print()
    print(_line("noise", "histories in which nothing changed", "a commit named", "undecided", "pairs"))
    print("|---" * 5 + "|")
    for noise in NOISES:
        done = unchanged(noise, histories, seed)
        named, undecided = sum(bool(one.guilty) for one in done), sum(one.worse > 1 - SURE for one in done)
        pairs = np.median([one.pairs for one in done])
        print(_line(noise.name, str(histories), str(named), str(undecided), f"{pairs:.0f}"), flush=True)
    print()
    print_one_culprit()


def print_one_culprit(histories: int = 40, seed: int = 5) -> None:
    """One culprit of 2 to 10 %: what it costs to look for further, smaller ones."""
    print(_line("noise", "histories with one culprit", "pairs", "pairs, --smallest 2%", "pairs, all known"))
    print("|---" * 5 + "|")
    for noise in (BASE, CALM, BIMODAL):
        told = known_noise(noise)
        rows: list[tuple[int, int, int]] = []
        exact: list[tuple[bool, bool, bool]] = []
        for number in range(histories):
            rng = np.random.default_rng([seed, number])
            drawn = history(rng, culprits=1)
            ((culprit, _),) = drawn.effects.items()
            made = History({culprit: 0.02 * 5 ** rng.random()}, drawn.broken)
            usual = search(made, noise, np.random.default_rng([seed, number, 1]))
            large = search(made, noise, np.random.default_rng([seed, number, 2]), floor=0.02)
            pairs, is_right = oracle(made, noise, np.random.default_rng([seed, number, 3]), told)
            rows.append((usual.pairs, large.pairs, pairs))
            exact.append((is_exact(usual, culprit), is_exact(large, culprit), is_right))
        middle, right = np.median(rows, axis=0), np.sum(exact, axis=0)
        cells = [f"{count:.0f} ({hits} right)" for count, hits in zip(middle, right, strict=True)]
        print(_line(noise.name, str(histories), *cells), flush=True)


def _row(one: Summary) -> str:
    low, high = proportion_interval(round(one.large_exact * one.large), one.large)
    return _line(
        one.noise,
        str(one.histories),
        f"{one.large_exact * 100:.1f} % of {one.large} ({low * 100:.1f}-{high * 100:.1f})",
        "" if one.small_width is None else f"{one.small_width:g}",
        f"{one.small_exact * 100:.0f} % of {one.small}",
        f"{min(one.stated, 0.9999) * 100:.2f} %, {one.right * 100:.1f} % of {one.statements}",
        f"{one.stage_stated * 100:.1f} %, {one.stage_right * 100:.1f} % of {one.stage_count}",
        f"{one.effect_in * 100:.1f} %",
        f"{one.pairs:.0f}",
        f"{one.pairs_known:.0f} ({one.exact_known * 100:.1f} % exactly)",
        f"{one.comparisons:.0f}",
        f"{one.builds:.0f}",
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=HISTORIES)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print_table(given.histories, given.seed)
