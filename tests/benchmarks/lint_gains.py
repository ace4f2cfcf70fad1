"""What `model lint` predicts that mending saves, against what it saves: `python -m tests.benchmarks.lint_gains [ISA]`.

Every bad model of `tests/kernels/bad_models.py` and the mended one alternate in one process of the native engine. Times
are sums of the steps' medians over rounds. 48 channels are mended by 64, which do more: their gain is the time beyond
that of as many MACs at the speed of 64.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bnnbench.harness.tasks.caches import caches
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.lint import Roofs, lint_model, measured_rates
from bnnbench.kernels.models.model import ModelFile
from bnnbench.kernels.models.plan import ExecutionPlan, make_plan
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.kernels.toolchain import build_native
from tests.kernels.bad_models import BAD, MENDED
from tests.kernels.engine_process import HOST, EngineProcess
from tests.kernels.model_builder import Builder

ROUNDS, RUNS = 15, 20
_LIMIT_NS = 600_000_000_000
_WITHIN = 2.0
_SMALL = 32
"""Side of an image of 64 channels that the second cache holds."""


@dataclass(frozen=True)
class Loaded:
    """A model in the engine."""

    model: ModelFile
    graph: Graph
    plan: ExecutionPlan


def _load(client: EngineClient, folder: Path, name: str, content: bytes) -> Loaded:
    path = folder / f"{name}.tflite"
    path.write_bytes(content)
    model = read_model(path)
    graph = graph_of(model)
    plan = make_plan(graph)
    (folder / f"{name}.plan").write_bytes(plan.to_bytes())
    client.load(name, {"plan": f"{name}.plan"})
    return Loaded(model, graph, plan)


def _times(client: EngineClient, names: Sequence[str]) -> dict[str, dict[int, float]]:
    """Model -> step -> ns."""
    seen: dict[str, dict[int, list[float]]] = {name: {} for name in names}
    for _ in range(ROUNDS):
        for name in names:
            timed = client.profile(name, runs=RUNS, limit_ns=_LIMIT_NS)
            for op in timed.ops:
                seen[name].setdefault(op.index, []).append(median(op.ns))
    return {name: {step: median(values) for step, values in steps.items()} for name, steps in seen.items()}


def _binary_ns(plan: ExecutionPlan, times: dict[int, float]) -> tuple[float, int]:
    steps = [number for number, step in enumerate(plan.steps) if step.macs_1bit]
    return sum(times[number] for number in steps), sum(plan.steps[number].macs_1bit for number in steps)


@dataclass(frozen=True)
class Case:
    """A bad model and the mended one, of which `times` are as much work."""

    name: str
    finding: str
    bad: bytes
    mended: bytes
    times: int = 1


def _cases() -> Iterator[Case]:
    """Those made here, ops on large tensors against many on small ones, and a pair that comes with the package."""
    for name, (finding, make) in BAD.items():
        yield Case(name, finding, make().content(), MENDED[name]().content())
    for size in (64, 128, 256):
        for op, make_op in (("pool", _pool), ("sum", _sum)):
            small = make_op(_SMALL).content()
            yield Case(f"{op} of {size}x{size}", "out-of-cache", make_op(size).content(), small, (size // _SMALL) ** 2)
    shipped = shipped_models()
    names = ("quicknet_m_zero_padded", "quicknet_m")
    yield Case(names[0], "zero-padding", shipped[names[0]].read_bytes(), shipped[names[1]].read_bytes())


def _pool(size: int) -> Builder:
    b = Builder()
    x = b.input((1, size, size, 64))
    options = {"padding": 1, "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
    b.outputs = [b.op("MAX_POOL_2D", [x], b.tensor((1, size // 2, size // 2, 64)), "Pool2DOptions", **options)]
    return b


def _sum(size: int) -> Builder:
    b = Builder()
    shape = (1, size, size, 64)
    b.outputs = [b.op("ADD", [b.input(shape), b.input(shape)], b.tensor(shape), "AddOptions")]
    return b


def main(isa: str) -> int:
    """Prints a row for each bad model; status 1 when a prediction is not within a factor of two. `isa` is a level of
    this CPU, or empty for the best."""
    wrong = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        with EngineProcess([build_native(HOST).path, *(["--isa", isa] if isa else [])], folder) as process:
            client = process.client
            print(f"ISA level {client.hello().isa}")
            peaks = client.peak(isa=isa or None)
            sizes, read = caches("local", None), peaks.read_gb_s or {}
            roofs = Roofs(peaks.popcount_gops, peaks.fma_gflops, read, sizes.l2_bytes, sizes.last_bytes)
            print(f"{'model':23} {'finding':18} {'time':>9} {'predicted':>10} {'measured':>9}  ratio")
            for case in _cases():
                bad, finding = case.name.replace(" ", "-"), case.finding
                mended = _load(client, folder, "good", case.mended)
                it = _load(client, folder, bad, case.bad)
                both = _times(client, ["good", bad])
                total = sum(both[bad].values())
                gain = total - case.times * sum(both["good"].values())
                if finding == "partial-words":
                    own, own_macs = _binary_ns(it.plan, both[bad])
                    other, other_macs = _binary_ns(mended.plan, both["good"])
                    gain = own - other * own_macs / other_macs
                rates = measured_rates(it.plan.steps, both[bad], roofs)
                found = lint_model(it.model, it.graph, it.plan, rates).findings
                cost = sum(each.cost for each in found if each.id == finding)
                ratio = cost / gain if gain else 0.0
                is_near = 1 / _WITHIN <= ratio <= _WITHIN
                wrong += not is_near
                row = f"{bad:23} {finding:18} {total / 1e3:6.1f} us {cost / 1e3:7.1f} us {gain / 1e3:6.1f} us"
                client.unload("good")
                client.unload(bad)
                print(f"{row}  {ratio:5.2f}{'' if is_near else '  not within 2'}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if sys.argv[1:] else ""))
