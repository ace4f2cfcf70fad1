"""The reference on many images: in batches, on all cores of this machine.

Each process has one BLAS thread: the reference multiplies small matrices, on which BLAS's own threads mostly wait for
each other (QuickNetSmall at 224x224: 0.2 CPU-seconds an image with one, 2 to 3 with two).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Graph
from .interpreter import VARIANTS, interpret

Scores = NDArray[Any]
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_FEW = 4
"""Batches that are done in this process: starting others takes a second."""


def score_batches(
    graph: Graph, batches: Sequence[Callable[[], Scores]], variant: str | None, tell: Callable[[int], None]
) -> list[Scores]:
    """The first output for each batch; `batches` give the inputs of `graph`. `tell` is told how many are done."""
    if len(batches) <= _FEW:
        found = []
        for number, batch in enumerate(batches):
            tell(number)
            found.append(_scores(graph, batch(), variant))
        return found
    scores: dict[int, Scores] = {}
    tell(0)
    with _processes(min(_cpus(), len(batches))) as (pool, count):
        left = iter(enumerate(batches))
        running = {pool.submit(_scores, graph, batch(), variant): at for at, batch in _some(left, 2 * count)}
        while running:
            done = next(as_completed(running))
            scores[running.pop(done)] = done.result()
            tell(len(scores))
            running |= {pool.submit(_scores, graph, batch(), variant): at for at, batch in _some(left, 1)}
    return [scores[at] for at in range(len(batches))]


def _cpus() -> int:
    """How many this process may use; all, where the system does not say."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _some(left: Iterator[tuple[int, Callable[[], Scores]]], count: int) -> Iterator[tuple[int, Callable[[], Scores]]]:
    """The next ones, so that only the inputs of what runs soon are in memory."""
    return (value for _, value in zip(range(count), left, strict=False))


def _scores(graph: Graph, given: Scores, variant: str | None) -> Scores:
    return interpret(graph, [given], variant=VARIANTS[variant] if variant else None).outputs[0]


@contextmanager
def _processes(count: int) -> Iterator[tuple[ProcessPoolExecutor, int]]:
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # read when NumPy is imported, so not by this process any more
    # Not forked: this process has threads, of connections to devices.
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        with _without_main():
            yield pool, count
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


@contextmanager
def _without_main() -> Iterator[None]:
    """Spawned processes begin by running the caller's script, and with it the call that made them; ours need nothing of
    it, so within this they do not find it."""
    main = sys.modules["__main__"]
    kept = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    for name in kept:
        delattr(main, name)
    main.__spec__ = None
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


def _begin() -> None:
    """An interrupt is the parent's, which ends this process; so does its death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def in_batches(count: int, size: int) -> list[slice]:
    """The places of `count` images, `size` at a time; the last may be fewer."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def padded(images: Scores, size: int) -> Scores:
    """The images, the last one repeated where they are fewer than a batch."""
    return images if len(images) == size else np.concatenate([images, np.repeat(images[-1:], size - len(images), 0)])
