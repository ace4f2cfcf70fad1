"""Every public name of bnnbench as a user's typed program sees it: read by mypy --strict, run by nobody."""

from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

import bnnbench as bnn
from bnnbench import CallError, Check, Device, Error, Lint, MeasureError, Profile, Run, Runs
from bnnbench.devices.inventory import Inventory, open_inventory

assert_type(bnn.__version__, str)

run = bnn.run("quicknet_xs", device="pi4", invocations=2)
assert_type(run, Run)
assert_type(run.id, str)
assert_type(run.path, Path)
assert_type(run.outcome, str)
assert_type(run.failures, dict[str, str])
assert_type(run.frame, pd.DataFrame)
assert_type(run.invocations, pd.DataFrame)
assert_type(run.verdicts, pd.DataFrame)
assert_type(run.report("report", history=True), Path)
assert_type(run.chart("pareto", width=4), Figure)
bnn.run([Path("suite.toml"), "quicknet_s"], device=["pi4", "local"], engine=("native",), threads=[1, 4], progress=True)
bnn.run(resume="latest", store=Path("store"), trust=True, inventory="devices.toml")
bnn.run(layers=True, filter="3x3", threads="1,4")
bnn.run(invocation=2)  # type: ignore[call-arg]
bnn.run(threads=1.5)  # type: ignore[arg-type]

assert_type(bnn.evaluate(["quicknet_s", Path("mine.tflite")], images=500, reference_images="all", seed=1), Run)
bnn.evaluate("quicknet_s", reference_images="some")  # type: ignore[arg-type]

assert_type(bnn.ab("suite.toml", base="numba", head="native", budget=90.0), Run)
bnn.ab(base="numba")  # type: ignore[call-arg]
checked = bnn.check(baseline=["main", "v1.2"], strict=True, max_inconclusive=0.2, budget="5min")
assert_type(checked, Check)
assert_type(checked.is_fine, bool)
assert_type(checked.status, int)
assert_type(checked.runs, Runs)
assert_type(checked.verdicts, pd.DataFrame)
assert_type(checked.not_measured, dict[str, str])

images = np.zeros((5, 28, 28, 1), np.float32)
assert_type(bnn.infer("quicknet_xs", images), NDArray[Any])
assert_type(bnn.infer(Path("mine.tflite"), images, threads=4, all_outputs=True), dict[str, NDArray[Any]])

profile = bnn.profile("quicknet_xs", runs=5)
assert_type(profile, Profile)
assert_type(profile.frame, pd.DataFrame)
assert_type(profile.total_ns, float)
assert_type(profile.roof_share, float | None)
assert_type(profile.beside, pd.DataFrame)
assert_type(profile.trace("steps.json"), Path)
assert_type(profile.roofline(Path("steps.svg")), Path)

lint = bnn.lint("quicknet_xs", device="local", runs=5)
assert_type(lint, Lint)
assert_type(lint.frame, pd.DataFrame)
assert_type(lint.ids, tuple[str, ...])
assert_type(lint.failing("10%"), list[str])
bnn.lint("quicknet_xs", devices="local")  # type: ignore[call-arg]

devices = bnn.devices()
assert_type(devices, list[Device])
assert_type(devices[0].facts(), dict[str, Any])
assert_type(open_inventory(None), Inventory)  # the package of that name is there as well

runs = bnn.load("store")
assert_type(runs, Runs)
assert_type(runs[-1], Run)
assert_type(runs["20260131"], Run)
assert_type(runs[:2], Runs)
assert_type([one.id for one in runs], list[str])

try:
    bnn.run()
except (CallError, MeasureError) as error:
    as_error: Error = error
