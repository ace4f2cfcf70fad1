"""What can be wrong with what the user gave this package; each message is one sentence for a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class KernelError(ValueError):
    """An op specification that no kernel can execute."""


class ModelError(ValueError):
    """A model file that cannot be read, or that holds something this package does not understand."""


@dataclass(frozen=True, slots=True)
class Missing:
    """An op that a model needs and the importer lacks, or has with other options: `reason` says which, and is empty
    where the op is not supported at all. `places` are the numbers of the ops; `op` is empty for the model's own inputs
    and outputs."""

    op: str
    reason: str
    places: tuple[int, ...]


class NotImported(ModelError):  # noqa: N818 - names a state
    """A model file that was read, and whose ops cannot be imported; `missing` lists all that is, most often first."""

    def __init__(self, text: str, missing: Sequence[Missing]) -> None:
        super().__init__(text)
        self.missing = tuple(missing)


class DatasetError(ValueError):
    """Labelled images that cannot be read, or that do not fit."""


class BuildError(RuntimeError):
    """An engine that cannot be built here."""


class EngineError(RuntimeError):
    """An engine that broke the protocol: it crashed, hung, or said something else than it should."""
