"""A pytest plugin: `device_benchmark` times workloads on a device, as if pytest-benchmark had timed them here.

Inert unless asked: without `--bnn-device`, tests that use the fixture are skipped, and nothing else is loaded.

    def test_quicknet(device_benchmark):
        device_benchmark("quicknet_m")           # a shipped model, a .tflite, or a table of a suite

    pytest --bnn-device=pi4 --benchmark-json=now.json --benchmark-compare

On a device that counts instructions (`qemu://cortex-a72`), a nanosecond of pytest-benchmark is one instruction: it
knows no other unit. `extra_info` says so, and has the count. Counts repeat to the digit, so small differences may fail:

    pytest --bnn-device=qemu://cortex-a72 --benchmark-compare-fail=mean:1%
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bnnbench.results.export.timed import Timed

FIXTURE = "device_benchmark"


class _ReplayedClock:
    """A timer for pytest-benchmark that stands still but for what was measured on the device."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("bnnbench")
    group.addoption(
        "--bnn-device",
        metavar="NAME",
        help="measure device_benchmark on this device; without it these tests are skipped",
    )
    group.addoption("--bnn-engine", metavar="NAME", default="native", help="engine to measure (default: native)")
    group.addoption(
        "--bnn-invocations", metavar="N", type=int, default=7, help="fresh processes per benchmark (default: 7)"
    )
    group.addoption("--bnn-inventory", metavar="FILE", help="device list (default: as bnnbench run)")
    group.addoption(
        "--bnn-store", metavar="DIR", help="folder of stored runs, or s3://BUCKET/PREFIX (default: as bnnbench run)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest-benchmark takes a test's timer from a marker, and knows its own tests by their fixture."""
    for item in items:
        names = getattr(item, "fixturenames", [])
        if FIXTURE in names and config.pluginmanager.hasplugin("benchmark"):
            names.append("benchmark")
            item.add_marker(pytest.mark.benchmark(timer=_ReplayedClock(), warmup=False))


@pytest.fixture
def device_benchmark(request: pytest.FixtureRequest) -> Callable[..., Timed]:
    """Measures one workload on the device and hands its times to pytest-benchmark, a round for each invocation."""
    config = request.config
    device = config.getoption("--bnn-device")
    if device is None:
        pytest.skip("no device was named: pytest --bnn-device=NAME")
    if not config.pluginmanager.hasplugin("benchmark"):
        pytest.skip("pytest-benchmark is not installed")
    benchmark = request.getfixturevalue("benchmark")
    marker = request.node.get_closest_marker("benchmark")
    clock: _ReplayedClock = marker.kwargs["timer"]

    def measure(workload: str | Path | Mapping[str, Any], *, threads: int = 1) -> Timed:
        timed = _measure(workload, device, threads, config)
        counts = timed.counts if timed.result.latency is None else []
        rounds = counts or timed.medians_ns
        times = iter(rounds)

        def advance() -> None:
            clock.now_s += next(times) / 1e9

        case = timed.result.case
        benchmark.extra_info.update(
            device=case.device, engine=case.engine, isa=timed.result.isa, workload=case.workload, threads=threads
        )
        if counts:
            benchmark.extra_info.update(instructions=counts[0], unit="1 ns is 1 instruction")
        benchmark.pedantic(advance, rounds=len(rounds), iterations=1)
        return timed

    return measure


def _measure(workload: str | Path | Mapping[str, Any], device: str, threads: int, config: pytest.Config) -> Timed:
    import sys

    from bnnbench.results.export.timed import counted_cases, timed_cases
    from bnnbench.results.store.runs import Store

    from .bench.context import Silent
    from .cli.failure import explain
    from .plan.config import RunConfig
    from .run.start import start_run
    from .suite.load import suite_of_one

    try:
        run = RunConfig(
            suite=suite_of_one(workload, config.getoption("--bnn-engine"), config.getoption("--bnn-invocations")),
            devices=[device],
            threads=[threads],
            inventory=config.getoption("--bnn-inventory"),
        )
        done = start_run(run, Store(config.getoption("--bnn-store")), Silent(), ["pytest", *sys.argv[1:]])
    except Exception as error:
        pytest.fail(explain(error)[0], pytrace=False)
    timed = [*timed_cases(done.stored), *counted_cases(done.stored)]
    if not timed:
        from bnnbench.results import load

        rows = load(done.stored)
        reasons = [str(reason) for reason in rows["reason"].dropna()] or [
            "times of an emulated device mean nothing, and nothing was counted"
        ]
        pytest.fail(f"{rows['workload'].iloc[0]} has no figures on {device}: {reasons[0]}", pytrace=False)
    return timed[0]
