"""`python -m tests.simulation [--repetitions N]`: the tables of docs/statistics.md."""

from __future__ import annotations

import argparse

from rich.console import Console

from tests.simulation import accuracy, bisection_table, estimates, gates, sustained, tails
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
    print_gates(given.repetitions)
    print()
    print_tails(given.repetitions)
    print()
    print_estimates(given.repetitions)
    print()
    bisection_table.print_table()
    print()
    print_sustained(given.repetitions // 4)
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


def print_gates(repetitions: int) -> None:
    print(line("suites of 20, one case with", "noise", "false alarms (95 %)", "detected (95 %)"))
    print("|---" * 4 + "|")
    for noise in (BASE, BIMODAL):
        for change in gates.CHANGES if noise is BASE else gates.CHANGES[:1]:
            share = 20 if change.metric else 1 if noise is BASE else 4  # of the repetitions: a suite takes a second
            done = gates.simulate(change, noise, repetitions // share)
            cells = [_rate(rate, done.interval(rate)) for rate in (done.false, done.detected)]
            print(line(change.name, noise.name, cells[0], cells[1] if change.metric else ""), flush=True)


def print_tails(repetitions: int) -> None:
    print(line("executions", "stated", "covered (95 %)", "width"))
    print("|---" * 4 + "|")
    for kind in tails.KINDS:
        done = tails.simulate(kind, repetitions)
        held = _rate(done.covered, done.covered_interval)
        print(line(kind.name, f"{done.stated * 100:.2f} %", held, f"{done.width * 100:.1f} %"), flush=True)


def print_estimates(cases: int) -> None:
    print(line("effect", "promised", "called", "pairs promised", "pairs taken"))
    print("|---" * 5 + "|")
    for see in (0.02,):
        done = estimates.simulate(see, cases)
        shares = [f"{share * 100:.1f} %" for share in (done.promised, done.called)]
        print(line(f"{see * 100:g} %", *shares, f"{done.promised_pairs:.1f}", f"{done.pairs:.1f}"), flush=True)


def print_sustained(repetitions: int) -> None:
    print(line("device and noise", "knee found", "knee covered (95 %)", "equilibrium", "loss", "widths"))
    print("|---" * 6 + "|")
    for setting in sustained.SETTINGS:
        done = sustained.simulate(setting, repetitions)
        held = {name: _rate(share, done.interval(share)) for name, share in done.held.items()}
        knee, level, loss = (done.widths[name] for name in ("knee", "equilibrium", "loss"))
        widths = f"{level * 100:.2f} %, {loss * 100:.2f} points"
        if setting.throttles:
            widths = f"{knee:.0f} s, {widths}"
        found = f"{done.knees * 100:.1f} %"
        covered = held["knee"] if setting.throttles else ""
        print(line(setting.name, found, covered, held["equilibrium"], held["loss"], widths), flush=True)


def _rate(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{share * 100:.2f} % ({low * 100:.2f}-{high * 100:.2f})"


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
