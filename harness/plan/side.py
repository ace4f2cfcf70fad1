"""SEL of the command line: what a side of a comparison is. `ENGINE`, `ENGINE@PATH`, `ENGINE@BASELINE`, or a model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bnnbench.kernels.engines import Engine, SideEngine
from bnnbench.kernels.engines.side import ANY
from bnnbench.kernels.models.formats import is_model_file
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.store.baselines import BaselineDeclared, Baselines

from ..errors import CallError
from ..suite.load import model_path
from ..suite.tables import EngineTable
from .trusted import require_own_baseline


class Selection(msgspec.Struct, frozen=True):
    """`text` is what the user wrote; `binaries` maps triples (or "") to files, `model` is a `.tflite`, `models` stand
    in for the suite's by the names of their workloads, `declared` is the user's own engine as a baseline kept it; all
    paths absolute."""

    text: str
    engine: str = "native"
    binaries: dict[str, str] = {}
    model: str | None = None
    models: dict[str, str] = {}
    declared: EngineTable | None = None

    def side(self, name: str, engine: Engine) -> SideEngine:
        """The engine that plays this side."""
        return SideEngine(name, engine, {triple: Path(path) for triple, path in self.binaries.items()})


def select(text: str, baselines: Baselines, trusts: bool = False) -> Selection:
    """What `text` names; with `trusts` also a baseline from elsewhere. Raises CallError, StoreError."""
    if is_model_file(text) or text in shipped_models():
        return Selection(text, model=str(model_path(text, Path())))
    engine, at, what = text.partition("@")
    if not engine or (at and not what):
        raise CallError(
            f"{text!r} is not a side to compare; write ENGINE, ENGINE@FILE, ENGINE@BASELINE or a model file."
        )
    if not at:
        return Selection(text, engine)
    path = Path(what)
    if path.is_file():
        return Selection(text, engine, {ANY: str(path.resolve())})
    if what not in baselines.names():
        raise CallError(f"{text!r}: there is neither a file {path} nor a baseline '{what}' in {baselines.path}.")
    return base_of(baselines, what, engine, trusts)


def base_of(baselines: Baselines, name: str, engine: str, trusts: bool) -> Selection:
    """A baseline as a side: its binaries and its models. Raises StoreError, CallError when it has no such engine, or is
    from elsewhere and not trusted."""
    require_own_baseline(baselines, name, trusts)
    text, models = f"{engine}@{name}", baselines.models(name)
    if own := baselines.declared(name, engine):
        return Selection(text, engine, models=models, declared=_table(name, own))
    binaries = baselines.binaries(name, engine)
    if not binaries:
        baseline = baselines.get(name)
        why = f" ({baseline.not_kept[engine]})" if engine in baseline.not_kept else ""
        raise CallError(
            f"the baseline '{name}' holds no engine '{engine}'{why}, only {', '.join(sorted(baseline.kept))}."
        )
    return Selection(text, engine, binaries, models=models)


def _table(name: str, own: BaselineDeclared) -> EngineTable:
    try:
        return msgspec.convert(
            {key: value for key, value in msgspec.to_builtins(own).items() if key not in ("engine", "names")},
            EngineTable,
        )
    except msgspec.ValidationError as error:
        raise CallError(f"the baseline '{name}' declares the engine '{own.engine}' wrongly ({error}).") from None
