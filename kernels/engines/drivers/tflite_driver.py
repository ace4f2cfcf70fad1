"""The engine protocol, version 1, in front of another runtime: `python tflite_driver.py --runtime NAME`.

Runs where its runtime is installed, also on a board, so it needs Python 3.9, NumPy and that runtime, and nothing else.
One file, because files are pushed under the name of their content.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import re
import resource
import sys
import time
import types
from urllib.parse import unquote_to_bytes


def advice(name, package):
    """How to get what is missing: the working folder is the device's work folder, whose `python` goes first."""
    if sys.flags.isolated:
        return f"install it again: bnnbench engines install {name}"
    folder = os.path.join(os.getcwd(), "python")
    return f"install it there: python3 -m venv {folder} && {folder}/bin/pip install {package} numpy"


try:
    import numpy as np
except ImportError:
    sys.exit(f"NumPy is not installed in {sys.executable}; {advice('litert', 'ai-edge-litert')}")


class LceModel:
    """A model in Larq Compute Engine's interpreter, whose one call copies the inputs and outputs too."""

    def __init__(self, made):
        self.inputs = list(zip(map(tuple, made.input_shapes), map(np.dtype, made.input_types)))
        self.outputs = list(zip(map(tuple, made.output_shapes), map(np.dtype, made.output_types)))
        self._predict, self._values, self._latest = made.predict, [], []

    def set(self, values):
        """The inputs of the next runs."""
        self._values = values

    def run(self):
        """One inference."""
        self._latest = self._predict(self._values)

    def latest(self):
        """The outputs of the last run."""
        return self._latest


class LceRuntime:
    """Larq Compute Engine's own interpreter."""

    name, package = "lce", "larq-compute-engine"

    def __init__(self, options):
        # Its package imports the converter, and that TensorFlow, unless stand-ins are there first.
        found = importlib.util.find_spec("larq_compute_engine")
        if found is None:
            raise ImportError("there is no larq_compute_engine")
        root = next(iter(found.submodule_search_locations))
        for name, path in (("larq_compute_engine", root), ("larq_compute_engine.tflite", os.path.join(root, "tflite"))):
            module = types.ModuleType(name)
            module.__path__ = [path]
            sys.modules[name] = module
        module = importlib.import_module("larq_compute_engine.tflite.python.interpreter")
        self._make, self._options = module.Interpreter, dict.fromkeys(options, True)

    def load(self, content, threads):
        """A model from a file's bytes."""
        return LceModel(self._make(content, num_threads=threads, **self._options).interpreter)


class LiteRtModel:
    """A model in LiteRT's interpreter: inputs are set once and stay, as in TensorFlow Lite's own benchmark."""

    def __init__(self, made):
        self._made, self.run = made, made.invoke
        self._ins, self._outs = made.get_input_details(), made.get_output_details()
        self.inputs = [(tuple(detail["shape"]), np.dtype(detail["dtype"])) for detail in self._ins]
        self.outputs = [(tuple(detail["shape"]), np.dtype(detail["dtype"])) for detail in self._outs]

    def set(self, values):
        """As LceModel's."""
        for detail, value in zip(self._ins, values):
            self._made.set_tensor(detail["index"], value)

    def latest(self):
        """As LceModel's."""
        return [self._made.get_tensor(detail["index"]) for detail in self._outs]


