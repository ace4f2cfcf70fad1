"""What an importer knows while a graph grows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import ModelError
from ..graph import Node, Tensor
from ..model import Op
from .constants import Constants


class Consequence(ModelError):  # noqa: N818 - names a state
    """A fault that only follows from an op before it that cannot be imported."""


@dataclass(slots=True)
class Values:
    """The graph while it grows. `known` holds computed and folded tensors by their index in the file."""

    batch: int
    constants: Constants
    is_resized: bool = False
    """Whether the user gave other sizes, so that the file's shapes of computed tensors do not hold."""
    known: dict[int, Tensor] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    standing_in: set[int] = field(default_factory=set)
    """Tensors of ops that could not be imported."""

    def follows(self, op: Op) -> bool:
        """Whether a fault of this op may only follow from another one's: of a batch, shapes that stand in are a
        guess."""
        return self.batch > 1 and any(ref is not None and ref.index in self.standing_in for ref in op.inputs)

    def name(self, wanted: str) -> str:
        """A printable name no other computed tensor of the graph has."""
        wanted = printable(wanted)
        name, number = wanted, 1
        while name in self.names:
            # Counting on from the number of names keeps a file with one name for all from taking quadratic time.
            name, number = f"{wanted} ({len(self.names) + number})", number + 1
        self.names.add(name)
        return name


def printable(name: str) -> str:
    """A name out of a file, which may hold anything, on one line."""
    return "".join(character if character.isprintable() else "?" for character in name)
