"""What is known when a run begins, as it is stored."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version

import msgspec

from bnnbench.kernels.compilers import installed
from bnnbench.kernels.engines.installation import RUNTIMES
from bnnbench.kernels.engines.tflite import TFLITE_ENGINES
from bnnbench.results.records import Build, ComparisonRecord, RunRecord
from bnnbench.results.store.runs import new_run_id

from ..clock import now
from .cases import MeasurementPlan
from .config import RunConfig
from .target import Target


def make_record(
    config: RunConfig,
    plan: MeasurementPlan,
    comparisons: Sequence[ComparisonRecord],
    targets: Sequence[Target],
    command: Sequence[str],
) -> RunRecord:
    """A new run's record, with an id of its own."""
    suite = config.suite
    builds = {
        (files.build.engine, files.build.triple, files.build.sha256): Build(
            engine=files.build.engine,
            triple=files.build.triple,
            isa=files.build.isa,
            sha256=files.build.sha256,
            build=files.build.build,
        )
        for target in targets
        for files in target.builds.values()
    }
    return RunRecord(
        run_id=new_run_id(),
        created=now(),
        version=version("bnnbench"),
        commit=_commit(),
        command=list(command),
        suite=msgspec.to_builtins(config),
        suite_name=suite.name,
        seed=suite.seed,
        host=_host(plan),
        counted=[target.spec.name for target in targets if target.meter.is_exact],
        devices={target.spec.name: target.stored_facts for target in targets},
        builds=list(builds.values()),
        models={path: sha for case in plan.all for path, sha in case.workload.files.items()},
        cases=plan.records,
        skips=list(plan.skips),
        comparisons=list(comparisons),
        invocations_per_case=0 if config.compare or config.sustain else suite.invocations,
        samples_per_invocation=suite.samples,
    )


def _host(plan: MeasurementPlan) -> dict[str, str]:
    """The system and versions of this machine: also of its compilers, and of the runtimes that are measured."""
    compilers = installed()
    host = {"system": platform.platform(), "python": platform.python_version()}
    if compilers is not None:
        host["compilers"] = f"zig {compilers.zig}, Numba {compilers.numba}, llvmlite {compilers.llvmlite}"
    used = {case.engine for case in plan.records}
    runtimes = sorted({engine.runtime for engine in TFLITE_ENGINES if engine.name in used})
    if runtimes:
        host["runtimes"] = ", ".join(RUNTIMES[name].packages[0].replace("==", " ") for name in runtimes)
    return host


def _commit() -> str | None:
    """The commit of the project that the user stands in."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
