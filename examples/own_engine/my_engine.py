#!/usr/bin/env python3
"""An engine of one's own: bgemm with Python's big integers. Needs Python 3.8 and nothing else."""

import hashlib
import json
import sys
import time
from array import array
from pathlib import Path
from urllib.parse import unquote

case = {}


def hello(keys):
    return {"protocol": 1, "engine": "my_engine", "version": "1.0", "ops": ["bgemm"], "max_threads": 1}


def load(keys):
    if keys["out"] != "i32":
        raise ValueError("only out=i32 is done here")
    m, n, k = (int(keys[name]) for name in "mnk")
    row_bytes = (k + 31) // 32 * 4
    data = Path(keys["data"]).read_bytes()
    rows = [int.from_bytes(data[start : start + row_bytes], "little") for start in range(0, len(data), row_bytes)]
    if len(rows) != m + n:
        raise ValueError(f"{keys['data']} does not hold {m} + {n} rows")
    case.update(a=rows[:m], b=rows[m:], k=k)
    return {}


def compute():
    k, b = case["k"], case["b"]
    case["out"] = array("i", (k - 2 * bin(x ^ y).count("1") for x in case["a"] for y in b))


def run(keys):
    def block(iterations):
        start = time.perf_counter_ns()
        for _ in range(iterations):
            compute()
        return (time.perf_counter_ns() - start) / iterations

    first_ns, iterations = block(1), int(keys.get("iterations", 1))
    while "min_sample_ns" in keys and block(iterations) * iterations < int(keys["min_sample_ns"]):
        iterations *= 2
    warm = time.monotonic_ns() + int(keys["warmup_ns"])
    while time.monotonic_ns() < warm:
        block(iterations)
    samples = [block(iterations) for _ in range(int(keys["samples"]))]
    return {"iterations": iterations, "first_ns": first_ns, "samples_ns": samples}


def output(keys):
    data = case["out"].tobytes()
    if "path" in keys:
        Path(keys["path"]).write_bytes(data)
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


verbs = {"hello": hello, "load": load, "run": run, "output": output}
for line in sys.stdin:
    verb, *words = line.split() or [""]
    if verb == "quit":
        break
    try:
        if verb not in verbs:
            raise ValueError(f"the verb '{verb}' is unknown")
        keys = {key: unquote(value) for key, _, value in (word.partition("=") for word in words)}
        reply = {"ok": True, **verbs[verb](keys)}
    except (KeyError, ValueError, OSError) as error:
        reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
