"""Of `model diff`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ...tasks.model_diff import ModelDiff, Row, Side
from .document import Document


class DiffDocument(Document, frozen=True, kw_only=True):
    """Two models: a row for each pair of ops, and for each op of only one of them."""

    a: Side
    b: Side
    rows: tuple[Row, ...]
    input: Annotated[str, Meta(description="What values were computed of.")]
    tolerance: Annotated[float, Meta(description="Share of a tensor's largest value.")]
    first: Annotated[int, Meta(description="Number of the first row whose outputs are further apart.")] | None
    not_compared: Annotated[str, Meta(description="Why no values were computed; else empty.")]

    @classmethod
    def of(cls, done: ModelDiff) -> DiffDocument:
        return cls(**{name: getattr(done, name) for name in cls.__struct_fields__ if name != "schema"})
