"""The Numba reference kernels compiled ahead of time, for devices without Python.

`targets` lists what can be built; `python -m bnnbench.kernels.numba_aot` builds one object file. A process
builds one target, before it JIT-compiles anything: Numba caches nested functions per process, for whichever
processor came first.
"""
