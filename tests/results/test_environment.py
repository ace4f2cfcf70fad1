"""What differs between the surroundings of two runs: every fact, in a fixed order, the same from both sides."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from bnnbench.devices.probe import FACTS as PROBED
from bnnbench.results.environment import Difference, differences, entry_of, environment_of, lines_of
from bnnbench.results.fact_words import FACTS
from bnnbench.results.records import DeviceEvent, Environment, Invocation
from bnnbench.results.report.side_by_side import side_by_side
from bnnbench.results.sheet import say
from bnnbench.results.store.stored_run import StoredRun, read_run

STORE = Path(__file__).parents[1] / "docs/frozen/0.2.0"
OTHERS: dict[str, tuple[Any, Any, str | None]] = {
    "model": ("Pi 4", "Pi 5", "model Pi 4 -> Pi 5"),
    "revision": ("c03114", "d03115", "board revision c03114 -> d03115"),
    "machine": ("aarch64", "armv7l", "architecture aarch64 -> armv7l"),
    "soc": ("bcm2711", "bcm2712", "chip bcm2711 -> bcm2712"),
    "cpu_model": ("Cortex-A72", "Cortex-A76", "CPU Cortex-A72 -> Cortex-A76"),
    "cpus": (
        {"count": 4, "online": [0, 1, 2, 3], "allowed": [0, 1, 2, 3]},
        {"count": 4, "online": [0, 1, 2, 3], "allowed": [0, 2, 3]},
        "CPUs 4 (0-3 allowed) -> 4 (0,2-3 allowed)",
    ),
    "clusters": (
        [{"cpus": [0, 1], "name": "A72", "max_hz": 1_800_000_000}],
        [{"cpus": [0], "name": "A72", "max_hz": None}, {"cpus": [1], "name": "A53"}],
        "core clusters 2 x A72 1.80 GHz -> 1 x A72 + 1 x A53",
    ),
    "smt_siblings": ([[0, 1]], [], "CPUs that share a core 0, 1 -> none"),
    "isa_features": (
        ["avx", "fma", "sse"],
        ["avx", "avx512f"],
        "CPU features only in base: fma, sse, only in head: avx512f",
    ),
    "memory_bytes": (4_000_000_000, 4_100_000_000, "memory 4.00 GB -> 4.10 GB"),
    "page_size_bytes": (4096, 16384, "page size 4,096 B -> 16.4 kB"),
    "boot_id": ("a", "b", "rebooted in between"),
    "kernel": ("Linux 6.6.20", "Linux 6.12.1", "kernel Linux 6.6.20 -> Linux 6.12.1"),
    "firmware": (None, "2025-01-01", "firmware unknown -> 2025-01-01"),
    "os_release": ("Debian 12", "Debian 13", "system Debian 12 -> Debian 13"),
    "elf_class": (64, 32, "userland bits 64 -> 32"),
    "triple": ("aarch64-linux-musl", "arm-linux-musleabihf", "userland aarch64-linux-musl -> arm-linux-musleabihf"),
    "governor": ("performance", "ondemand", "governor performance -> ondemand"),
    "clock_hz": (
        {"0": {"cur": 1, "min": 600_000_000, "max": 1_800_000_000}},
        {"0": {"cur": 2, "min": 600_000_000, "max": 1_500_000_000}},
        "clock limits 600 MHz-1.80 GHz -> 600 MHz-1.50 GHz",
    ),
    "throttled": (0, 0x50001, "throttle flags none -> undervoltage, undervoltage since boot, throttled since boot"),
    "thermal_status": (0, 2, "thermal status 0 -> 2"),
    "temperature_celsius": ({"cpu": 50.0, "gpu": 40.0}, {"cpu": 61.0}, "temperature 50 °C -> 61 °C"),
    "cooling": ({"fan": 0}, {"fan": 2}, "cooling at work all at rest -> fan"),
    "load_average": ([0.1, 0.0, 0.0], [2.0, 0.0, 0.0], "load 0.10 -> 2.00"),
    "cpu_quota": ([], [{"cpus": 1.5, "path": "/x"}], "CPU limit none -> 1.5 CPUs"),
    "battery": ({"level": 5, "charging": True}, {"level": 5, "charging": False}, "battery charging yes -> charging no"),
    "wake_lock": (True, False, "wake lock yes -> no"),
    "power_sources": (["ina219"], ["rapl"], "power sources ina219 -> rapl"),
    "perf_event_paranoid": (2, 4, "perf_event_paranoid 2 -> 4"),
    "hypervisor": ("kvm", None, "hypervisor kvm -> unknown"),
    "emulated": (False, True, "emulated no -> yes"),
    "container": (False, True, "in a container no -> yes"),
    "python3": ("Python 3.11.2", "Python 3.12.1", "device's Python 3.11.2 -> 3.12.1"),
    "tools": (["perf"], [], "tools only in base: perf"),
    "machine_id": ("a", "b", "another machine of this name"),
    "address": ("a", "b", "another machine of this name"),
    "memory_available_bytes": (1, 2, None),
    "firmware_clock_hz": (600, 1500, None),
    "temperature_files": (["a"], ["b"], None),
    "temperature_left_out": ({"a": "pmic"}, None, None),
    "cpu_quota_files": (["a"], ["b"], None),
}
"""Fact -> its value in the base, in the head, and what is said."""
IDENTITY = ("model", "revision", "machine", "cpu_model", "triple", "machine_id", "address")


def of(**facts: Any) -> Environment:
    return Environment(devices={"pi4": {name: {"value": value, "source": "test"} for name, value in facts.items()}})


def texts(base: Environment, head: Environment) -> list[str]:
    return [one.text for one in differences(base, head)]


def test_every_fact_that_is_probed_or_has_a_row_is_tested() -> None:
    assert set(OTHERS) == set(FACTS) == {*PROBED, "address"}


@pytest.mark.parametrize("name", OTHERS)
def test_each_fact(name: str) -> None:
    old, new, said = OTHERS[name]
    found = texts(of(**{name: old}), of(**{name: new}))
    another = ["another machine of this name"] if name in IDENTITY else []
    assert found == list(dict.fromkeys([*another, *([said] if said else [])]))
    assert texts(of(**{name: old}), of(**{name: old})) == []
    assert texts(of(**{name: old}), of()) == []  # a version that did not record it


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("temperature_celsius", {"cpu": 50.0}, {"cpu": 59.0}),
        ("temperature_celsius", None, {"cpu": 59.0}),
        ("load_average", [0.1, 0, 0], [1.0, 9, 9]),
        ("battery", {"level": 5, "charging": True}, {"level": 95, "charging": True}),
        ("clock_hz", {"0": {"cur": 1}}, {"0": {"cur": 2}}),
        ("isa_features", ["a", "b"], ["b", "a"]),
        ("boot_id", None, "b"),
    ],
)
def test_what_changes_all_the_time_is_no_difference(name: str, old: Any, new: Any) -> None:
    assert texts(of(**{name: old}), of(**{name: new})) == []


def test_a_fact_of_a_newer_version_is_called_by_its_name() -> None:
    found = texts(of(zram_size=1, kernel="a"), of(zram_size={"x": 2}, kernel="b"))
    assert found == ["kernel a -> b", "zram size 1 -> x 2"]


@pytest.mark.parametrize("name", ["cpus", "zram_size"])
def test_a_value_that_is_nested_without_end_is_shown_in_short(name: str) -> None:
    deep = msgspec.json.decode(b"[" * 800 + b"]" * 800)
    (found,) = differences(of(**{name: deep}), of(**{name: 1}))
    assert found.base.endswith("…")


def test_another_machine_is_said_first_and_the_order_is_fixed() -> None:
    old = {name: value[0] for name, value in OTHERS.items()}
    new = {name: value[1] for name, value in OTHERS.items()}
    found = texts(of(**old), of(**new))
    assert found[0] == "another machine of this name"
    assert found == texts(of(**dict(reversed(old.items()))), of(**dict(reversed(new.items()))))
    order = [row.words for row in FACTS.values() if row.words]
    named = [one.what for one in differences(of(**old), of(**new)) if one.what in order]
    assert named == sorted(named, key=order.index)


def test_engines_versions_models_and_settings() -> None:
    base = Environment(
        builds={"native for x": "a" * 64, "mine for x": "c" * 64},
        levels={"native on pi4": "avx512"},
        models={"m.tflite": "1" * 64, "gone.tflite": "2" * 64},
        settings={"samples": 10, "seed": 0},
        versions={"bnnbench": "0.2.0", "python": "3.11.2", "commit": "f" * 40},
        cores={"pi4": [0, 1, 2, 3]},
        events={"pi4": []},
        devices={"pi4": {}, "ws": {}},
    )
    head = Environment(
        builds={"native for x": "b" * 64, "mine for x": "c" * 64},
        levels={"native on pi4": "avx2"},
        models={"m.tflite": "3" * 64},
        settings={"samples": 20, "seed": 0},
        versions={"bnnbench": "0.3.0", "python": "3.12.0"},
        cores={"pi4": [2, 3]},
        events={"pi4": ["busy"]},
        devices={"pi4": {}},
    )
    assert lines_of(differences(base, head)) == [
        "different on pi4: cores used 0-3 -> 2-3; events none -> busy",
        "different devices: measured pi4, ws -> pi4",
        "different engines: build of native for x aaaaaaaaaaaa -> bbbbbbbbbbbb; ISA level of native on pi4 avx512 -> "
        "avx2",
        "different versions: bnnbench 0.2.0 -> 0.3.0; Python 3.11.2 -> 3.12.0",
        "different models: m.tflite 111111111111 -> 333333333333",
        "different settings: samples 10 -> 20",
    ]


def test_of_a_stored_run(synthetic: StoredRun) -> None:
    found = environment_of(synthetic)
    assert found.versions["commit"] == synthetic.record.commit
    assert found.levels["native on pi4"] == "neon"
    assert found.settings["samples"] == synthetic.record.samples_per_invocation
    assert set(found.events) == set(synthetic.record.devices)
    busy = DeviceEvent(device="pi4", kind="lease", code="other_load", message="x")
    pinned = next(one for one in synthetic.entries if isinstance(one, Invocation))
    moved = msgspec.structs.replace(pinned, cpus_used=[7])
    other = environment_of(StoredRun(synthetic.record, [*synthetic.entries, busy, moved]))
    assert {one.what for one in differences(found, other)} <= {"events", "cores used"}
    assert "other load" in other.events["pi4"]
    assert any(7 in cpus for cpus in other.cores.values())


def test_a_comparison_has_no_engines_of_its_own() -> None:
    folder = STORE / "20261129-144442-93948e"
    found = environment_of(read_run(folder))
    assert not found.builds
    assert not found.settings
    assert "commit" not in found.versions
    assert found.devices


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
VALUES = st.one_of(JSON, *(st.sampled_from(pair[:2]) for pair in OTHERS.values()))
FACT_SETS = st.dictionaries(st.sampled_from([*FACTS, "unknown_one"]), VALUES, max_size=8)
TEXTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=5), max_size=3)
ENVIRONMENTS = st.builds(
    Environment,
    devices=st.dictionaries(
        st.sampled_from(["pi4", "ws"]), FACT_SETS.map(lambda facts: {k: {"value": v} for k, v in facts.items()})
    ),
    builds=TEXTS,
    levels=TEXTS,
    models=TEXTS,
    versions=TEXTS,
    settings=st.dictionaries(st.sampled_from(["samples", "seed"]), JSON),
    cores=st.dictionaries(st.sampled_from(["pi4", "ws"]), st.lists(st.integers(0, 9), max_size=4)),
    events=st.dictionaries(st.sampled_from(["pi4", "ws"]), st.lists(st.sampled_from(["busy", "lost"]), max_size=2)),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(ENVIRONMENTS, ENVIRONMENTS)
def test_nothing_differs_from_itself_and_both_sides_say_the_same(base: Environment, head: Environment) -> None:
    assert differences(base, base) == []

    def turned(one: Difference) -> Difference:
        return msgspec.structs.replace(one, base=one.head, head=one.base)

    assert [turned(one) for one in differences(base, head)] == differences(head, base)
    assert all(one.text and lines_of([one]) for one in differences(base, head))
    assert msgspec.json.encode([entry_of(one) for one in differences(base, head)])


def test_snapshot_at_80_columns(snapshot: Callable[[str, str], None]) -> None:
    old = {name: value[0] for name, value in OTHERS.items()}
    new = {name: value[1] for name, value in OTHERS.items()}
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    for line in lines_of(differences(of(**old), of(**new))):
        say(console, line)
    assert isinstance(console.file, io.StringIO)
    snapshot("environment-80.txt", console.file.getvalue())


def test_the_page_says_it_of_runs_side_by_side(synthetic: StoredRun) -> None:
    facts = {name: dict(fact) for name, fact in synthetic.record.devices.items()}
    facts["pi4"]["boot_id"] = {"value": "another", "source": "test"}
    record = msgspec.structs.replace(synthetic.record, run_id="20260109-000000-other", devices=facts)
    told = side_by_side([synthetic, StoredRun(record, synthetic.entries)])
    assert told is not None
    assert told.environment == ["B, different on pi4: rebooted in between"]
