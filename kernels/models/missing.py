"""What keeps a model from being imported: every op and every option, in groups, and the one sentence about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import tflite

from ..errors import Missing, ModelError, NotImported
from .model import ModelFile

MOST_SHOWN = 8
MOST_FAULTS = 1000
_LONGEST = 200
_KNOWN_CUSTOM = ("TFLite_Detection_PostProcess", "Convolution2DTransposeBias")
"""Custom ops that LiteRT has."""


@dataclass(slots=True)
class Faults:
    """Faults in the order they are found. `noun` is what the format calls an op."""

    model: ModelFile
    noun: str
    is_cut: bool = False
    """Whether the ops behind were not looked at."""
    _count: int = 0
    _first: Callable[[], str] = str
    _groups: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, missing: Missing, text: Callable[[], str]) -> None:
        """A fault in one place; `text` gives its own sentence, for when there is no other."""
        self._count += 1
        if self._count == 1:
            self._first = text
        self._groups.setdefault((missing.op, missing.reason[:_LONGEST]), []).extend(missing.places)

    def of_file(self, text: str) -> None:
        """A fault of an input or an output: a sentence that names the file."""
        self.add(Missing("", reason_of(ModelError(text)), (0,)), lambda: text)

    @property
    def is_full(self) -> bool:
        """Whether enough was found."""
        return self.is_cut or self._count >= MOST_FAULTS

    def __bool__(self) -> bool:
        return self._count > 0

    def fail(self) -> NoReturn:
        """Raises NotImported: of one fault its own sentence, of several how many of which kind, and the first
        places."""
        found = sorted(self._groups.items(), key=lambda item: (-len(item[1]), item[1][0]))
        missing = tuple(Missing(op, reason, tuple(places)) for (op, reason), places in found)
        if self._count == 1:
            raise NotImported(self._first(), missing)
        lacking = [item for item in missing if item.op and not item.reason]
        others = [item for item in missing if item.reason]
        least = "at least " if self.is_full else ""
        count = f"{least}{len(lacking)} {'op is' if len(lacking) == 1 else 'ops are'}"
        parts = [f"{count} missing: {self._listed(lacking)}"] if lacking else []
        if others:
            first = "first " if self.is_full else ""
            parts.append(f"{'other ' if lacking else ''}{first}faults: {self._listed(others)}")
        raise NotImported(
            f"{self.model.path} cannot be imported: {'; '.join(parts)}; {advice(self.model, missing)}.",
            missing,
        )

    def _listed(self, items: Sequence[Missing]) -> str:
        more = f", and {len(items) - MOST_SHOWN} more" if len(items) > MOST_SHOWN else ""
        return ", ".join(map(self._group, items[:MOST_SHOWN])) + more

    def _group(self, item: Missing) -> str:
        reason = item.reason.partition(";")[0].removesuffix(".")
        if not item.op:
            return reason.removeprefix(f"{self.model.path}: ")
        first = f"{self.noun} {item.places[0]}{': ' if reason else ''}{reason}"
        return f"{len(item.places)} x {item.op} ({first if len(item.places) == 1 else f'first: {first}'})"


def advice(model: ModelFile, missing: Sequence[Missing]) -> str:
    """What can be done with a model that cannot be imported, as the end of a sentence."""
    again = "export it" if model.format == "onnx" else "convert it"
    lacking = sorted({item.op for item in missing if item.op and not item.reason})
    without = f"{again} without {lacking[0] if len(lacking) == 1 else 'these'}"
    if model.format == "tflite" and any(_is_custom(op) for op in lacking):
        return without
    return f"measure it unverified with -e {foreign_engine(model)}, or {without}"


def _is_custom(op: str) -> bool:
    """Whether other runtimes do not know it either, unless somebody adds it to them."""
    return not hasattr(tflite.BuiltinOperator, op) and op not in _KNOWN_CUSTOM


def foreign_engine(model: ModelFile) -> str:
    """The engine of others that reads such a file by itself."""
    if model.format == "onnx":
        return "onnxruntime"
    return "lce" if any(op.name.startswith("Lce") for op in model.ops) else "litert"


def reason_of(error: Exception) -> str:
    """The first line of an error of a converter, printable and not too long."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "".join(character if character.isprintable() else "?" for character in text)
