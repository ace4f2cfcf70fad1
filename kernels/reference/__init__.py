"""Kernels that run in CPython, under Numba's JIT and compiled ahead of time; and their NumPy oracle."""
