"""An engine of the tests with a clock of its own: it replays recorded noise, times what its first line of settings
says.

Its file is this one with another line `SETTINGS = {...}`, so that base and head are two programs. Fresh processes take
the next recorded invocation each, counted in a file.

    factor      its times over the recorded ones
    noise       multiplies the recorded deviations
    drift       grows its samples by this share from the first to the last
    throttle    share of its invocations whose clock (and time) is off by 6 %
    flag        share of its invocations in which a watched throttle word rises
    memory      its peak memory over 10 MB
    instructions  its instructions over a million; it then reports counters, with two cycles for each ns
    dies_at     crashes at this invocation
    lies        answers `run` with another number of samples than were asked for
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

# Each of hundreds of processes imports this: what few of them need is imported where it is needed.

SETTINGS: dict[str, float] = {}
NANOSECONDS, HERTZ = 1e6, 2e9


def reply(**keys: object) -> None:
    print(json.dumps({"ok": True, **keys}), flush=True)


def output_of(keys: dict[str, str], shared: str) -> bytes:
    """The right output, computed by the oracle once, in a process that may import it, and kept beside the counter."""
    kept = f"{shared}/{hashlib.sha256(repr(sorted(keys.items())).encode()).hexdigest()}.out"
    if not os.path.exists(kept):
        import subprocess

        subprocess.run([sys.executable, __file__, "oracle", json.dumps(keys), kept], check=True)
    with open(kept, "rb") as file:
        return file.read()


def write_output(keys: dict[str, str], kept: str) -> None:
    from dataclasses import fields
    from pathlib import Path

    import numpy as np

    from bnnbench.kernels.ops import NUMPY_DTYPE, SPECS
    from bnnbench.kernels.reference import oracle

    names = [field.name for field in fields(SPECS[keys["op"]]) if field.name in keys]  # kernel= is rarely there
    spec = SPECS[keys["op"]](**{n: int(keys[n]) if keys[n].lstrip("-").isdigit() else keys[n] for n in names})
    raw, arrays, start = Path(keys["data"]).read_bytes(), {}, 0
    for array in spec.inputs():
        dtype = np.dtype(NUMPY_DTYPE[array.dtype])
        count = int(np.prod(array.shape))
        arrays[array.name] = np.frombuffer(raw, dtype, count, start).reshape(array.shape)
        start += count * dtype.itemsize
    Path(kept).write_bytes(oracle.run(spec, arrays).tobytes())


def next_number(shared: str, name: str) -> int:
    with open(f"{shared}/{name}.count", "a+") as counter:
        counter.seek(0)
        number = int(counter.read() or 0)
        counter.truncate(0)
        counter.write(str(number + 1))
    return number


def happens(name: str, share: float) -> bool:
    """In this share of the names."""
    if not share:
        return False
    import random

    return random.Random(name).random() < share  # noqa: S311


def samples(recorded: list[list[float]], number: int, wanted: int) -> list[float]:
    """Deviations of the next recorded invocation, as times."""
    row = recorded[number % len(recorded)]
    drift, factor, noise = (SETTINGS.get(key, default) for key, default in (("drift", 0), ("factor", 1), ("noise", 1)))
    return [
        NANOSECONDS * factor * (1 + noise * row[i % len(row)]) * (1 + drift * i / max(wanted - 1, 1))
        for i in range(wanted)
    ]


def main() -> None:
    if sys.argv[1] == "oracle":
        write_output(json.loads(sys.argv[2]), sys.argv[3])
        return
    shared, recording = sys.argv[1:3]
    with open(recording) as file:
        recorded = json.load(file)["deviations"]
    mine = hashlib.sha256(repr(sorted(SETTINGS.items())).encode()).hexdigest()[:8]
    output = b""
    for line in sys.stdin:
        verb, *words = line.split()
        keys = dict(word.split("=", 1) for word in words)
        if verb == "quit":
            return
        if verb == "hello":
            reply(protocol=1, engine="replay")
        elif verb == "load":
            keys.pop("id")
            output = output_of(keys, shared)
            reply()
        elif verb == "run":
            wanted = int(keys["samples"])
            number = next_number(shared, "all") if int(keys.get("warmup_ns", "0")) or wanted > 1 else 0
            own = next_number(shared, mine)
            if own == SETTINGS.get("dies_at"):
                print("out of memory in layer 3", file=sys.stderr, flush=True)
                os.abort()
            times, clock = samples(recorded, number, wanted), HERTZ
            if happens(f"{mine} {own}", SETTINGS.get("throttle", 0)):
                times, clock = [one * 1.06 for one in times], HERTZ / 1.06
            if SETTINGS.get("lies") and wanted == 10:
                times = times[:-1]
            risen = happens(f"flag {mine} {own}", SETTINGS.get("flag", 0))
            watch = {"/sys/devices/platform/soc/soc:firmware/get_throttled": ["50000", "50004" if risen else "50000"]}
            memory = round(10_000_000 * SETTINGS.get("memory", 1))
            counted = {"cycles": 2 * sum(times) / len(times), "instructions": 1e6 * SETTINGS.get("instructions", 0)}
            reply(
                **({"counters": counted} if counted["instructions"] else {}),
                samples_ns=times,
                iterations=1,
                first_ns=times[0],
                clock_hz=[clock] * wanted,
                watch=watch,
                peak_rss_bytes=memory,
            )
        elif verb == "output":
            if "path" in keys:
                with open(keys["path"], "wb") as file:
                    file.write(output)
            reply(sha256=hashlib.sha256(output).hexdigest(), bytes=len(output))
        else:
            print(json.dumps({"ok": False, "error": f"unknown verb {verb}"}), flush=True)


main()
