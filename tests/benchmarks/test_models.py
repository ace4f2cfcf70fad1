"""Whole models against other engines, on one core, interleaved: `make bench`, alone on a quiet machine.

Models come from BNNBENCH_GOLDEN (QuickNetSmall and others, see tests/kernels/test_golden_models.py); what is not there
is made with the same shapes and weights that mean nothing. `lce` and `litert` must be installed to be compared.
The limits are those for CPUs with AVX-512 VPOPCNTDQ; elsewhere ratios are printed and only the order is asserted.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.base import Start
from bnnbench.kernels.engines.client import EngineClient
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.toolchain import build_native
from tests.benchmarks.network_files import FOLDER, network_file
from tests.kernels.engine_process import HOST, EngineProcess

pytestmark = pytest.mark.speed

REPEATS = 15
CPUS = sorted(os.sched_getaffinity(0))
NATIVE = build_native(HOST).path
MEANT = "avx512_vpopcntdq" in Path("/proc/cpuinfo").read_text()
"""Whether the limits are meant for this CPU."""


def start(stack: ExitStack, name: str, path: Path, folder: Path, threads: int = 1) -> EngineClient:
    """An engine with the model loaded, pinned to the last CPUs."""
    engine = ENGINES[name]
    runtime = getattr(engine, "runtime", None)
    if runtime and installed(runtime) is None:
        pytest.skip(f"not installed: bnnbench engines install {runtime}")
    paths = [str(file.path) for file in engine.prepare(HOST, None, None).files]
    command = [word.removeprefix("./") for word in engine.command(Start(paths, local=True))]
    pinned = [str(NATIVE), "exec", "--cpus", ",".join(map(str, CPUS[-threads:])), "--deadline-s", "900", "--"]
    client = stack.enter_context(EngineProcess([*pinned, *command], folder)).client
    client.hello(60)
    if name == "native":
        plan = folder / f"{path.stem}.plan"
        plan.write_bytes(make_plan(graph_of(read_model(path))).to_bytes())
        client.load("m", {"plan": str(plan)})
    else:
        client.load("m", {"model": str(path)}, timeout_s=120)
    return client


def interleaved(clients: Sequence[tuple[EngineClient, int]]) -> list[list[float]]:
    """For each (engine, threads) REPEATS times in ns, taken in turn after a warm-up."""
    times: list[list[float]] = [[] for _ in clients]
    for repeat in range(REPEATS + 1):
        for (client, threads), taken in zip(clients, times, strict=True):
            sample = times_of(client, threads)
            if repeat:
                taken += sample
    return times


def times_of(client: EngineClient, threads: int) -> list[float]:
    """One sample in ns."""
    return client.run("m", samples=1, min_sample_ns=30_000_000, threads=threads, limit_ns=10**11).samples_ns


def roof(client: EngineClient, threads: int) -> float:
    """Billions of popcount operations a second."""
    return client.peak(threads=threads, limit_ns=60_000_000).popcount_gops or 1.0


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Median of the repeats' ratios."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["QuickNetSmall", "QuickNet", "QuickNetLarge"])
def test_against_lce(name: str, tmp_path: Path) -> None:
    path = network_file(name, tmp_path)
    with ExitStack() as stack:
        clients = [start(stack, engine, path, tmp_path) for engine in ("native", "lce", "lce-indirect", "lce-best")]
        native, default, indirect, fastest = interleaved([(client, 1) for client in clients])
    best, plain = min(ratio(indirect, native), ratio(fastest, native)), ratio(default, native)
    print(
        f"\n{name}: native {statistics.median(native) / 1e6:.2f} ms; LCE's best {best:.2f}x, its default {plain:.1f}x"
    )
    assert best >= (7 if MEANT else 1)
    assert plain >= (25 if MEANT else 1)


@pytest.mark.timeout(900)
def test_quicknet_against_float_mobilenet(tmp_path: Path) -> None:
    quicknet, mobilenet = network_file("QuickNet", tmp_path), network_file("MobileNetV1", tmp_path)
    with ExitStack() as stack:
        clients = [start(stack, "native", quicknet, tmp_path), start(stack, "litert", mobilenet, tmp_path)]
        clients.append(start(stack, "native", mobilenet, tmp_path))
        native, litert, own = interleaved([(client, 1) for client in clients])
    print(
        f"\nQuickNet native {statistics.median(native) / 1e6:.2f} ms; float MobileNetV1 on LiteRT "
        f"{ratio(litert, native):.2f}x of that, on native {ratio(own, native):.2f}x"
    )
    assert ratio(litert, native) >= (2.5 if MEANT else 1)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["QuickNetSmall", "QuickNetLarge"])
def test_two_threads(name: str, tmp_path: Path) -> None:
    if len(CPUS) < 2:
        pytest.skip("one CPU")
    path = network_file(name, tmp_path)
    with ExitStack() as stack:
        one, two = start(stack, "native", path, tmp_path), start(stack, "native", path, tmp_path, threads=2)
        gains, roofs = [], []
        for _ in range(2 * REPEATS):
            (single,), (double,) = (times_of(client, threads) for client, threads in ((one, 1), (two, 2)))
            gains.append(single / double)
            roofs.append(roof(two, 2) / roof(one, 1))
    gain, limit = statistics.median(gains), statistics.median(roofs)
    print(f"\n{name}: two threads {gain:.2f}x, where popcounts on registers alone gain {limit:.2f}x")
    # On a shared machine two CPUs may be less than twice one, whatever runs on them.
    assert gain >= min(1.7, 0.85 * limit)


def test_from_plan_file_to_first_result(tmp_path: Path) -> None:
    path = network_file("QuickNet", tmp_path)
    plan = tmp_path / "plan"
    plan.write_bytes(make_plan(graph_of(read_model(path))).to_bytes())
    np.zeros(224 * 224 * 3, np.float32).tofile(tmp_path / "input")
    taken = []
    for _ in range(15):
        started = time.monotonic()
        with EngineProcess([NATIVE], tmp_path) as engine:
            engine.client.load("m", {"plan": "plan"})
            engine.client.infer("m", input="input", output="output", count=1, limit_ns=10**10)
            taken.append(time.monotonic() - started)
    print(f"\n{path.stem}: {statistics.median(taken) * 1e3:.1f} ms from the start of the process to the first result")
    assert statistics.median(taken) < 0.05


def test_profile_adds_up_to_the_whole(tmp_path: Path) -> None:
    with ExitStack() as stack:
        client = start(stack, "native", network_file("QuickNetSmall", tmp_path), tmp_path)
        client.profile("m", runs=10, limit_ns=10**11)
        profile = client.profile("m", runs=50, limit_ns=10**11)
    shares = [sum(op.ns[i] for op in profile.ops) / total for i, total in enumerate(profile.total_ns)]
    print(f"\nthe steps' times are {statistics.median(shares):.4f} of the whole")
    assert 0.97 <= statistics.median(shares) <= 1.03


def test_memory_of_quicknet_small(tmp_path: Path) -> None:
    with ExitStack() as stack:
        client = start(stack, "native", network_file("QuickNetSmall", tmp_path), tmp_path)
        ran = client.run("m", samples=3, iterations=1, limit_ns=10**11)
    print(f"\nQuickNetSmall: peak resident set {(ran.peak_rss_bytes or 0) / 1e6:.1f} MB")
    assert 1_000_000 < (ran.peak_rss_bytes or 0) < 20_000_000


def test_arenas_are_as_small_as_they_can_be() -> None:
    for path in sorted(FOLDER.glob("*.tflite")):
        plan = make_plan(graph_of(read_model(path)))
        assert plan.arena_bytes <= 1.1 * plan.live_bytes, path.stem
