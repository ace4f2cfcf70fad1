"""Devices that count instructions: the real emulator, our engines, a plugin built for it."""

from __future__ import annotations

import json
import shutil

import pytest

from bnnbench.devices.spec import DeviceSpec
from bnnbench.kernels.instruction_counter import instructions_per_iteration
from bnnbench.results import load
from tests.harness.bench import Bench, one_sentence

SUITE = """
name = "counted"
engines = ["native", "numba"]
invocations = 7

[[kernel]]
op = "bconv2d"
input = [8, 8, 64]
filters = 32

[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
"""
DEVICES = {"a72": "cortex-a72", "a76": "cortex-a76", "v7": "cortex-a7"}

needs_qemu = pytest.mark.skipif(
    shutil.which("qemu-aarch64") is None, reason="qemu-aarch64 (Debian: qemu-user) is missing"
)


@pytest.fixture
def counting(bench: Bench) -> Bench:
    bench.write("suite.toml", SUITE)
    for name, cpu in DEVICES.items():
        bench.add_device(DeviceSpec(name=name, transport="qemu", cpu=cpu))
    return bench


@needs_qemu
def test_counts_repeat_to_the_digit_and_no_time_is_stored(counting: Bench) -> None:
    words = [word for name in DEVICES for word in ("-d", name)]
    frames = []
    for _ in range(2):
        done = counting.run("run", "suite.toml", *words, "--store", "store")
        assert done.returncode == 0, done.stderr
        frames.append(load(counting.store.run("latest")).set_index(["device", "engine", "workload"]).sort_index())
    first, second = frames
    assert len(first) == 12
    assert set(first["status"]) == {"ok"}  # 32-bit Arm among them: proven, too
    assert set(first["emulated"]) == {True}
    assert first["instructions"].tolist() == second["instructions"].tolist()
    assert (first["instructions"] > 100).all()
    assert first[["latency_ns", "gops", "p90_ns", "first_ns", "load_ns"]].isna().all(axis=None)
    assert "instructions" in done.stdout
    # The dot product instruction of the A76 takes fewer of them.
    conv = next(name for name in first.index.get_level_values("workload") if name.startswith("bconv2d"))
    assert first.loc[("a76", "native", conv), "instructions"] < first.loc[("a72", "native", conv), "instructions"]
    assert len(counting.store.run("latest").invocations) == 12


@needs_qemu
def test_half_a_per_cent_more_is_seen(counting: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_LOCK", counting.environment["BNNBENCH_LOCK"])  # of this process, for slowed()
    same = counting.run(
        "ab", "suite.toml", "--base", "native", "--head", "native", "-d", "a72", "--store", "s", "--json", "-"
    )
    assert same.returncode == 0, same.stderr
    for verdict in json.loads(same.stdout)["verdicts"]:
        if verdict["metric"] == "instructions":
            assert (verdict["verdict"], verdict["effect"]) == ("equivalent", 0)
    more = slowed(counting, ppm=5000)
    assert more["verdict"] == "regression"
    assert more["effect"] == pytest.approx(0.005, abs=0.0005)


def slowed(bench: Bench, ppm: int) -> dict[str, object]:
    """A head that really executes so many more iterations; only `devices calibrate` asks for that."""
    from bnnbench.harness.bench.context import Silent
    from bnnbench.harness.plan.comparisons import CompareConfig
    from bnnbench.harness.plan.config import RunConfig
    from bnnbench.harness.plan.side import Selection
    from bnnbench.harness.run.start import start_run
    from bnnbench.harness.suite.load import load_suites
    from bnnbench.results.store.runs import Store

    config = RunConfig(
        suite=load_suites([bench.folder / "suite.toml"]),
        devices=["a72"],
        inventory=str(bench.folder / "devices.toml"),
        compare=CompareConfig(Selection("native"), Selection("native"), series=((ppm, 1),)),
    )
    done = start_run(config, Store(bench.folder / "slowed"), Silent(), ["test"])
    (verdict, *_) = [one for one in done.stored.verdicts if one.metric == "instructions"]
    return {"verdict": verdict.verdict, "effect": verdict.effect}


@needs_qemu
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "suite.toml", "-d", "qemu://cortex-a99"], "did you mean 'cortex-a"),
        (["run", "suite.toml", "-d", "a72", "--threads", "2"], "counted on one thread, not 2"),
        (["profile", "quicknet_xs", "-d", "a72"], "its times mean nothing"),
        (["peak", "-d", "a72"], "its times mean nothing"),
        (["devices", "add", "x", "qemu://it's"], "is not a valid name of a CPU"),
    ],
)
def test_wrong_calls(counting: Bench, words: list[str], said: str) -> None:
    done = counting.run(*words)
    assert done.returncode in (2, 3)
    assert said in done.stderr
    one_sentence(done.stderr.splitlines()[-1] + "\n")


@needs_qemu
def test_a_baseline_s_engine_is_counted_beside_todays(counting: Bench) -> None:
    assert counting.run("run", "suite.toml", "-d", "a72", "-e", "native", "--store", "store").returncode == 0
    assert counting.run("baseline", "save", "main", "--store", "store").returncode == 0
    done = counting.run("check", "--baseline", "main", "--store", "store", "--format", "json")
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)["verdicts"]
    assert {one["metric"] for one in verdicts} == {"instructions"}
    assert {one["verdict"] for one in verdicts} == {"equivalent"}
    for words in (["chart", "latency", "-o", "x.svg"], ["pick", "--device", "a72"]):
        assert counting.run(*words, "--store", "store").returncode == 2


def test_without_the_emulator_it_says_what_to_install(counting: Bench) -> None:
    counting.environment["PATH"] = "/nowhere"
    done = counting.run("run", "suite.toml", "-d", "a72", "--store", "store")
    assert done.returncode == 3
    assert "Debian: qemu-user" in one_sentence(done.stderr)


def test_a_newer_emulator_is_refused_with_what_to_do(counting: Bench) -> None:
    """A stand-in: there is no such emulator with plugins to be had here."""
    program = counting.folder / "bin/qemu-aarch64"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'qemu-aarch64 version 11.1.0'; echo '-plugin [file=]<file>'\n")
    program.chmod(0o755)
    counting.environment["PATH"] = f"{program.parent}:{counting.environment['PATH']}"
    done = counting.run("run", "suite.toml", "-d", "a72", "--store", "store")
    assert done.returncode == 3
    assert "put one of QEMU 6.0 to 11.0 first on the PATH" in one_sentence(done.stderr)


@pytest.mark.parametrize("written", ["", "5\n", "5\n5\n", "9\n5\n", "1\n2\n3\n", "a\nb\n", "-1\n4\n"])
def test_what_the_plugin_cannot_have_written(written: str) -> None:
    assert instructions_per_iteration(written, 2) is None


def test_instructions_per_iteration() -> None:
    assert instructions_per_iteration("1000\n2800\n", 2) == 900
