"""Model files: reading them, what they consist of, and their binary layers as kernel cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .description import Description
    from .model import ModelFile


def describe(model: ModelFile) -> Description:
    """Every op of a model with its multiply-accumulates and the bytes of its constants, and the totals."""
    from .formats import FORMATS  # NumPy loads with it

    return FORMATS[model.format].describe(model)
