"""The list of commands: where each is, and its sentence in `bnnbench --help`, which imports none of them."""

from __future__ import annotations

from typing import NamedTuple

RUN_EXAMPLES = """Examples:
  bnnbench run                                  # the quickstart suite, here
  bnnbench run model.tflite -d ssh://pi@pi4.lab # a whole model, on a Pi
  bnnbench run model.tflite --layers            # and each of its binary layers
  bnnbench run suite.toml -d pi4 -d local --engine native --filter 3x3
  bnnbench run --resume latest                  # finish what was cut off"""
"""Of `bnnbench run --help`, and first in `bnnbench --help`."""


class Command(NamedTuple):
    """A command; its module is imported when it is called or asked for its own help."""

    app: str
    """MODULE:NAME of its App, in this folder."""
    help: str
    """The docstring of its function, or the help of its App."""


COMMANDS: dict[str, Command] = {
    "run": Command("run:app", "Measure a suite: verify every case against the reference, then time it."),
    "init": Command("init:app", "Write a suite and an inventory with comments, to start from; never overwrite one."),
    "runs": Command("runs:app", "The runs of the store."),
    "ab": Command("ab:app", "Compare two engines, builds or models in interleaved pairs, and say what is proven."),
    "check": Command("check:app", "Run the old version beside the new one, side by side, and fail on what got worse."),
    "baseline": Command("baseline:app", "Versions that are kept to be compared with: their engines, models and suite."),
    "compare": Command(
        "compare:app",
        "Show ratios of two stored runs, case by case. No verdict: other things than the code lie between two runs.",
    ),
    "report": Command("report:app", "Write a run, or several side by side, as one HTML page with charts, and as CSV."),
    "chart": Command("chart:app", "Draw one chart as a file for a paper, with a caption beside it."),
    "export": Command("export:app", "Write a run in the format of another tool."),
    "import": Command("export:import_app", "Take runs of pytest-benchmark into the store, as unverified ones."),
    "pick": Command("pick:app", "Choose the best model under budgets, say why, and what more would buy."),
    "devices": Command("devices:app", "The devices that can be measured on."),
    "engines": Command("engines:app", "The programs that execute workloads."),
    "model": Command("model:app", "Model files."),
    "eval": Command(
        "evaluate:app",
        "Measure a model's accuracy on a device, and its latency: every image is compared with its label.",
    ),
    "infer": Command("infer:app", "Run a model on inputs of your own, on any device."),
    "profile": Command(
        "profile:app",
        "Time every step of a model on the native engine: its share, its speed, and how close it is to the roof.",
    ),
    "peak": Command(
        "peak:app",
        "Measure a device's roofs per ISA level: xor-popcount-add and multiply-add on registers, and reading memory.",
    ),
    "selftest": Command(
        "selftest:app",
        "Make a report of a device to attach to an issue, without names: kernels, roofs, noise, counters, facts.",
    ),
    "completion": Command("completion:app", "Print the script that completes commands and options in a shell."),
}
