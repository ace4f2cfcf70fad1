"""An engine of the tests that becomes hot: a first-order thermal model with a throttle, in seconds instead of minutes.

    engine FOLDER EXECUTION_NS GAIN

Its times are 1 / speed of `tests/simulation/sustained.py` with `HEATING_S` and `LIMIT`, 1 % of white noise on each run.
Each process begins cold, and really takes as long as it says. The right output is the oracle's, kept in FOLDER.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import subprocess
import sys
import time

HEATING_S, LIMIT = 1.5, 0.6
ORACLE = "ORACLE"  # the path of replay_engine.py, which computes outputs


def reply(**keys: object) -> None:
    print(json.dumps({"ok": True, **keys}), flush=True)


def output_of(keys: dict[str, str], shared: str) -> bytes:
    kept = f"{shared}/{hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()}.out"
    if not os.path.exists(kept):
        subprocess.run([sys.executable, ORACLE, "oracle", json.dumps(keys), kept], check=True)
    with open(kept, "rb") as file:
        return file.read()


def speed(seconds: float, gain: float) -> float:
    after = max(0.0, seconds + HEATING_S * math.log(1 - LIMIT))
    return 1 - (1 - (1 + gain * LIMIT) / (1 + gain)) * (1 - math.exp(-after * (1 + gain) / HEATING_S))


def main() -> None:
    shared, execution_ns, gain = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    output, begun, noise = b"", 0.0, random.Random(5)  # noqa: S311
    for line in sys.stdin:
        verb, *words = line.split()
        keys = dict(word.split("=", 1) for word in words)
        if verb == "quit":
            return
        if verb == "hello":
            reply(protocol=1, engine="thermal")
        elif verb == "load":
            keys.pop("id")
            output = output_of(keys, shared)
            reply()
        elif verb == "run":
            begun = begun or time.monotonic()
            count, each = int(keys["samples"]), int(keys.get("iterations", "1"))
            factor, times = 1 + noise.gauss(0, 0.01), []
            now = time.monotonic() - begun
            for _ in range(count):
                times.append(execution_ns / speed(now, gain) * factor)
                now += times[-1] * each * 1e-9
            time.sleep(max(0.0, now - (time.monotonic() - begun)))
            reply(samples_ns=times, iterations=each, first_ns=times[0])
        elif verb == "output":
            if "path" in keys:
                with open(keys["path"], "wb") as file:
                    file.write(output)
            reply(sha256=hashlib.sha256(output).hexdigest(), bytes=len(output))
        else:
            print(json.dumps({"ok": False, "error": f"unknown verb {verb}"}), flush=True)


main()
