"""The list of commands: where each is, and its sentence in `bnnbench --help`, which imports none of them."""

from __future__ import annotations

from typing import NamedTuple

RUN_EXAMPLES = """Examples:
  bnnbench run                                  # the quickstart suite, here
  bnnbench run model.tflite -d ssh://pi@pi4.lab # a whole model, on a Pi
  bnnbench run model.tflite --layers            # and each of its binary layers
  bnnbench run suite.toml -d pi4 -d local --engine native --filter 3x3
  bnnbench run --resume latest                  # finish an interrupted run"""
"""Of `bnnbench run --help`, and first in `bnnbench --help`."""


class Command(NamedTuple):
    """A command; its module is imported when it is called or asked for its own help."""

    app: str
    """MODULE:NAME of its App, in this folder."""
    help: str
    """The docstring of its function, or the help of its App."""


COMMANDS: dict[str, Command] = {
    "run": Command("run:app", "Measure a suite: verify every case against the reference, then time it."),
    "init": Command("init:app", "Write a commented suite and inventory to start from. Existing files are kept."),
    "runs": Command("runs:app", "List, show and remove stored runs."),
    "store": Command("store:app", "Index, verify and prune the store, and pack runs into archives."),
    "replay": Command(
        "replay:app", "Judge an archive's verdicts again and draw its report, without running anything of it."
    ),
    "ab": Command(
        "ab:app", "Compare two engines, builds or models in interleaved pairs, with a verdict for each case."
    ),
    "sustain": Command("sustain:app", "Run models on and on, and tell what speed is left when the device is warm."),
    "estimate": Command(
        "estimate:app", "Say what a comparison of a suite will take and show, by what the store knows of its cases."
    ),
    "bisect": Command(
        "bisect:app", "Find the commit that made an engine or a model worse, with the probability that it did."
    ),
    "check": Command("check:app", "Compare with a baseline in interleaved pairs; fail on regressions."),
    "alerts": Command("alerts:app", "List regressions and changes of histories, and mark them as known or fixed."),
    "baseline": Command("baseline:app", "Save runs as baselines, and list them."),
    "compare": Command(
        "compare:app",
        "Show the ratios of two stored runs, case by case. No verdicts: more than the code differs between runs.",
    ),
    "report": Command("report:app", "Write a run, or several side by side, as an HTML page with charts and as CSV."),
    "site": Command(
        "site:app", "Write the store as a site: static pages of devices, cases and runs, for any web server."
    ),
    "serve": Command(
        "serve:app",
        "Serve the site of the store, always as it is now, with the runs that go on. Needs the extra bnnbench[serve].",
    ),
    "chart": Command("chart:app", "Write one chart for a paper, and its caption."),
    "export": Command("export:app", "Export a run in another tool's format."),
    "import": Command("export:import_app", "Import pytest-benchmark results into the store, marked as unverified."),
    "query": Command("query:app", "Ask the store a question in SQL. Needs DuckDB: pip install 'bnnbench[query]'."),
    "pick": Command(
        "pick:app", "Choose the best model within budgets, with the reasons and what a larger budget buys."
    ),
    "devices": Command("devices:app", "Add, probe and prepare devices."),
    "engines": Command("engines:app", "List, build, install and check engines."),
    "model": Command("model:app", "Show, check, compare and draw model files, and list the shipped models."),
    "eval": Command(
        "evaluate:app",
        "Measure the accuracy and the latency of models on labelled images.",
    ),
    "infer": Command("infer:app", "Run a model on your own inputs, on any device."),
    "profile": Command(
        "profile:app",
        "Time each step of a model on the native engine: share of the time, speed, and distance to the roof.",
    ),
    "peak": Command(
        "peak:app",
        "Measure a device's roofs per ISA level: popcount and multiply-add throughput, and memory bandwidth.",
    ),
    "selftest": Command(
        "selftest:app",
        "Write a redacted test report of a device, to attach to an issue: kernels, roofs, noise, counters, facts.",
    ),
    "lab": Command("lab:app", "Share the devices of several hosts: queue, status, hosts. Needs bnnbench[lab]."),
    "schema": Command("schema:app", "Print the JSON Schema of what a command prints with --json."),
    "completion": Command("completion:app", "Print a shell's completion script."),
}
