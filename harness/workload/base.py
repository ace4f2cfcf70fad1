"""What can be measured: the interface that kernel cases and whole models share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.models.graph import Graph
from bnnbench.results.records import Kind

if TYPE_CHECKING:
    from .judges import Opinions
    from .output_match import Match

OUTPUT_SLACK_BYTES = 1 << 20
"""How much larger than right a file with an output may be and still be fetched, to say what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Payload:
    """What an engine needs for a workload: the keys of `load`, then one of `inputs` (paths of blobs).

    The gate checks all of them; none at all: the data is part of what is loaded. `more` are the model's further inputs,
    which stay the same.
    """

    keys: Mapping[str, str]
    blobs: tuple[bytes | Path, ...]
    inputs: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


class Workload(Protocol):
    """A kernel case or a model, with the output that is right."""

    @property
    def has_images(self) -> bool:
        """Whether its accuracy is to be measured."""
        ...

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def op(self) -> str | None: ...

    @property
    def source(self) -> str | None:
        """Where its weights are from; None means random ones."""
        ...

    @property
    def files(self) -> Mapping[str, str]:
        """SHA-256 of each model that it was read from, by its path."""
        ...

    @property
    def identity(self) -> str:
        """A digest of all that is computed: two workloads with the same one are the same."""
        ...

    @property
    def output_bytes(self) -> int:
        """Size of its outputs, all of one inference."""
        ...

    def figures(self) -> Mapping[str, Any]:
        """Fields of the case's record: multiply-accumulates, bytes, parameters."""
        ...

    def payload(self, accepts: frozenset[Accepts]) -> Payload | None:
        """For an engine that loads these kinds; None when it can't load this workload."""
        ...

    def prepare(self, watch: Callable[[str, int, int], None]) -> None:
        """Computes what is right, which may take seconds, or minutes: `watch` is told what, how far, of how much."""
        ...

    @property
    def is_prepared(self) -> bool:
        """Whether this was computed."""
        ...

    @property
    def prepared_key(self) -> str:
        """A digest of all that decides what is right."""
        ...

    def prepared(self) -> Mapping[str, NDArray[Any]]:
        """What `prepare` computes, by names of its own."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """As if it had been computed here: `prepared` of the same workload elsewhere. Raises KeyError, ValueError for
        anything else."""
        ...

    def expected_sha256(self, which: int) -> str:
        """Digest of the right output for input `which`."""
        ...

    def graph_and_input(self, which: int) -> tuple[Graph, NDArray[Any]] | None:
        """Of a model, with input number `which`; None of a kernel case, which has no steps to look into."""
        ...

    def input_name(self, which: int) -> str:
        """What input `which` holds, for people."""
        ...

    @property
    def remark(self) -> str | None:
        """What has to be said of the right output, such as that it is not finite; None: nothing."""
        ...

    @property
    def unverified(self) -> str | None:
        """Why no output can be compared, a sentence without its full stop; None where each is."""
        ...

    @property
    def opinions(self) -> Opinions | None:
        """What other interpreters make of the model's file; None where there is none."""
        ...

    def is_sure(self, which: int) -> bool:
        """Whether every right engine has the reference's output for input `which`."""
        ...

    def compare(self, raw: bytes, which: int, traced: bool) -> Match:
        """An output for input `which` against the right one; `traced`: by an engine whose tensors can be looked at."""
        ...
