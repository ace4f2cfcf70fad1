"""A finding of `bnnbench model lint`, and the places in the model that it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """`op` is the op's index in the file, None for data that belongs to no op; `name` is that of the op or the data.

    `cost` is what mending saves of one inference, in the unit of the rates; `file_bytes` what it saves of the file.
    """

    op: int | None
    name: str
    detail: str
    cost: float = 0.0
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that found something. Costs are sums over the places.

    `share` is the larger of the shares of the inference and of the file that mending saves.
    """

    id: str
    title: str
    mend: str
    places: tuple[Place, ...]
    cost: float
    cost_share: float
    file_bytes: int
    file_share: float
    share: float
