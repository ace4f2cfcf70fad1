"""What a model computes, op by op and slowly: the oracle of whole models."""

from .interpreter import Result, interpret, is_sure
from .rounding import tolerances
from .signs import UNSURE, SignFlips, SignMargin, sign_margins
from .variants import VARIANTS, Variant

__all__ = (
    "UNSURE",
    "VARIANTS",
    "Result",
    "SignFlips",
    "SignMargin",
    "Variant",
    "interpret",
    "is_sure",
    "sign_margins",
    "tolerances",
)
