#!/usr/bin/env python3
"""An engine of one's own: bgemm with Python's big integers. Needs Python 3.8 and nothing else."""

import hashlib
import json
import sys
import time
from array import array
from pathlib import Path
from urllib.parse import unquote

cases = {}


def hello():
    return {"protocol": 1, "engine": "my_engine", "version": "1.0", "ops": ["bgemm"], "max_threads": 1}


def load(id, op, data, out, m, n, k):
    if id in cases:
        raise ValueError(f"the id '{id}' is taken")
    if op != "bgemm" or out != "i32":
        raise ValueError("only bgemm with out=i32 is done here")
    m, n, k = int(m), int(n), int(k)
    row_bytes = (k + 31) // 32 * 4
    content = Path(data).read_bytes()
    if len(content) != (m + n) * row_bytes:
        raise ValueError(f"{data} does not hold {m} + {n} rows")
    rows = [int.from_bytes(content[at : at + row_bytes], "little") for at in range(0, len(content), row_bytes)]
    cases[id] = {"a": rows[:m], "b": rows[m:], "k": k}
    return {}


def compute(case):
    k, b = case["k"], case["b"]
    case["out"] = array("i", (k - 2 * bin(x ^ y).count("1") for x in case["a"] for y in b))


def run(id, samples, iterations=1, min_sample_ns=0, threads=1, warmup_ns=0, limit_ns=3600 * 10**9):
    case, iterations, limit = cases[id], int(iterations), time.monotonic_ns() + int(limit_ns)

    def block(iterations):
        if time.monotonic_ns() > limit:
            raise ValueError("the run is longer than limit_ns")
        start = time.perf_counter_ns()
        for _ in range(iterations):
            compute(case)
        return (time.perf_counter_ns() - start) / iterations

    first_ns = block(1)
    while block(iterations) * iterations < int(min_sample_ns):
        iterations *= 2
    warm = time.monotonic_ns() + int(warmup_ns)
    while time.monotonic_ns() < warm:
        block(iterations)
    samples_ns = [block(iterations) for _ in range(int(samples))]
    return {"iterations": iterations, "first_ns": first_ns, "samples_ns": samples_ns}


def output(id, path=None):
    data = cases[id]["out"].tobytes()
    if path:
        Path(path).write_bytes(data)
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
        reply = {"ok": True, **verbs[verb](**keys)}
    except (KeyError, TypeError, ValueError, OSError) as error:
        reply = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
