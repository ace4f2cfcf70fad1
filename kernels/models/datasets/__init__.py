"""Labelled images to measure accuracy with: `DATASETS` by name, or the user's own by path."""

from .dataset import Dataset, Preprocessing
from .fit import fitting
from .sources import DATASETS, open_dataset

__all__ = ("DATASETS", "Dataset", "Preprocessing", "fitting", "open_dataset")
