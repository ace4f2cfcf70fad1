"""The engine protocol, version 1, in front of a TensorFlow Lite interpreter: `python tflite_driver.py --runtime NAME`.

Runs where its runtime is installed, also on a board, so it needs Python 3.9, NumPy and that runtime, and nothing else.
"""

import argparse
import hashlib
import importlib
import importlib.util
import json
import os
import resource
import sys
import time
import types
from urllib.parse import unquote

import numpy as np


class LceRuntime:
    """Larq Compute Engine's own interpreter."""

    name = "lce"

    def __init__(self, options):
        # Its package imports the converter, and that TensorFlow, unless stand-ins are there first.
        found = importlib.util.find_spec("larq_compute_engine")
        if found is None:
            raise ImportError("larq_compute_engine is not installed here")
        root = next(iter(found.submodule_search_locations))
        for name, path in (("larq_compute_engine", root), ("larq_compute_engine.tflite", os.path.join(root, "tflite"))):
            module = types.ModuleType(name)
            module.__path__ = [path]
            sys.modules[name] = module
        module = importlib.import_module("larq_compute_engine.tflite.python.interpreter")
        self._make, self._options = module.Interpreter, options

    def load(self, content, threads):
        """A loaded model: shapes and types of its inputs and outputs, and `run(inputs) -> outputs`."""
        made = self._make(content, num_threads=threads, **self._options).interpreter
        inputs = list(zip(made.input_shapes, map(np.dtype, made.input_types)))
        outputs = list(zip(made.output_shapes, map(np.dtype, made.output_types)))
        return Model(inputs, outputs, made.predict)


class LiteRtRuntime:
    """LiteRT (TensorFlow Lite) with XNNPACK."""

    name = "litert"

    def __init__(self, options):
        self._make = importlib.import_module("ai_edge_litert.interpreter").Interpreter

    def load(self, content, threads):
        """As LceRuntime's."""
        made = self._make(model_content=content, num_threads=threads)
        made.allocate_tensors()
        ins, outs = made.get_input_details(), made.get_output_details()

        def run(inputs):
            for detail, value in zip(ins, inputs):
                made.set_tensor(detail["index"], value)
            made.invoke()
            return [made.get_tensor(detail["index"]) for detail in outs]

        shapes = [[(tuple(d["shape"]), np.dtype(d["dtype"])) for d in details] for details in (ins, outs)]
        return Model(shapes[0], shapes[1], run)


RUNTIMES = {runtime.name: runtime for runtime in (LceRuntime, LiteRtRuntime)}
DTYPES = {"float32": "f32", "int8": "i8", "int32": "i32", "uint8": "u8"}
MOST_SAMPLES, MOST_NS = 100_000, 3_600_000_000_000


class Model:
    """Inputs and outputs as (shape, dtype), the function that runs them, and the current values."""

    def __init__(self, inputs, outputs, run):
        self.shapes, self.output_shapes, self._run = inputs, outputs, run
        self.values = [np.zeros(shape, dtype) for shape, dtype in inputs]
        self.outputs = None

    def run(self):
        """One inference."""
        self.outputs = self._run(self.values)


class Refused(Exception):
    """One sentence for the reply."""


class Keys:
    """The keys of one request; what is never asked for is refused."""

    def __init__(self, words):
        self._values = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or key in self._values:
                raise Refused(f"the word '{word[:60]}' is no key=value, or there twice")
            self._values[key] = unquote(value)

    def text(self, key):
        """A value that must be there."""
        if key not in self._values:
            raise Refused(f"{key}= is missing")
        return self._values.pop(key)

    def optional(self, key):
        """A value or None."""
        return self._values.pop(key, None)

    def integer(self, key, low, high, default=None):
        """A whole number within bounds."""
        value = self._values.pop(key, None)
        if value is None:
            if default is None:
                raise Refused(f"{key}= is missing")
            return default
        if not value.lstrip("-").isdigit() or not low <= int(value) <= high:
            raise Refused(f"{key}={value[:40]} is no number from {low} to {high}")
        return int(value)

    def end(self):
        """Refuses what nobody knows."""
        if self._values:
            raise Refused(f"the key '{next(iter(self._values))}' is unknown")


