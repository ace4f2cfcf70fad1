"""The plan: every combination is a case or a skip with its reason; the order is the seed's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.devices.spec import DeviceSpec
from bnnbench.harness.plan.cases import make_plan, schedule
from bnnbench.harness.plan.target import Target
from bnnbench.harness.suite.load import load_suites
from bnnbench.harness.workload.of_suite import workloads
from bnnbench.kernels.engines import ENGINES, EngineFiles
from bnnbench.kernels.toolchain import EngineBuild

WORKLOADS = workloads(load_suites([]))
NATIVE, NUMBA = ENGINES["native"], ENGINES["numba"]


def target(triple: str | None = "x86_64-linux-musl", cores: tuple[int, ...] = (0, 1)) -> Target:
    build = EngineBuild("native", triple or "", None, "b" * 64, "c" * 64, Path("engine"))
    facts = DeviceFacts({"triple": Fact(triple, "the processor is a vax")})
    files = EngineFiles(build, ())
    return Target(
        DeviceSpec("board"), facts, cores, {"native": None, "numba": "avx2"}, {"native": files, "numba": files}
    )


def test_every_combination_is_a_case_or_a_skip() -> None:
    plan = make_plan(WORKLOADS, [NATIVE, NUMBA], [1, 2], [target()])
    assert len(plan.records) + len(plan.skips) == 4 * 2 * 2
    assert len({record.id for record in plan.records}) == len(plan.records)


def test_skips_say_why() -> None:
    reasons = {skip.reason for skip in make_plan(WORKLOADS, [NATIVE, NUMBA], [2], [target()]).skips}
    assert reasons == {
        "the Numba reference runs on one thread, not 2",
    }
    (skip, *_) = make_plan(WORKLOADS, [NATIVE], [1], [target(triple=None)]).skips
    assert "a vax" in skip.reason
    (skip, *_) = make_plan(WORKLOADS, [NATIVE], [1], [replace(target(), builds={})]).skips
    assert skip.reason == "there is no native engine for this device"


def test_more_threads_than_cores() -> None:
    class Wide(type(NATIVE)):  # type: ignore[misc]
        def refusal(self, threads: int, triple: str, local: bool) -> None:
            return None

    (skip, *_) = make_plan(WORKLOADS, [Wide()], [3], [target()]).skips
    assert skip.reason == "3 threads need as many cores; 2 are selected on this device"


def test_pattern_keeps_what_it_finds() -> None:
    plan = make_plan(WORKLOADS, [NATIVE], [1], [target()], pattern="28x28|7x7x")
    assert [record.workload for record in plan.records] == ["bconv2d 28x28x128->128 3x3", "bconv2d 7x7x512->512 3x3"]


def test_the_order_is_the_seeds() -> None:
    cases = make_plan(WORKLOADS, [NATIVE], [1], [target()]).cases["board"]
    first = schedule(cases, 7, seed=1, device="board")
    assert first == schedule(cases, 7, seed=1, device="board")
    assert first != schedule(cases, 7, seed=2, device="board")
    assert sorted(index for _, index in first) == sorted(list(range(7)) * 4)


def test_a_skip_knows_its_workload() -> None:
    (workload, *_) = WORKLOADS
    plan = make_plan([workload], [NATIVE], [8], [target()])
    (skip,) = plan.skips
    assert (skip.kind, skip.op, skip.threads) == ("kernel", workload.op, 8)
    assert skip.macs_1bit == workload.figures()["macs_1bit"]
    assert skip.bytes_moved == workload.figures()["bytes_moved"]
