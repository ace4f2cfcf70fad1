"""Mutated plans against the native engine, built with AddressSanitizer and UBSan: `make fuzz`.

usage: python -m tests.fuzz.fuzz_plans [--count 100000] [--seed 0] [--engine PATH]

The engine must answer every plan: with `ok`, and then run it, or with one sentence, within 2 s. It may not crash, touch
what is not its own, or take more memory than its limit. A plan at which it fails is kept, and the seed is told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.tflite_file import parse, read
from tests.fuzz.plan_mutation import mutated
from tests.fuzz.sanitized_engine import sanitized_engine
from tests.kernels.engine_process import EngineProcess
from tests.kernels.mobilenets import one_block
from tests.kernels.model_builder import PATH
from tests.kernels.narrow_weights import with_f16_weights
from tests.kernels.random_int8_models import ALL_MAKERS
from tests.kernels.random_models import one_op
from tests.kernels.test_8_bit_tables import uint8_model

GOLDEN = Path(__file__).parents[1] / "golden"
HANG_S = 2.0
RUNS_UP_TO_BYTES = 4 << 20
"""Arena of the largest mutated model that is also run: a large one may well take its time."""


_OPS = {
    "int8": (
        "SOFTMAX",
        "PRELU",
        "RELU6",
        "ADD",
        "MUL",
        "MEAN",
        "FULLY_CONNECTED",
        "QUANTIZE",
        "AVERAGE_POOL_2D",
        "GATHER",
        "MINIMUM int8",
        "HARD_SWISH int8",
    ),
    "float32": ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SQUARED_DIFFERENCE", "TANH", "RSQRT", "MIRROR_PAD"),
}


def seed_plans() -> list[bytes]:
    """Plans of the small golden models, fused and not, with batch 1 and 2, and of ops that these lack."""
    plans = [make_plan(uint8_model().graph()).to_bytes()]
    for kind in ("f32", "int8"):
        plans.append(make_plan(import_model(parse(one_block(kind), PATH))).to_bytes())
    plans.append(make_plan(with_f16_weights(parse(one_block("f32"), PATH)).graph()).to_bytes())
    for dtype, names in _OPS.items():
        for name in names:
            graph = import_model(parse(one_op(ALL_MAKERS[name][1], dtype, 3).builder.content(), PATH))
            plans.append(make_plan(graph).to_bytes())
    for path in sorted(GOLDEN.glob("*.tflite")):
        for batch in (1, 2):
            graph = import_model(read(path), batch)
            plans += [make_plan(graph).to_bytes(), make_plan(graph, without=frozenset({"epilogue", "bits"})).to_bytes()]
    return plans


def try_plan(client: EngineClient, path: str) -> bool:
    """Whether it was accepted (and then run); a refusal is checked. Raises EngineError when it is none."""
    started = time.monotonic()
    try:
        loaded = client.load("m", {"plan": path}, timeout_s=HANG_S)
        accepted = True
        if (loaded.arena_bytes or 0) <= RUNS_UP_TO_BYTES:
            client.run("m", samples=1, iterations=1, limit_ns=10**9)
            client.output("m", timeout_s=HANG_S)
        client.unload("m")
    except EngineError as error:
        text = str(error)
        if " refused " not in text or text.endswith("refused load: .") or "\n" in text:
            raise
        accepted = False
    if time.monotonic() - started > 2 * HANG_S:
        raise EngineError("the engine took too long.")
    return accepted


def main() -> int:
    """0 when nothing broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", type=Path, help="an engine that is built already")
    arguments = parser.parse_args()
    plans = seed_plans()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = arguments.engine or sanitized_engine(folder)
        accepted, tried, started = 0, 0, time.monotonic()
        while tried < arguments.count:
            with EngineProcess([engine], folder) as process:
                # A fresh process now and then, so that one that loses memory does not go unseen for long.
                for _ in range(min(5000, arguments.count - tried)):
                    seed = arguments.seed + tried
                    plan = mutated(plans[seed % len(plans)], seed)
                    (folder / "plan").write_bytes(plan)
                    try:
                        accepted += try_plan(process.client, "plan")
                    except EngineError as error:
                        kept = Path(f"failed-{seed}.plan")
                        kept.write_bytes(plan)
                        print(f"mutation {seed} broke the engine: {error}\nkept as {kept}\n{process.errors()}")
                        return 1
                    tried += 1
            rate = tried / (time.monotonic() - started)
            print(
                f"{tried} mutations, {accepted} accepted, {tried - accepted} refused, {rate:.0f} a second", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
