"""A stand-in for TensorFlow Lite's `benchmark_model`, of which no binary can be had here.

It takes the same flags in the same way, really computes with LiteRT's or LCE's interpreter, and writes outputs; its
times are invented.

`standin()` makes one program of it for a test: the first lines are settings. It misbehaves as `MODE` says; what is no
such word is right.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

MODE = ""
RUNTIME = "litert"
DRIVER = ""
LOG = ""

FLAGS = ["graph", "num_threads", "num_runs", "warmup_runs", "min_secs", "warmup_min_secs"]
FLAGS += ["input_layer", "input_layer_shape", "input_layer_value_files"]
SUMMARY = """INFO: count=1 curr=300

INFO: count=70 first=210 curr=204 min=198 max=260 avg=205.5 std=4

INFO: Inference timings in us: Init: 520, First inference: 300, Warmup (avg): 300, Inference (avg): 205.5
"""


def standin(path: Path, mode: str, runtime: str = "litert") -> Path:
    """The program at `path`, whose command lines are added to the file `path`.log."""
    from bnnbench.kernels.engines.installation import installed
    from bnnbench.kernels.engines.tflite import _DRIVER

    own = Path(__file__).read_text()
    python, log = installed(runtime), path.with_suffix(".log")
    assert python is not None
    for name, value in (("MODE", mode), ("RUNTIME", runtime), ("DRIVER", str(_DRIVER)), ("LOG", str(log))):
        line = next(line for line in own.splitlines() if line.startswith(f"{name} = "))
        own = own.replace(line, f"{name} = {value!r}", 1)
    path.write_text(f"#!{python} -I\n{own}")
    path.chmod(0o755)
    return path


def flags_of(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """As `Flags::Parse` of TensorFlow Lite: the first of equal flags counts; the rest is what nobody takes."""
    known = FLAGS if MODE in ("old", "strict") else [*FLAGS, "output_filepath"]
    taken: dict[str, str] = {}
    rest = []
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and equals and name in known and name not in taken:
            taken[name] = value
        else:
            rest.append(word)
    return taken, rest


def computed(flags: dict[str, str]) -> list[Any]:
    """The model's outputs, by an interpreter of others; inputs that no file gives are random."""
    import importlib.util

    import numpy as np

    found = importlib.util.spec_from_file_location("driver", DRIVER)
    assert found is not None
    assert found.loader is not None
    driver = importlib.util.module_from_spec(found)
    found.loader.exec_module(driver)
    model = driver.RUNTIMES[RUNTIME]([]).load(Path(flags["graph"]).read_bytes(), int(flags["num_threads"]))
    names = [name for name in flags.get("input_layer", "").split(",") if name]
    shapes = [shape for shape in flags.get("input_layer_shape", "").split(":") if shape]
    files = dict(pair.split(":") for pair in flags.get("input_layer_value_files", "").split(",") if pair)
    if names and not len(names) == len(shapes) == len(model.inputs):
        sys.exit("ERROR: Inputs mismatch")
    values = []
    for number, (shape, dtype) in enumerate(model.inputs):
        if not names:
            values.append(np.random.default_rng().integers(-9, 9, shape).astype(dtype))
            continue
        assert [int(one) for one in shapes[number].split(",")] == list(shape)
        raw = Path(files[names[number]]).read_bytes()
        if len(raw) != np.prod(shape) * np.dtype(dtype).itemsize:
            sys.exit(f"FATAL: The size of {files[names[number]]} is {len(raw)} bytes.")
        values.append(np.frombuffer(raw, dtype).reshape(shape))
    model.set(values)
    model.run()
    return list(model.latest())


def damaged(raw: bytes, flags: dict[str, str]) -> bytes:
    """What is written in place of the right bytes."""
    timed = "num_runs" not in flags
    if MODE == "wrong" or (MODE == "wrong-when-timed" and timed):
        return raw[:-1] + bytes([raw[-1] ^ 0x41])
    if MODE == "wrong-at-extremes":  # the input's first value is -0.0, or the zero point
        given = Path(flags["input_layer_value_files"].partition(":")[2]).read_bytes()
        return raw[:-1] + bytes([raw[-1] ^ 0x41]) if given[:4] == b"\0\0\0\x80" else raw
    return {"short": raw[:-3], "long": raw + b"\0", "empty": b"", "nan": b"\xff" * len(raw)}.get(MODE, raw)


def main(words: list[str]) -> int:
    """As `benchmark_model`."""
    with Path(LOG).open("a") as log:
        print(*words, file=log)
    flags, rest = flags_of(words)
    if rest and MODE == "strict":
        print("ERROR: Unknown command line flag", rest[0], file=sys.stderr)
        return 1
    if rest:
        print("WARN: Unconsumed cmdline flags:", *rest, file=sys.stderr)
    if MODE == "crash":
        print("no such delegate", file=sys.stderr)
        return 1
    path = flags.get("output_filepath")
    if path and MODE != "silent":
        outputs = computed(flags)
        if MODE == "huge":
            with Path(path).open("wb") as file:
                file.truncate(1 << 40)
        else:
            Path(path).write_bytes(damaged(b"".join(one.tobytes() for one in outputs), flags))
    if MODE == "fails-after-writing" or (MODE == "fails-when-timed" and "num_runs" not in flags):
        print("cannot go on", file=sys.stderr)
        return 7
    print(SUMMARY)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