KERNELS = {"reference_kernels": "BUILTIN_REF", "no_delegates": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
"""Options of LiteRT -> which kernels its interpreter has in place of XNNPACK's."""


class LiteRtRuntime:
    """LiteRT (TensorFlow Lite) with XNNPACK, or by an option with other kernels."""

    name, package = "litert", "ai-edge-litert"

    def __init__(self, options):
        module = importlib.import_module("ai_edge_litert.interpreter")
        self._make, self._keys = module.Interpreter, {}
        for option in options:
            if option not in KERNELS:
                raise Refused(f"LiteRT's interpreter has no option {option}")
            self._keys = {"experimental_op_resolver_type": getattr(module.OpResolverType, KERNELS[option])}

    def load(self, content, threads):
        """As LceRuntime's."""
        made = self._make(model_content=content, num_threads=threads, **self._keys)
        made.allocate_tensors()
        return LiteRtModel(made)


class OnnxModel:
    """A model in onnxruntime's session. Images come and go as NHWC, as in other runtimes; ONNX has NCHW. They are
    turned where no time is taken."""

    def __init__(self, session):
        self._session, self._feed, self._latest = session, {}, []
        ports = session.get_inputs()
        self._names = [port.name for port in ports]
        if any(port.type != "tensor(float)" for port in ports):
            raise Refused("its inputs are not float32")
        own = [tuple(size if isinstance(size, int) and size > 0 else 1 for size in port.shape) for port in ports]
        self.inputs = [(_nhwc(shape), np.dtype("float32")) for shape in own]
        self.set([np.zeros(shape, dtype) for shape, dtype in self.inputs])
        self.run()  # of outputs, a file may leave sizes open
        self.outputs = [(array.shape, array.dtype) for array in self.latest()]

    def set(self, values):
        """As LceModel's."""
        arrays = [value.transpose(0, 3, 1, 2) if value.ndim == 4 else value for value in values]
        self._feed = dict(zip(self._names, map(np.ascontiguousarray, arrays)))

    def run(self):
        """As LceModel's."""
        self._latest = self._session.run(None, self._feed)

    def latest(self):
        """As LceModel's."""
        found = [array.transpose(0, 2, 3, 1) if array.ndim == 4 else array for array in self._latest]
        return [np.ascontiguousarray(array) for array in found]


def _nhwc(shape):
    return (shape[0], *shape[2:], shape[1]) if len(shape) == 4 else shape


class OnnxRuntime:
    """onnxruntime on the CPU; with `unoptimized`, every node as the file has it."""

    name, package = "onnxruntime", "onnxruntime"

    def __init__(self, options):
        self._module, self._options = importlib.import_module("onnxruntime"), options
        self._module.set_default_logger_severity(4)
        for option in options:
            if option != "unoptimized":
                raise Refused(f"onnxruntime has no option {option}")

    def load(self, content, threads):
        """As LceRuntime's."""
        settings = self._module.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        if "unoptimized" in self._options:
            settings.graph_optimization_level = self._module.GraphOptimizationLevel.ORT_DISABLE_ALL
        return OnnxModel(self._module.InferenceSession(content, settings, providers=["CPUExecutionProvider"]))


RUNTIMES = {runtime.name: runtime for runtime in (LceRuntime, LiteRtRuntime, OnnxRuntime)}
_NO_OP = re.compile(r"unresolved custom op: (\w{1,60})|:(\w{1,60})\(-?\d+\) is not a registered function")
DTYPES = {"float32": "f32", "int8": "i8", "int32": "i32", "uint8": "u8"}
MOST_SAMPLES, MOST_ITERATIONS, MOST_NS = 100_000, 10**9, 3_600_000_000_000
MOST_WATCHED, MOST_WATCHED_BYTES = 16, 255


class Refused(Exception):
    """One sentence for the reply."""


class Keys:
    """The keys of one request; what is never asked for is refused."""

    def __init__(self, words):
        self._values = {}
        for word in words:
            key, _, value = word.partition("=")
            if not key or "=" not in word:
                raise Refused(f"'{word[:60]}' is not key=value")
            if key in self._values:
                raise Refused(f"the key '{key[:60]}' is given twice")
            if not re.fullmatch(r"(?:[^%]|%[0-9A-Fa-f]{2})*", value) or "%00" in value:
                raise Refused(f"the value of '{key[:60]}' is not percent-encoded rightly")
            self._values[key] = os.fsdecode(unquote_to_bytes(value))

    def text(self, key):
        """A value that must be there."""
        if not self._values.get(key):
            raise Refused(f"the key '{key}' is missing or empty")
        return self._values.pop(key)

    def optional(self, key):
        """A value or None."""
        return self._values.pop(key, None)

    def integer(self, key, low, high, default=None):
        """A whole number within bounds."""
        value = self._values.pop(key, None)
        if value is None:
            if default is None:
                raise Refused(f"the key '{key}' is missing")
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise Refused(f"{key}={value[:60]} is not a whole number from {low} to {high}")
        return int(value)

    def number(self, key):
        """A finite float."""
        value = self.text(key)
        if not re.fullmatch(r"[-+]?[0-9.]{1,40}(e[-+]?[0-9]{1,3})?", value):
            raise Refused(f"{key}={value[:60]} is not a number")
        return np.float32(value)

    def end(self):
        """Refuses what nobody knows."""
        if self._values:
            raise Refused(f"the key '{next(iter(self._values))[:60]}' is unknown here")


class Loaded:
    """A model file, its current inputs, and the interpreter for the number of threads that was asked for last."""

    def __init__(self, runtime, content, path):
        self._runtime, self._content, self._threads = runtime, content, 1
        self.path, self.model = path, self._make(1)
        self.ran = False
        self.values = [np.zeros(shape, dtype) for shape, dtype in self.model.inputs]
        self.model.set(self.values)

    def with_threads(self, threads):
        """Interpreters fix the number of threads when they are made."""
        if threads != self._threads:
            self.model, self._threads, self.ran = self._make(threads), threads, False
            self.model.set(self.values)

    def set(self, index, value):
        """One of the inputs."""
        self.values[index] = value
        self.model.set(self.values)

    def timed(self, count):
        """ns of `count` inferences."""
        run = self.model.run
        start = time.monotonic_ns()
        for _ in range(count):
            run()
        spent = time.monotonic_ns() - start
        self.ran = True
        return spent

    def output(self):
        """All outputs, one after another."""
        return b"".join(np.ascontiguousarray(array).tobytes() for array in self.model.latest())

    def _make(self, threads):
        try:
            return self._runtime.load(self._content, threads)
        except Exception as error:  # onnxruntime's own kinds of it have no other base
            unknown = _NO_OP.search(str(error))
            if unknown:
                raise Refused(f"the runtime {self._runtime.name} has no op {unknown[1] or unknown[2]}") from error
            raise Refused(f"the runtime {self._runtime.name} refuses the model: {_flat(error)}") from error


class Engine:
    """The protocol's verbs."""

    def __init__(self, runtime):
        self._runtime, self._loaded = runtime, {}
        self._cpus = sorted(os.sched_getaffinity(0))

    def hello(self, keys):
        keys.end()
        return {
            "protocol": 1,
            "engine": self._runtime.name,
            "version": _version(self._runtime.package),
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
        if len(os.fsencode(id)) > 63:
            raise Refused("the id is longer than 63 characters")
        if id in self._loaded:
            raise Refused(f"the id '{id}' is taken: unload it first")
        with open(path, "rb") as file:
            loaded = self._loaded[id] = Loaded(self._runtime, file.read(), path)
        return {
            "inputs": _described(loaded.model.inputs),
            "outputs": _described(loaded.model.outputs),
            "load_ns": time.monotonic_ns() - started,
        }

    def input(self, keys):
        loaded, path = self._known(keys), keys.text("path")
        index = keys.integer("index", 0, len(loaded.values) - 1, 0)
        keys.end()
        old = loaded.values[index]
        if os.path.getsize(path) != old.nbytes:
            raise Refused(f"{path} has {os.path.getsize(path)} bytes where the input needs {old.nbytes}")
        loaded.set(index, np.fromfile(path, old.dtype).reshape(old.shape))
        return {}

    def run(self, keys):
        loaded = self._known(keys)
        threads = self._threads(keys)
        samples = keys.integer("samples", 1, MOST_SAMPLES)
        warmup_ns = keys.integer("warmup_ns", 0, MOST_NS, 0)
        limit_ns = keys.integer("limit_ns", 1, MOST_NS, MOST_NS)
        extra_ppm = keys.integer("extra_ppm", 0, 10_000_000, 0)
        iterations = keys.integer("iterations", 1, MOST_ITERATIONS, 0)
        least_ns = keys.integer("min_sample_ns", 1, MOST_NS, 0)
        watched = (keys.optional("watch") or "").split(",")
        counters = keys.optional("counters")
        keys.end()
        if bool(iterations) == bool(least_ns):
            raise Refused("run takes either min_sample_ns= or iterations=")
        if len(watched) > MOST_WATCHED:
            raise Refused(f"watch= takes at most {MOST_WATCHED} files")
        loaded.with_threads(threads)
        start = time.monotonic_ns()
        deadline = start + limit_ns
        first_ns = block_ns = loaded.timed(1)
        iterations = iterations or 1
        while block_ns < least_ns and time.monotonic_ns() < deadline:
            growth = least_ns / (block_ns + 1)
            iterations = min(MOST_ITERATIONS, int(iterations * growth) + 1 if growth < 2 else iterations * 2)
            block_ns = loaded.timed(iterations)
        if extra_ppm and least_ns:
            iterations = max(iterations, -(-1_000_000 // extra_ppm))
        extra = (iterations * extra_ppm + 500_000) // 1_000_000
        warm, taken = [], []
        warm_until = time.monotonic_ns() + warmup_ns
        while time.monotonic_ns() < warm_until:
            _check(deadline, "while warming up")
            warm.append(loaded.timed(iterations + extra) / iterations)
        before = [_read(path) for path in watched if path]
        while len(taken) < samples:
            _check(deadline, f"after {len(taken)} of {samples} samples")
            taken.append(loaded.timed(iterations + extra) / iterations)
        after = [_read(path) for path in watched if path]
        reply = {
            "iterations": iterations,
            "extra_iterations": extra,
            "first_ns": first_ns,
            "samples_ns": taken,
            "warmup_samples_ns": warm,
            "start_ns": start,
            "end_ns": time.monotonic_ns(),
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        if before:
            reply["watch"] = dict(zip((path for path in watched if path), map(list, zip(before, after))))
        if counters is not None:
            reply["counters_error"] = "this engine has no hardware counters"
        return reply

    def output(self, keys):
        loaded, path = self._known(keys), keys.optional("path")
        keys.end()
        if not loaded.ran:
            raise Refused("there is no output: nothing was run yet")
        raw = loaded.output()
        if path:
            with open(path, "wb") as file:
                file.write(raw)
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}

    def infer(self, keys):
        loaded, given, path = self._known(keys), keys.text("input"), keys.text("output")
        count, threads = keys.integer("count", 1, 10**9), self._threads(keys)
        deadline = time.monotonic_ns() + keys.integer("limit_ns", 1, MOST_NS, MOST_NS)
        dtype = keys.optional("dtype")
        scale, offset = (keys.number("scale"), keys.number("offset")) if dtype else (None, None)
        keys.end()
        if dtype not in (None, "u8") or (dtype and any(old.dtype != np.float32 for old in loaded.values)):
            raise Refused(f"dtype={dtype[:60]} is not u8 for f32 inputs")
        stored = [np.dtype(np.uint8) if dtype else old.dtype for old in loaded.values]
        needed = sum(kind.itemsize * old.size for kind, old in zip(stored, loaded.values))
        if os.path.getsize(given) != needed * count:
            has = os.path.getsize(given)
            raise Refused(f"{given} has {has} bytes where {count} inputs need {needed} each")
        loaded.with_threads(threads)
        spent = 0
        with open(given, "rb") as source, open(path, "wb") as file:
            for done in range(count):
                _check(deadline, f"after {done} of {count} inputs")
                for index, (kind, old) in enumerate(zip(stored, list(loaded.values))):
                    value = np.fromfile(source, kind, old.size).reshape(old.shape)
                    loaded.set(index, value.astype(np.float32) * scale + offset if dtype else value)
                spent += loaded.timed(1)
                file.write(loaded.output())
        return {"count": count, "ns": spent}

    def profile(self, keys):
        loaded, module = self._known(keys), keys.text("profiler")
        threads, runs = self._threads(keys), keys.integer("runs", 1, 100_000)
        deadline = time.monotonic_ns() + keys.integer("limit_ns", 1, MOST_NS, MOST_NS)
        keys.end()
        profiler = _module(module).Profiler(loaded.path, threads, loaded.values)
        totals, times, ops = [], [], None
        for total, found in profiler.runs(runs, lambda done: _check(deadline, f"after {done} of {runs} runs")):
            shapes = [one[:3] for one in found]
            if shapes != (ops or shapes):
                raise Refused("the ops of two runs differ")
            ops = shapes
            totals.append(total * 1000)
            times.append([one[3] * 1000 for one in found])
        rows = enumerate(zip(ops or [], zip(*times)))
        return {
            "ops": [
                {"index": i, "op": kind, "name": name, "ns": ns, **({"node": place} if kind == "node" else {})}
                for i, ((kind, place, name), ns) in rows
            ],
            "total_ns": totals,
        }

    def unload(self, keys):
        id = keys.text("id")
        keys.end()
        if self._loaded.pop(id, None) is None:
            raise Refused(f"nothing is loaded as '{id[:60]}'")
        return {}

    def _known(self, keys):
        id = keys.text("id")
        if id not in self._loaded:
            raise Refused(f"nothing is loaded as '{id[:60]}'")
        return self._loaded[id]

    def _threads(self, keys):
        return keys.integer("threads", 1, len(self._cpus), 1)


VERBS = ("hello", "load", "input", "run", "output", "infer", "profile", "unload")


def _module(path):
    """The other file of this driver, which is pushed under the name of its content."""
    loader = importlib.machinery.SourceFileLoader("profiler", path)
    module = types.ModuleType(loader.name)
    loader.exec_module(module)
    return module


def _check(deadline, where):
    if time.monotonic_ns() > deadline:
        raise Refused(f"limit_ns was reached {where}")


def _read(path):
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(MOST_WATCHED_BYTES).decode("latin-1").strip()
    return ""


def _described(arrays):
    return [
        {"name": str(i), "shape": [int(n) for n in shape], "dtype": DTYPES.get(dtype.name, dtype.name)}
        for i, (shape, dtype) in enumerate(arrays)
    ]


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _flat(error):
    """One line, and text that is valid UTF-8 whatever the paths in it are."""
    message = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    text = " ".join(message.split()) or type(error).__name__
    return text[:300].rstrip(". ").encode("utf-8", "replace").decode()


def _answer(engine, line):
    try:
        verb, *words = [word for word in line.decode().strip("\r\n").split(" ") if word] or [""]
        if verb not in VERBS:
            unknown = f"the verb '{verb[:60]}' is unknown to protocol 1 of this engine"
            raise Refused(unknown if verb else "an empty line is not a request")
        return {"ok": True, **getattr(engine, verb)(Keys(words))}
    except UnicodeDecodeError:
        return {"ok": False, "error": "the request is not UTF-8"}
    except (Refused, OSError, MemoryError, RuntimeError, ValueError, TypeError) as error:
        return {"ok": False, "error": _flat(error)}


def main():
    """Serves stdin to stdout until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=sorted(RUNTIMES), required=True)
    parser.add_argument("--option", action="append", default=[], help="a flag of the runtime's interpreter")
    arguments = parser.parse_args()
    # The runtimes print to stdout at will; replies go out by a descriptor of their own.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    chosen = RUNTIMES[arguments.runtime]
    try:
        engine = Engine(chosen(arguments.option))
    except ImportError as error:
        how = advice(chosen.name, chosen.package)
        sys.exit(f"{chosen.package} does not work in {sys.executable}: {_flat(error)}; {how}")
    except Refused as error:
        sys.exit(str(error))
    for line in sys.stdin.buffer:
        if line.strip() == b"quit":
            break
        replies.write(json.dumps(_answer(engine, line)) + "\n")


if __name__ == "__main__":
    main()
