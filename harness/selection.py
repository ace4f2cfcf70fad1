"""SEL of the command line: what a side of a comparison is. `ENGINE`, `ENGINE@PATH`, `ENGINE@BASELINE`, or a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from bnnbench.kernels.engines import Engine, SideEngine
from bnnbench.kernels.engines.side import ANY
from bnnbench.kernels.models.shipped import shipped_models

from .errors import CallError
from .suite import model_path


class Selection(msgspec.Struct, frozen=True):
    """`text` is what the user wrote; `binaries` maps triples (or "") to files, `model` is a `.tflite`; all paths
    absolute."""

    text: str
    engine: str = "native"
    binaries: dict[str, str] = {}
    model: str | None = None

    def side(self, name: str, engine: Engine) -> SideEngine:
        """The engine that plays this side."""
        return SideEngine(name, engine, {triple: Path(path) for triple, path in self.binaries.items()})


Capsules = Callable[[str], Mapping[str, str] | None]
"""The engine binaries of a baseline by triple; None when there is no such baseline."""


def select(text: str, capsules: Capsules) -> Selection:
    """What `text` names. Raises CallError."""
    if text.lower().endswith(".tflite") or text in shipped_models():
        return Selection(text, model=str(model_path(text, Path())))
    engine, at, what = text.partition("@")
    if not engine or (at and not what):
        raise CallError(f"{text!r} is no side to compare; write ENGINE, ENGINE@FILE, ENGINE@BASELINE or a .tflite.")
    if not at:
        return Selection(text, engine)
    path = Path(what)
    if path.is_file():
        return Selection(text, engine, {ANY: str(path.resolve())})
    binaries = capsules(what)
    if binaries is None:
        raise CallError(f"{text!r}: there is neither a file {path} nor a baseline '{what}'.")
    return Selection(text, engine, dict(binaries))
