"""From the nodes of a graph to the steps of a plan."""

from .lowered import Lowered
from .table import lower

__all__ = ("Lowered", "lower")
