"""What makes a model slower or its file larger than it has to be: findings with their places, costs and mends."""

from .finding import Finding, Place
from .linting import Linted, lint_file, lint_model
from .rates import NOMINAL, Rates, Roofs, measured_rates

__all__ = ["NOMINAL", "Finding", "Linted", "Place", "Rates", "Roofs", "lint_file", "lint_model", "measured_rates"]
