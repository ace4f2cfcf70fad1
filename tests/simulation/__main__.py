"""`python -m tests.simulation [--repetitions N]`: the tables of docs/statistics.md."""

from __future__ import annotations

import argparse

from rich.console import Console

from tests.simulation import accuracy, bisection_table
from tests.simulation.scenarios import BASE, BIMODAL, CALM, SCENARIOS, WILD, Outcome, rivalry, simulate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=2000)
    given = parser.parse_args()
    progress = Console(stderr=True)
    print(
        line(
            "scenario",
            "noise",
            "sigma",
            "detected (95 %)",
            "equivalent",
            "inconclusive",
            "unstable",
            "pairs",
            "pairs if detected",
        )
    )
    print("|---" * 9 + "|")
    for scenario in SCENARIOS:
        progress.print(f"{scenario.name}, {scenario.noise.name}: {given.repetitions} times")
        print(row(simulate(scenario, given.repetitions)), flush=True)
    print()
    print_accuracies(given.repetitions)
    print()
    bisection_table.print_table()
    print()
    print(line("tool", "noise", "false alarms", "detects 2 % slower"))
    print("|---" * 4 + "|")
    for noise in (BASE, BIMODAL, CALM, WILD):
        for one in rivalry(noise, given.repetitions):
            print(
                f"| {one.tool} | {noise.name} | {one.false_alarms * 100:.2f} % | {one.power * 100:.1f} % |", flush=True
            )


def print_accuracies(repetitions: int) -> None:
    print(
        line(
            "head", "images", "right on one side only", "detected (95 %)", "equivalent", "inconclusive", "MDE reported"
        )
    )
    print("|---" * 7 + "|")
    for setting in accuracy.SETTINGS:
        done = accuracy.simulate(setting, repetitions)
        low, high = done.called_interval
        cells = (
            setting.name,
            f"{setting.images:,}",
            f"{setting.discordant * 100:.0f} %",
            f"{done.called * 100:.2f} % ({low * 100:.2f}-{high * 100:.2f})",
            f"{done.equivalent * 100:.2f} %",
            f"{done.inconclusive * 100:.2f} %",
            "" if done.mde is None else f"{done.mde * 100:.1f} points",
        )
        print(line(*cells), flush=True)


def row(outcome: Outcome) -> str:
    low, high = outcome.called_interval
    return line(
        outcome.scenario.name,
        outcome.scenario.noise.name,
        f"{outcome.sigma * 100:.2f} %",
        f"{outcome.called * 100:.2f} % ({low * 100:.2f}-{high * 100:.2f})",
        f"{outcome.equivalent * 100:.2f} %",
        f"{outcome.inconclusive * 100:.2f} %",
        f"{outcome.unstable * 100:.2f} %",
        f"{outcome.pairs:.1f}",
        "" if outcome.pairs_called is None else f"{outcome.pairs_called:.0f}",
    )


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
