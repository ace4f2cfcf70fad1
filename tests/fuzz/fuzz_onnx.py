"""Mutated `.onnx` files against reader, importer, description and planner: `make fuzz`.

usage: python -m tests.fuzz.fuzz_onnx [--count 100000] [--seed 0]

Whatever is in a file, the answer is a plan or one ModelError of one sentence, within 10 s and 2 GB. Files are tried in
processes of their own, so that one that hangs or takes too much is known. A file that breaks this is kept.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.formats import FORMATS
from bnnbench.kernels.models.onnx_file import parse_onnx
from bnnbench.kernels.models.plan import make_plan
from tests.fuzz.onnx_mutation import mutated
from tests.kernels.onnx_models.cases import CASES, build
from tests.kernels.onnx_models.int8_ops import OPS, built

EXPORTED = Path(__file__).parents[1] / "kernels/onnx_models/brevitas"
HANG_S = 10.0
SLOW_S = 2.0
MEMORY_BYTES = 2 << 30
PER_PROCESS = 2500
NAME = Path("mutated.onnx")
ONNX = FORMATS["onnx"]
READ, REFUSED, BROKEN = "read", "refused", "broken"
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")


def contents() -> list[bytes]:
    """The files that are mutated: a small one for each op, in floats and on int8, and for each way to write signs, and
    networks of Brevitas."""
    exported = [lzma.decompress((EXPORTED / f"{name}.onnx.xz").read_bytes()) for name in ("tfc_w1a1", "mobilenet")]
    small = [build(name) for name in CASES] + [built(name, seed) for name in OPS for seed in range(2)]
    return small * 10 + exported  # these take a hundred times as long


def tried(content: bytes) -> str:
    """How a file ended. Raises what nobody should see, AssertionError for an error that is not one sentence."""
    try:
        model = parse_onnx(content, NAME)
        make_plan(ONNX.to_graph(model, 1)).to_bytes()
        ONNX.describe(model)
        ONNX.layers(model)
        ONNX.as_written(model)
    except ModelError as error:
        text = str(error)
        assert "\n" not in text, text
        assert text.endswith((".", "?")), text
        assert str(NAME) in text, text
        return REFUSED
    return READ


def try_some(seed: int, count: int, progress: Path) -> dict[str, float]:
    """Tries `count` files in this process, with its memory limited; `progress` has the seed at work."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    files, counts, longest = contents(), Counter[str](), 0.0
    for number in range(seed, seed + count):
        content = mutated(files[number % len(files)], number)
        progress.write_text(str(number))
        started = time.process_time()
        try:
            counts[tried(content)] += 1
        except Exception:
            counts[BROKEN] += 1
            traceback.print_exc()
            Path(f"failed-{number}.onnx").write_bytes(content)
            print(f"mutation {number} broke it; kept as failed-{number}.onnx", file=sys.stderr, flush=True)
        taken = time.process_time() - started
        longest = max(longest, taken)
        if taken > SLOW_S:
            print(f"mutation {number} took {taken:.1f} s of the processor", file=sys.stderr, flush=True)
    return {**counts, "longest_s": longest, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def in_a_process(seed: int, count: int, folder: Path) -> dict[str, float] | None:
    """What `try_some` tells; None where the process hung or died, and then the file is kept."""
    progress = folder / "seed"
    code = (
        "import json, sys; from pathlib import Path; from tests.fuzz.fuzz_onnx import try_some; "
        "print(json.dumps(try_some(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))"
    )
    command = [sys.executable, "-c", code, str(seed), str(count), str(progress)]
    progress.write_text("")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | _ONE_THREAD) as process:
        while True:
            try:
                told, _ = process.communicate(timeout=1)
                break
            except subprocess.TimeoutExpired:
                has_begun = progress.read_text() != ""
                # The machine may be busy with other things, and imports take their time.
                if time.time() - progress.stat().st_mtime > (4 if has_begun else 30) * HANG_S:
                    process.kill()
                    told, _ = process.communicate()
    if process.returncode == 0:
        found: dict[str, float] = json.loads(told)
        return found
    at = progress.read_text()
    if at:
        files = contents()
        Path(f"failed-{at}.onnx").write_bytes(mutated(files[int(at) % len(files)], int(at)))
    print(f"mutation {at} ended the process with {process.returncode}; kept as failed-{at}.onnx", flush=True)
    return None


def main() -> int:
    """0 when nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    counts, longest, peak = Counter[str](), 0.0, 0.0
    with tempfile.TemporaryDirectory() as name:
        for start in range(0, arguments.count, PER_PROCESS):
            found = in_a_process(arguments.seed + start, min(PER_PROCESS, arguments.count - start), Path(name))
            if found is None:
                return 1
            counts.update({kind: int(found.get(kind, 0)) for kind in (READ, REFUSED, BROKEN)})
            longest, peak = max(longest, found["longest_s"]), max(peak, found["peak_bytes"])
            print(
                f"{sum(counts.values())} files: {counts[READ]} read, {counts[REFUSED]} refused, {counts[BROKEN]} "
                f"broken; the longest took {longest:.2f} s of the processor, peak resident set {peak / 1e6:.0f} MB",
                flush=True,
            )
    return 1 if counts[BROKEN] or longest > HANG_S else 0


if __name__ == "__main__":
    sys.exit(main())
