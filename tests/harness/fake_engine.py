"""A user's engine for the tests: speaks the protocol rightly by the oracle, or breaks it as its argument says."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np

from bnnbench.kernels.ops import NUMPY_DTYPE, SPECS
from bnnbench.kernels.reference import oracle

MODE = sys.argv[1] if len(sys.argv) > 1 else "right"


def reply(**keys: object) -> None:
    print(json.dumps({"ok": True, **keys}), flush=True)


def load(keys: dict[str, str]) -> np.ndarray:
    """The output of the case."""
    names = [field.name for field in fields(SPECS[keys["op"]]) if field.name in keys]  # kernel= is rarely there
    given = {name: int(keys[name]) if keys[name].lstrip("-").isdigit() else keys[name] for name in names}
    spec = SPECS[keys["op"]](**given)
    raw = Path(keys["data"]).read_bytes()
    arrays, start = {}, 0
    for array in spec.inputs():
        dtype = np.dtype(NUMPY_DTYPE[array.dtype])
        count = int(np.prod(array.shape))
        arrays[array.name] = np.frombuffer(raw, dtype, count, start).reshape(array.shape)
        start += count * dtype.itemsize
    return oracle.run(spec, arrays)


def leave_a_process_behind() -> None:
    """It burns a core in a session of its own, as a daemon of the engine's might."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path("left_behind").write_text(str(os.getpid()))
            for stream in (0, 1, 2):
                os.close(stream)
            while True:
                pass
        os._exit(0)
    os.wait()


def main() -> None:
    output = np.zeros(0)
    runs = 0
    for line in sys.stdin:
        verb, *words = line.split()
        keys = dict(word.split("=", 1) for word in words)
        if verb == "quit":
            return
        if verb == "hello" and MODE == "leaver":
            leave_a_process_behind()
        if verb == "hello":
            reply(protocol=99 if MODE == "liar" else 1, engine="fake", ops=["bgemm"] if MODE == "few-ops" else None)
        elif verb == "load":
            output = load(keys)
            if MODE in ("wrong", "huge"):
                output = output + 1 if output.dtype != np.uint32 else ~output
            reply()
        elif verb == "run":
            runs += 1
            if MODE == "crash":
                print("the accelerator caught fire", file=sys.stderr, flush=True)
                os.abort()
            if MODE == "hang":
                time.sleep(3600)
            if MODE == "rubbish":
                print("Segmentation fault, just kidding", flush=True)
                continue
            if MODE == "negative":
                reply(samples_ns=[-1.0] * int(keys["samples"]))
                continue
            time.sleep(0.01)
            reply(samples_ns=[1e6] * int(keys["samples"]), iterations=1, first_ns=1e6)
        elif verb == "output":
            data = output.tobytes()
            if "path" in keys:
                Path(keys["path"]).write_bytes(data)
                if MODE == "huge":
                    os.truncate(keys["path"], 200 << 30)
            reply(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        else:
            print(json.dumps({"ok": False, "error": f"unknown verb {verb}"}), flush=True)


main()
