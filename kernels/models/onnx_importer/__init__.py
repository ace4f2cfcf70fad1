"""From an ONNX model to a graph: NCHW becomes NHWC, and what computes signs becomes binary."""

from .importer import import_onnx

__all__ = ("import_onnx",)