class Engine:
    """The protocol's verbs."""

    def __init__(self, runtime):
        self._runtime = runtime
        self._contents, self._models = {}, {}
        self._cpus = sorted(os.sched_getaffinity(0))

    def hello(self, keys):
        keys.end()
        return {
            "protocol": 1,
            "engine": self._runtime.name,
            "version": "1",
            "accepts": ["tflite"],
            "ops": [],
            "cpus": self._cpus,
            "max_threads": len(self._cpus),
            "counters": [],
            "pid": os.getpid(),
        }

    def load(self, keys):
        started = time.monotonic_ns()
        id, path = keys.text("id"), keys.text("model")
        keys.end()
        if id in self._contents:
            raise Refused(f"the id '{id[:60]}' is taken: unload it first")
        with open(path, "rb") as file:
            content = file.read()
        model = self._make(content, 1)
        self._contents[id], self._models[id] = content, {1: model}
        return {
            "inputs": _described(model.shapes),
            "outputs": _described(model.output_shapes),
            "load_ns": time.monotonic_ns() - started,
        }

    def input(self, keys):
        id, path = self._known(keys), keys.text("path")
        index = keys.integer("index", 0, 1000, 0)
        keys.end()
        for model in self._models[id].values():
            shape, dtype = self._shape(model, index)
            values = np.fromfile(path, dtype)
            if values.size != np.prod(shape):
                raise Refused(
                    f"{path} has {values.nbytes} bytes where {int(np.prod(shape)) * dtype.itemsize} are needed"
                )
            model.values[index] = values.reshape(shape)
        return {}

    def run(self, keys):
        id = self._known(keys)
        threads = keys.integer("threads", 1, len(self._cpus), 1)
        samples = keys.integer("samples", 1, MOST_SAMPLES)
        warmup_ns = keys.integer("warmup_ns", 0, MOST_NS, 0)
        deadline = time.monotonic_ns() + keys.integer("limit_ns", 1, MOST_NS, MOST_NS)
        extra_ppm = keys.integer("extra_ppm", 0, 10_000_000, 0)
        iterations = keys.integer("iterations", 1, 10**9, 0)
        least_ns = keys.integer("min_sample_ns", 1, MOST_NS, 0)
        for key in ("watch", "counters"):
            keys.optional(key)
        keys.end()
        if bool(iterations) == bool(least_ns):
            raise Refused("run takes either min_sample_ns= or iterations=")
        model = self._with_threads(id, threads)
        start = time.monotonic_ns()
        first_ns = block_ns = _timed(model, 1)
        iterations = iterations or 1
        while least_ns and block_ns < least_ns and time.monotonic_ns() < deadline:
            iterations = max(int(iterations * least_ns / block_ns) + 1, iterations + 1)
            block_ns = _timed(model, iterations)
        if extra_ppm and least_ns:
            iterations = max(iterations, -(-1_000_000 // extra_ppm))
        extra = (iterations * extra_ppm + 500_000) // 1_000_000
        warm, taken = [], []
        warm_until = time.monotonic_ns() + warmup_ns
        while time.monotonic_ns() < warm_until:
            warm.append(_sample(model, iterations, extra, deadline))
        while len(taken) < samples:
            taken.append(_sample(model, iterations, extra, deadline))
        return {
            "iterations": iterations,
            "extra_iterations": extra,
            "first_ns": first_ns,
            "samples_ns": taken,
            "warmup_samples_ns": warm,
            "start_ns": start,
            "end_ns": time.monotonic_ns(),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    def output(self, keys):
        id, path = self._known(keys), keys.optional("path")
        keys.end()
        latest = [model for model in self._models[id].values() if model.outputs is not None]
        if not latest:
            raise Refused("nothing was run yet")
        raw = b"".join(np.ascontiguousarray(array).tobytes() for array in latest[-1].outputs)
        if path:
            with open(path, "wb") as file:
                file.write(raw)
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}

    def infer(self, keys):
        id, given, path = self._known(keys), keys.text("input"), keys.text("output")
        count, threads = keys.integer("count", 1, 10**9), keys.integer("threads", 1, len(self._cpus), 1)
        deadline = time.monotonic_ns() + keys.integer("limit_ns", 1, MOST_NS, MOST_NS)
        keys.end()
        model = self._with_threads(id, threads)
        shape, dtype = self._shape(model, 0)
        inputs = np.fromfile(given, dtype)
        if inputs.size != count * np.prod(shape):
            raise Refused(f"{given} holds other than {count} inputs")
        spent = 0
        with open(path, "wb") as file:
            for values in inputs.reshape(count, *shape):
                model.values[0] = np.ascontiguousarray(values)
                spent += _timed(model, 1)
                for array in model.outputs:
                    file.write(np.ascontiguousarray(array).tobytes())
                if time.monotonic_ns() > deadline:
                    raise Refused("limit_ns was reached")
        return {"count": count, "ns": spent}

    def unload(self, keys):
        id = self._known(keys)
        keys.end()
        del self._contents[id], self._models[id]
        return {}

    def _known(self, keys):
        id = keys.text("id")
        if id not in self._contents:
            raise Refused(f"nothing is loaded as '{id[:60]}'")
        return id

    def _shape(self, model, index):
        if index >= len(model.shapes):
            raise Refused(f"the model has {len(model.shapes)} inputs")
        return model.shapes[index]

    def _with_threads(self, id, threads):
        """The model made for a number of threads; the interpreters fix it when they are made."""
        models = self._models[id]
        if threads not in models:
            values = next(iter(models.values())).values
            models.clear()
            models[threads] = self._make(self._contents[id], threads)
            models[threads].values = values
        return models[threads]

    def _make(self, content, threads):
        try:
            return self._runtime.load(content, threads)
        except (ValueError, RuntimeError, TypeError) as error:
            raise Refused(f"the runtime refuses the model: {' '.join(str(error).split())[:300]}") from error


def _timed(model, count):
    start = time.monotonic_ns()
    for _ in range(count):
        model.run()
    return time.monotonic_ns() - start


def _sample(model, iterations, extra, deadline):
    if time.monotonic_ns() > deadline:
        raise Refused("limit_ns was reached")
    return _timed(model, iterations + extra) / iterations


def _described(shapes):
    return [
        {"name": str(i), "shape": [int(n) for n in s], "dtype": DTYPES.get(d.name, d.name)}
        for i, (s, d) in enumerate(shapes)
    ]


def main():
    """Serves stdin to stdout until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), required=True)
    parser.add_argument("--option", action="append", default=[], help="a flag of the runtime's interpreter")
    arguments = parser.parse_args()
    # The runtimes print to stdout at will; replies go out by a descriptor of their own.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    engine = Engine(RUNTIMES[arguments.runtime](dict.fromkeys(arguments.option, True)))
    verbs = {name: getattr(engine, name) for name in ("hello", "load", "input", "run", "output", "infer", "unload")}
    for line in sys.stdin:
        verb, *words = line.strip().split(" ")
        if verb == "quit":
            break
        try:
            if verb not in verbs:
                raise Refused(f"the verb '{verb[:60]}' is unknown to protocol 1 of this engine")
            reply = {"ok": True, **verbs[verb](Keys(words))}
        except (Refused, OSError, MemoryError) as error:
            reply = {"ok": False, "error": str(error) or type(error).__name__}
        replies.write(json.dumps(reply) + "\n")


if __name__ == "__main__":
    main()
