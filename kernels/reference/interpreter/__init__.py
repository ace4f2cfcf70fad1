"""What a model computes, op by op and slowly: the oracle of whole models."""

from .interpreter import Result, interpret
from .signs import UNSURE, SignFlips, SignMargin, sign_margins

__all__ = ("UNSURE", "Result", "SignFlips", "SignMargin", "interpret", "sign_margins")
