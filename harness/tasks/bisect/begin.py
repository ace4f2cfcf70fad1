"""From the words of a call to a new bisection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bnnbench.kernels.models.formats import is_model_file
from bnnbench.results.metrics import METRICS
from bnnbench.results.store.run_id import new_run_id

from ...clock import now
from ...errors import CallError
from ...plan.config import inventory_path
from ...suite.load import load_suites
from ..measure import Call
from .history import read_history
from .state import BisectPlan, BisectState

_METRICS = ("latency", "instructions", "size", "accuracy")


@dataclass(frozen=True, slots=True)
class Asked:
    """`engine` is NAME@PATH; it or `model`, a path, is given; both paths are relative to the repository."""

    good: str
    bad: str
    build: str | None = None
    engine: str | None = None
    model: str | None = None
    metric: str = "latency"
    scope: Sequence[str] = ()
    build_timeout_s: float = 1800.0
    smallest: float | None = None


def begin(call: Call, folder: Path, files: Sequence[Path], asked: Asked) -> BisectState:
    """`folder` is in the repository. Raises CallError, SuiteError, StoreError, InventoryError."""
    if asked.metric not in _METRICS:
        raise CallError(f"--metric {asked.metric!r} cannot be bisected; it is one of {', '.join(_METRICS)}.")
    if (asked.engine is None) == (asked.model is None):
        raise CallError("give --engine NAME@PATH or --model PATH, one of the two.")
    if asked.smallest == 0:
        raise CallError("--smallest 0 would look for steps that nothing can show; write it as 2%.")
    engine, path = _subject(asked)
    if METRICS[asked.metric].of_case is not None and engine is not None:
        raise CallError(f"--metric {asked.metric} is that of a model file; give --model instead of --engine.")
    suite = load_suites(files)
    if engine in suite.engine and not suite.engine[str(engine)].binary:
        raise CallError(f"--engine: [engine.{engine}] has no binary that the one of a commit could take the place of.")
    history = read_history(folder, asked.good, asked.bad, asked.scope)
    plan = BisectPlan(
        id=new_run_id(),
        created=now(),
        repository=str(history.repository),
        good=history.good,
        commits=history.commits,
        build=asked.build,
        engine=engine,
        path=path,
        metric=asked.metric,
        files=[str(file.resolve() if file.is_file() else file) for file in files],
        device=call.devices[0] if call.devices else "local",
        inventory=inventory_path(call.inventory),
        threads=call.threads,
        filter=call.filter,
        build_timeout_s=asked.build_timeout_s,
        smallest=asked.smallest,
    )
    if history.merges:
        merges = f"{history.merges} merge{'s' * (history.merges > 1)}"
        call.watcher.note(f"{merges} among the commits: a merge counts as one commit, with all that it brings")
    return BisectState.create(call.store.path, plan)


def _subject(asked: Asked) -> tuple[str | None, str]:
    """The engine's name, None for a model, and the path."""
    if asked.model is not None:
        if not is_model_file(asked.model):
            raise CallError(f"--model {asked.model!r} is not a .tflite or .onnx file.")
        return None, _relative("--model", asked.model)
    name, at, path = str(asked.engine).partition("@")
    if not (name and at and path):
        raise CallError(f"--engine {asked.engine!r} is not NAME@PATH, such as native@build/engine.")
    return name, _relative("--engine", path)


def _relative(option: str, text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise CallError(f"{option}: {text!r} must be a path inside the repository, relative to its root.")
    return str(path)
