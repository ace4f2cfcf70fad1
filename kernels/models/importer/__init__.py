"""From a `.tflite` to a graph: every op checked against what its options and inputs say."""

from .importer import import_model

__all__ = ("import_model",)
