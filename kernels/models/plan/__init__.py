"""Plans: a graph lowered to steps, fused, placed in memory, and written as a file."""

from .plan import Plan, make_plan

__all__ = ("Plan", "make_plan")
