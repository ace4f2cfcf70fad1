"""Times of the ops inside LiteRT, by its own profiler: the driver of `tflite_driver.py` loads this file.

LiteRT's Python has no names for its profiler; the C functions of its library have. They are those of the version below,
and their structures may differ in others.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os

VERSION = "2.3."
_CPU = 1
_WRITE = 1
_NODE, _DELEGATED, _WHOLE = 2, 8, "Invoke"
"""Kinds of events: a node of the file, an operator inside a delegate; and the name of a whole inference's event."""
_MOST_EVENTS = 200_000
_TYPE_BYTES = 1024  # much more than the structure of a tensor's type


class _Event(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", ctypes.c_int64 * 6),
        ("place", ctypes.c_uint64),
        ("graph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class Profiler:
    """A model file, compiled for `threads` with profiling on. `values` are its inputs' arrays.

    Raises RuntimeError with one sentence.
    """

    def __init__(self, path, threads, values):
        try:
            version = importlib.metadata.version("ai-edge-litert")
        except importlib.metadata.PackageNotFoundError:
            version = "unknown"
        if not version.startswith(VERSION):
            raise RuntimeError(f"op times need LiteRT {VERSION}x, whose profiler is known here; this is {version}")
        package = next(iter(importlib.util.find_spec("ai_edge_litert").submodule_search_locations))
        self._library = ctypes.CDLL(os.path.join(package, "libLiteRt.so"))
        self._c = ctypes.CDLL(None)
        self._c.strdup.restype, self._c.strdup.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        self._environment = self._made("LiteRtCreateEnvironment", ctypes.c_int(0), None)
        self._model = self._made("LiteRtCreateModelFromFile", self._environment, ctypes.c_char_p(os.fsencode(path)))
        self._compiled = self._made("LiteRtCreateCompiledModel", self._environment, self._model, self._options(threads))
        signature = self._made("LiteRtGetModelSignature", self._model, ctypes.c_size_t(0))
        self._inputs, self._outputs = (self._buffers(signature, kind) for kind in ("Input", "Output"))
        self._fill(values)
        self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._compiled)

    def runs(self, count, check):
        """Of each of `count` inferences what `run` says, after a first one. `check` is called with the number of each
        before it."""
        self.run()
        for done in range(count):
            check(done)
            yield self.run()

    def run(self):
        """One inference: us of the whole, and of each op (kind, place, name, us) in the order of their ends."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        groups = [part for buffers in (self._inputs, self._outputs) for part in (_size(len(buffers)), buffers)]
        self._call("LiteRtRunCompiledModel", self._compiled, _size(0), *groups)
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        if not 0 < count.value <= _MOST_EVENTS:
            raise RuntimeError(f"LiteRT's profiler has {count.value} events of one inference")
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        named = [(event, (event.tag or b"").decode("utf-8", "replace")) for event in events]
        whole = [event.elapsed_us for event, name in named if name == _WHOLE and event.kind == 1]
        if len(whole) != 1:
            raise RuntimeError(f"LiteRT's profiler has {len(whole)} events '{_WHOLE}' of one inference")
        kinds = {_NODE: "node", _DELEGATED: "delegated"}
        ops = [(kinds[one.kind], int(one.place), name, one.elapsed_us) for one, name in named if one.kind in kinds]
        return whole[0], ops

    def _options(self, threads):
        made = self._made("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", made, ctypes.c_int(_CPU))
        texts = {"runtime_options_string": "enable_profiling = true\n", "xnnpack": f"num_threads = {threads}\n"}
        for name, text in texts.items():
            payload = ctypes.c_void_p(self._c.strdup(text.encode()))
            release = ctypes.cast(self._c.free, ctypes.c_void_p)
            option = self._made("LiteRtCreateOpaqueOptions", ctypes.c_char_p(name.encode()), payload, release)
            self._call("LiteRtAddOpaqueOptions", made, option)
        return made

    def _buffers(self, signature, kind):
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{kind}s", signature, ctypes.byref(count))
        made = []
        for place in range(count.value):
            tensor = self._made(f"LiteRtGetSignature{kind}TensorByIndex", signature, _size(place))
            described = (ctypes.c_char * _TYPE_BYTES)()
            self._call("LiteRtGetRankedTensorType", tensor, described)
            needs = self._made(
                f"LiteRtGetCompiledModel{kind}BufferRequirements", self._compiled, _size(0), _size(place)
            )
            make = "LiteRtCreateManagedTensorBufferFromRequirements"
            made.append(self._made(make, self._environment, described, needs))
        return (ctypes.c_void_p * len(made))(*(buffer.value for buffer in made))

    def _fill(self, values):
        """Inputs whose order is not the file's get zeros: times do not depend on them."""
        for place, buffer in enumerate(self._inputs):
            size = ctypes.c_size_t()
            self._call("LiteRtGetTensorBufferSize", ctypes.c_void_p(buffer), ctypes.byref(size))
            address = ctypes.c_void_p()
            self._call("LiteRtLockTensorBuffer", ctypes.c_void_p(buffer), ctypes.byref(address), ctypes.c_int(_WRITE))
            raw = values[place].tobytes() if place < len(values) and values[place].nbytes <= size.value else b""
            ctypes.memset(address, 0, size.value)
            ctypes.memmove(address, raw, len(raw))
            self._call("LiteRtUnlockTensorBuffer", ctypes.c_void_p(buffer))

    def _made(self, name, *arguments):
        """What a function puts where its last argument points."""
        made = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(made))
        return made

    def _call(self, name, *arguments):
        function = getattr(self._library, name, None)
        if function is None:
            raise RuntimeError(f"this LiteRT has no function {name}")
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise RuntimeError(f"LiteRT's {name} failed with status {status}")


def _size(value):
    return ctypes.c_size_t(value)
