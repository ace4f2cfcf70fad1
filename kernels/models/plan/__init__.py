"""Plans: a graph lowered to steps, fused, placed in memory, and written as a file."""

from .plan import ExecutionPlan, make_plan

__all__ = ("ExecutionPlan", "make_plan")
