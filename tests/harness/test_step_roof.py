"""The least time that roofs leave to a step, by numbers that can be checked in the head."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import bnnbench as bnn
from bnnbench.harness.tasks.caches import Caches
from bnnbench.harness.tasks.step_roof import StepRoof, step_roof
from bnnbench.kernels.engines.replies import Peaks
from bnnbench.kernels.models.plan.work import Work
from tests.harness.bench import Bench

CACHES = Caches(l1_bytes=1_000, l2_bytes=10_000, last_bytes=100_000)
PEAKS = Peaks(
    popcount_gops=2000.0,
    fma_gflops=100.0,
    int8_gops=400.0,
    read_gb_s={"l1": 200.0, "l2": 100.0, "llc": 20.0, "dram": 10.0},
)
NOTHING = Work(macs_1bit=0, macs_int8=0, macs_f32=0, operations=0, bytes_read=0, bytes_written=0)


def roof_of(**amounts: int) -> StepRoof:
    roof = step_roof(replace(NOTHING, **amounts), PEAKS, CACHES)
    assert roof is not None
    return roof


def test_the_kinds_of_arithmetic_add_up() -> None:
    roof = roof_of(macs_1bit=1_000_000, operations=20_000, bytes_read=600, bytes_written=400)
    assert roof.ns == 1000 + 200
    assert roof.name == "popcount"
    assert roof.parts_ns == {"popcount": 1000, "f32": 200, "l1": 5}


def test_an_epilogue_may_be_most_of_a_step() -> None:
    roof = roof_of(macs_1bit=100_000, operations=20_000)
    assert (roof.ns, roof.name) == (300, "f32")


@pytest.mark.parametrize(
    ("moved", "level", "ns"),
    [(1_000, "l1", 5), (1_001, "l2", 10.01), (10_000, "l2", 100), (100_000, "llc", 5_000), (200_000, "dram", 20_000)],
)
def test_bytes_come_from_the_nearest_level_that_holds_them(moved: int, level: str, ns: float) -> None:
    roof = roof_of(macs_f32=1, bytes_read=moved - 1, bytes_written=1)
    assert roof.name == level
    assert roof.ns == pytest.approx(ns)


def test_of_arithmetic_and_bytes_the_longer_counts() -> None:
    equal = roof_of(macs_int8=20_000, bytes_written=10_000)
    assert (equal.ns, equal.name) == (100, "int8")
    longer = roof_of(macs_int8=20_000, bytes_written=10_000, bytes_read=10_000)
    assert (longer.ns, longer.name) == (1_000, "llc")


def test_without_roofs_there_is_none() -> None:
    work = replace(NOTHING, macs_f32=5, bytes_read=100)
    assert step_roof(work, Peaks(), CACHES) is None
    assert step_roof(NOTHING, PEAKS, CACHES) is None
    only = step_roof(work, Peaks(fma_gflops=1.0), CACHES)
    assert only is not None
    assert only.parts_ns == {"f32": 10}


def test_the_account_adds_up(bench: Bench) -> None:
    done = bench.run("profile", "quicknet_xs", "--runs", "5", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    for op in document["ops"]:
        assert op["over_roof_ns"] == pytest.approx(op["time_ns"] - op["roof_ns"])
        assert op["roof_share"] == pytest.approx(op["roof_ns"] / op["time_ns"])
        assert op["roof"] in op["roofs_ns"]
        assert op["roof_ns"] >= max(op["roofs_ns"].values())
    assert document["roof_ns"] == pytest.approx(sum(op["roof_ns"] for op in document["ops"]))
    assert 0 < document["fastest_ns"] <= document["sum_ns"] * 1.0001
    assert document["roof_share"] == pytest.approx(document["roof_ns"] / document["total_ns"])
    shown = bench.run("profile", "quicknet_xs", "--runs", "5").stdout
    assert "over it" in shown
    assert "are over the steps' roofs, which add up to" in shown
    assert "each step's fastest run" in shown


def test_the_account_in_python() -> None:
    done = bnn.profile("quicknet_xs", runs=2)
    assert done.roof_ns is not None
    assert done.roof_share == pytest.approx(done.roof_ns / done.total_ns)
    assert done.frame["roof_ns"].sum() == pytest.approx(done.roof_ns)
