"""What commands print as tables: every figure whole, with its interval, at any width."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bnnbench.devices.facts import DeviceFacts, Fact
from bnnbench.harness.cli.device_tables import print_facts
from bnnbench.harness.cli.profile_table import print_profile
from bnnbench.harness.tasks.op_times import EngineOp, EngineOps
from bnnbench.harness.tasks.profile import ModelProfile, OpTime
from bnnbench.harness.tasks.side_by_side import OpGroup
from bnnbench.kernels.engines.replies import Peaks

WIDTHS = [*range(40, 201, 10), None]


def op(index: int, name: str, ns: float) -> OpTime:
    return OpTime(
        index=index,
        op="bconv2d",
        name=name,
        kernel="bconv f32 6x16",
        time_ns=ns,
        low_ns=ns * 0.93,
        high_ns=ns * 1.4,
        share=0.31,
        gops=2412.0,
        macs_1bit=1,
        macs_32bit=0,
        bytes_moved=1,
        roof="popcount",
        roof_share=0.078,
    )


PROFILE = ModelProfile(
    ops=(op(0, "op2 LceBconv2d + ADD + LceQuantize", 3470.0), op(1, "op24 FULLY_CONNECTED", 213_500.0)),
    total_ns=2.89e6,
    total_low_ns=2.57e6,
    total_high_ns=4.31e6,
    sum_ns=2.88e6,
    sum_low_ns=2.56e6,
    sum_high_ns=4.3e6,
    runs=50,
    threads=1,
    trust="low",
    doubts=("VM", "load"),
    peaks=Peaks(),
    arena_bytes=None,
    plan_sha256="",
    engine_build="",
    isa=None,
)


def set_width(width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if width is None:
        monkeypatch.delenv("COLUMNS", raising=False)
    else:
        monkeypatch.setenv("COLUMNS", str(width))


@pytest.mark.parametrize("width", WIDTHS)
def test_a_profile_at_any_width(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_width(width, monkeypatch)
    print_profile("quicknet", "local", PROFILE)
    text = capsys.readouterr().out
    joined = re.sub(r"\s+", " ", text)
    for whole in ("3.47 µs", "(3.23-4.86)", "214 µs", "(199-299)", "31 %", "7.8 %"):
        assert whole in joined
    assert ("2,412 GOPS" in joined) == ("speed" not in joined.partition("left out at")[2])
    assert "2.89 ms (2.57-4.31) in all" in joined
    assert "low trust: VM, load" in joined
    if width is not None:
        assert max(map(len, text.splitlines())) <= width
    else:
        assert "left out" not in joined
        assert len(text.splitlines()) == 2 + len(PROFILE.ops) + 2


@pytest.mark.parametrize("width", WIDTHS)
def test_other_engines_beside_it_at_any_width(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_width(width, monkeypatch)
    whole = {"total_ns": 28.9e6, "total_low_ns": 28e6, "total_high_ns": 29e6}
    made = EngineOp("LceBconv2d", (2,), 34_700.0, 34_000.0, 35_000.0)
    lce = EngineOps("lce", "0.16.0", "repeats", (made,), sum_ns=40e6, **whole)
    litert = EngineOps("litert", "2.3.0", "profiler", (made,), sum_ns=28e6, **whole)
    groups = (
        OpGroup("op2 LceBconv2d + ADD", (2, 3), (3470.0, 34_700.0, None)),
        OpGroup("op28 RESHAPE", (28,), (None, 120.0, 0.0)),
    )
    print_profile("quicknet", "local", replace(PROFILE, others=(lce, litert), side_by_side=groups))
    text = capsys.readouterr().out
    joined = re.sub(r"\s+", " ", text)
    assert "34.7 µs" in joined
    assert "lce 0.16.0: 28.9 ms in all, 10.0x native's; its ops add up to 40.0 ms (138 %)" in joined
    assert "lce: other load has disturbed the times of its ops; measure again" in joined
    assert "litert: other load" not in joined
    assert "timed by its own profiler, in whole microseconds" in joined
    if width is not None:
        assert max(map(len, text.splitlines())) <= width
    else:
        assert "3.47 µs 34.7 µs 10.0x" in joined


@pytest.mark.parametrize("width", WIDTHS)
def test_facts_of_a_device_at_any_width(
    width: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_width(width, monkeypatch)
    features = [f"feature{number}" for number in range(40)]
    facts = DeviceFacts(
        {
            "boot_id": Fact("f8f2a685-bf4c-458a-be3d-58e4fa23271e", "/proc/sys/kernel/random/boot_id"),
            "memory_bytes": Fact(25325268992, "/proc/meminfo"),
            "isa_features": Fact(features, "/proc/cpuinfo"),
        }
    )
    print_facts(facts, False)
    text = capsys.readouterr().out
    assert "25325268992" in text
    assert all(feature in text for feature in features)
    assert "f8f2a685-bf4c-458a-be3d-58e4fa23271e" in re.sub(r"\s", "", text) or width is not None
    if width is not None:
        assert max(map(len, text.splitlines())) <= width
