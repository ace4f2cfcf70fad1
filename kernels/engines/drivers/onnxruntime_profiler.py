"""Times of the nodes inside onnxruntime, by its own profiler: the driver of `tflite_driver.py` loads this file.

onnxruntime writes what it has recorded to a file when it is told to stop, once for each session, so all runs are made
before any is read.
"""

from __future__ import annotations

import importlib
import json
import os
import tempfile

import numpy as np

_WHOLE, _SUFFIX = "model_run", "_kernel_time"
"""The event of a whole inference, which follows those of its nodes; and what ends their names."""
_MOST_EVENTS = 900_000
"""onnxruntime records a million, and says nothing of the rest."""
_MOST_BYTES = 2 << 30
_LONGEST = 300


class Profiler:
    """A model file in a session that records. `values` are its inputs' arrays, images as NHWC."""

    def __init__(self, path, threads, values):
        self._module = importlib.import_module("onnxruntime")
        self._path, self._threads = path, threads
        self._values = [value.transpose(0, 3, 1, 2) if value.ndim == 4 else value for value in values]

    def runs(self, count, check):
        """Of each of `count` inferences: us of the whole, and of each node (kind, None, name, us) in the order of their
        ends. `check` is called with the number of each before it. Raises RuntimeError with one sentence."""
        with tempfile.TemporaryDirectory(prefix="bnnbench-") as folder:
            path = self._recorded(count, check, os.path.join(folder, "profile"))
            if os.path.getsize(path) > _MOST_BYTES:
                raise RuntimeError(f"onnxruntime's profile of {count} runs is too large to be read; ask for fewer runs")
            with open(path, "rb") as file:
                content = file.read()
        yield from runs_of(content, count + 1)[1:]

    def _recorded(self, count, check, prefix):
        """The file, of one inference more, the first."""
        settings = self._module.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = self._threads, 1
        settings.enable_profiling, settings.profile_file_prefix = True, prefix
        session = self._module.InferenceSession(self._path, settings, providers=["CPUExecutionProvider"])
        names = [port.name for port in session.get_inputs()]
        feed = dict(zip(names, map(np.ascontiguousarray, self._values)))
        session.run(None, feed)
        for done in range(count):
            check(done)
            session.run(None, feed)
        return session.end_profiling()


def runs_of(content, count):
    """What a file of a profiler says of the `count` inferences in it. Raises RuntimeError."""
    try:
        events = json.loads(content)
    except (ValueError, RecursionError):
        raise RuntimeError("onnxruntime's profile cannot be read: it is no JSON") from None
    if not isinstance(events, list):
        raise RuntimeError("onnxruntime's profile cannot be read: it is no list of events")
    if len(events) > _MOST_EVENTS:
        raise RuntimeError(f"onnxruntime's profile may lack some of its {len(events)} events; ask for fewer runs")
    found, nodes = [], []
    for event in events:
        name, kind, us = _event(event)
        if kind == "Session" and name == _WHOLE:
            found.append((us, nodes))
            nodes = []
        elif kind == "Node" and name.endswith(_SUFFIX):
            nodes.append((_op(event), None, name[: -len(_SUFFIX)][:_LONGEST], us))
    if len(found) != count:
        raise RuntimeError(f"onnxruntime's profile has {len(found)} inferences where {count} were made")
    return found


def _event(event):
    """Name, category, and whole microseconds."""
    if not isinstance(event, dict):
        raise RuntimeError("onnxruntime's profile cannot be read: an event in it is none")
    name, kind, us = event.get("name"), event.get("cat"), event.get("dur")
    if not isinstance(name, str) or not isinstance(kind, str) or type(us) is not int or us < 0:
        raise RuntimeError("onnxruntime's profile cannot be read: an event in it has no name, category or time")
    return name, kind, us


def _op(event):
    arguments = event.get("args")
    op = arguments.get("op_name") if isinstance(arguments, dict) else None
    return op[:_LONGEST] if isinstance(op, str) and op else "unknown"
