"""Labelled images to measure accuracy with: `DATASETS` by name, or the user's own by path."""

from .dataset import Dataset, Preprocessing
from .fit import fitting
from .labelled import labelled
from .preparation import require_preparation
from .resize import RESIZES
from .sources import DATASETS, open_dataset

__all__ = (
    "DATASETS",
    "RESIZES",
    "Dataset",
    "Preprocessing",
    "fitting",
    "labelled",
    "open_dataset",
    "require_preparation",
)
