"""What a converter sees: one ONNX node with its operands and attributes, each checked as it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..graph import Tensor
from ..operations import Operation
from .builder import Builder
from .values import Stored, Value

Attribute = int | float | str | list[int] | list[float] | NDArray[Any]
MAX_LIST = 64


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One node. `outputs` are the names of its results, `version` that of its operator set, `is_last[i]` whether
    nothing else uses operand `i`. Every method raises ModelError."""

    builder: Builder
    op: str
    version: int
    attributes: Mapping[str, Attribute]
    inputs: Sequence[Value | None]
    outputs: Sequence[str]
    is_last: Sequence[bool]

    @property
    def name(self) -> str:
        """That of its first result."""
        return self.outputs[0]

    def fail(self, text: str) -> NoReturn:
        """`text` says what is wrong, as a sentence."""
        self.builder.fail(text)

    def needs_own_batch(self, what: str) -> None:
        """`what` it does to the batch. Raises ModelError where the batch is not the file's own."""
        if self.builder.batch > 1:
            self.fail(f"{what}; import the model with its own batch.")

    def has(self, position: int) -> bool:
        """Whether an optional operand is there."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def value(self, position: int, role: str = "input") -> Value:
        """An operand."""
        found = self.inputs[position] if position < len(self.inputs) else None
        if found is None:
            self.fail(f"its {role} is missing.")
        return found

    def constant(self, position: int, role: str, rank: int | None = None) -> NDArray[Any]:
        """An operand's constant value."""
        found = self.value(position, role)
        if found.data is None:
            self.fail(f"its {role} is computed by the model; only constant ones are supported.")
        if rank is not None and found.data.ndim != rank:
            self.fail(f"its {role} has {found.data.ndim} dimensions, not {rank}.")
        return found.data

    def floats(self, position: int, role: str, rank: int | None = None) -> NDArray[np.float32]:
        """A constant operand of finite f32."""
        data = self.constant(position, role, rank)
        if data.dtype.kind != "f" or not np.isfinite(data).all():
            self.fail(f"its {role} is not of finite numbers.")
        return np.asarray(data, np.float32)

    def integers(self, position: int, role: str) -> list[int]:
        """A short constant list of whole numbers."""
        data = self.constant(position, role)
        if data.dtype.kind not in "iu" or data.size > MAX_LIST:
            self.fail(f"its {role} is no short list of whole numbers.")
        return [int(number) for number in data.reshape(-1)]

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """An attribute within bounds."""
        found = self.attributes.get(name, default)
        if not isinstance(found, int) or not low <= found <= high:
            self.fail(f"its {name} is {_shown(found)}, not a number from {low} to {high}.")
        return found

    def number(self, name: str, default: float) -> float:
        """A finite attribute."""
        found = self.attributes.get(name, default)
        if not isinstance(found, (int, float)) or not np.isfinite(found):
            self.fail(f"its {name} is {_shown(found)}.")
        return float(found)

    def text(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        found = self.attributes.get(name, default)
        if not isinstance(found, str) or not found.isprintable():
            self.fail(f"its {name} is {_shown(found)}.")
        return found

    def numbers(self, name: str, count: int, default: Sequence[int], low: int, high: int) -> list[int]:
        """An attribute that is a list of so many whole numbers within bounds."""
        found = self.attributes.get(name, list(default))
        if not isinstance(found, list) or len(found) != count:
            self.fail(f"its {name} is {_shown(found)}, not {count} numbers.")
        if not all(isinstance(item, int) and low <= item <= high for item in found):
            self.fail(f"its {name} is {_shown(found)}; each must be from {low} to {high}.")
        return [int(item) for item in found]

    def axis(self, axis: int, rank: int) -> int:
        """An axis that is not negative."""
        if not -rank <= axis < rank:
            self.fail(f"its axis is {axis} for {rank} dimensions.")
        return axis % rank

    def axes(self, given: Sequence[int], rank: int) -> tuple[int, ...]:
        """Axes, not negative, sorted, each once."""
        return tuple(sorted({self.axis(axis, rank) for axis in given}))

    def listed(self, name: str, position: int) -> list[int] | None:
        """Whole numbers that are an attribute in old operator sets, and an operand in new ones."""
        if self.has(position):
            return self.integers(position, name)
        found = self.attributes.get(name)
        if found is None:
            return None
        if not isinstance(found, list) or len(found) > MAX_LIST or not all(isinstance(item, int) for item in found):
            self.fail(f"its {name} is {_shown(found)}.")
        return [int(item) for item in found]

    def reduced(self, rank: int) -> tuple[int, ...]:
        """The axes of a reduction: all where none are given, or, if the op says so, none."""
        given = self.listed("axes", 1)
        if not given and self.integer("noop_with_empty_axes", 0, 0, 1):
            return ()
        return self.axes(given or range(rank), rank)

    def image(self, position: int = 0) -> Tensor:
        """An operand that is an image, as NHWC."""
        value = self.value(position)
        if len(value.shape) != 4 or value.data is not None:
            self.fail(f"its input has shape {list(value.shape)}; images of 4 dimensions are supported.")
        return self.builder.ordered(value, (0, 2, 3, 1))

    def made(self, operation: Operation, inputs: Sequence[Tensor], shape: Sequence[int]) -> Value:
        """A node whose result is an image, as NHWC; `shape` is that of the graph."""
        out = self.builder.add(operation, inputs, shape, self.name)
        n, h, w, c = shape
        return Value((n, c, h, w), stored=Stored(out, (0, 2, 3, 1)))

    def like(self, operation: Operation, inputs: Sequence[Tensor], stored: Stored, shape: Sequence[int]) -> Value:
        """A node whose result lies as an operand does; `shape` is ONNX's."""
        places = tuple(shape[axis] for axis in stored.order)
        out = self.builder.add(operation, inputs, places, self.name)
        return self.builder.value(out, stored, shape)


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:60]}..."
