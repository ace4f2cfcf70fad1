"""What a model computes, op by op and slowly: the oracle of whole models."""

from .interpreter import Result, interpret

__all__ = ("Result", "interpret")
