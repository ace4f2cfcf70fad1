"""`bnnbench sustain`: an engine that becomes hot, cut off and resumed, at a stated rate, and what is shown of it."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bnnbench.kernels.engines.replies import Ran
from bnnbench.kernels.ops import SPECS
from bnnbench.kernels.toolchain import build_native
from tests.harness.bench import Bench, one_sentence
from tests.kernels.engine_process import HOST, EngineProcess
from tests.simulation.sustained import Device

HERE = Path(__file__).parent
HOT = Device(heating_s=1.5, limit=0.6, gain=1.5)
MINUTES, SECONDS = "0.15", 9.0
KERNEL = '[[kernel]]\nop = "bgemm"\nm = 4\nn = 4\nk = 32\n'
NATIVE = f'name = "native"\nengines = ["native"]\nwarmup_ms = 1\nmin_sample_ms = 1\n{KERNEL}'


def heated(bench: Bench, **engines: tuple[float, float]) -> None:
    """A suite of engines, each with the ns of an execution and the gain of its throttle."""
    source = (HERE / "thermal_engine.py").read_text().replace('"ORACLE"', repr(str(HERE / "replay_engine.py")))
    path = bench.write("thermal.py", f"#!{sys.executable} -S\n{source}")
    path.chmod(0o755)
    shared = bench.folder / "outputs"
    shared.mkdir()
    declared = "\n".join(
        f"[engine.{name}]\ncommand = {json.dumps(['{binary}', str(shared), str(ns), str(gain)])}\n"
        'binary = { x86_64 = "thermal.py", aarch64 = "thermal.py" }\n'
        for name, (ns, gain) in engines.items()
    )
    names = json.dumps(list(engines))
    bench.write("hot.toml", f'name = "hot"\nwarmup_ms = 1\nmin_sample_ms = 1\nengines = {names}\n{KERNEL}\n{declared}')


def sustain(bench: Bench, *words: str, status: int = 0) -> dict[str, Any]:
    done = bench.run("sustain", *words, "--store", "store", "--json", timeout=110)
    assert done.returncode == status, done.stderr + done.stdout
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def journal(bench: Bench) -> list[dict[str, Any]]:
    lines = [line for path in (bench.folder / "store").glob("runs/*/journal.jsonl") for line in path.open()]
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def test_knee_equilibrium_and_order_are_those_of_the_model(bench: Bench) -> None:
    heated(bench, hot=(1e6, 1.5), cool=(1.15e6, 0.0))
    told = sustain(bench, "hot.toml", "--minutes", MINUTES)
    cases = {case["engine"]: case for case in told["cases"]}
    hot, cool = cases["hot"], cases["cool"]
    assert hot["knee_s"]["value"] == pytest.approx(HOT.knee_s, abs=0.4)
    assert hot["knee_s"]["low"] - 0.1 <= HOT.knee_s <= hot["knee_s"]["high"] + 0.1
    assert hot["equilibrium_ns"]["value"] == pytest.approx(1e6 / HOT.speed, rel=0.01)
    assert hot["loss"]["low"] - 0.005 <= 1 / HOT.speed - 1 <= hot["loss"]["high"] + 0.005
    assert hot["settled"]
    assert cool["knee_s"] is None
    assert cool["equilibrium_ns"]["value"] == pytest.approx(1.15e6, rel=0.01)
    assert told["order"] == {"local": "changes"}
    assert [case["starts"] for case in told["cases"]] == [1, 1]
    (minute,) = hot["minutes"]
    assert minute["median_ns"] <= minute["p90_ns"] <= minute["p99_ns"]
    assert {one["status"] for one in journal(bench) if one["type"] == "window"} == {"ok"}
    shown = json.loads(bench.run("runs", "show", "latest", "--store", "store", "--json").stdout)
    rows = {row["engine"]: row for row in shown["cases"]}
    assert rows["hot"]["status"] == "ok"
    assert rows["hot"]["sustained_latency_ns"] == hot["equilibrium_ns"]["value"]
    assert rows["hot"]["sustained_latency_low_ns"] == hot["equilibrium_ns"]["low"]
    done = bench.run("chart", "sustained", "latest", "--store", "store", "--format", "png")
    assert done.returncode == 0, done.stderr
    done = bench.run("report", "latest", "--store", "store", "-o", "page")
    assert done.returncode == 0, done.stderr
    assert ">Sustained<" in (bench.folder / "page/index.html").read_text()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_what_was_cut_off_begins_again_and_is_told(bench: Bench, end: signal.Signals) -> None:
    heated(bench, hot=(1e6, 1.5))
    process = bench.start("sustain", "hot.toml", "--minutes", MINUTES, "--store", "store")
    deadline = time.monotonic() + 60
    while sum(one["type"] == "window" for one in journal(bench)) < 10:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(end)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if end == signal.SIGINT else -signal.SIGKILL), said
    before = [one for one in journal(bench) if one["type"] == "window"]
    shown = json.loads(bench.run("runs", "show", "latest", "--store", "store", "--json").stdout)
    assert shown["cases"][0]["status"] == "unstable"
    assert "of 9 s so far" in shown["cases"][0]["reason"]
    assert shown["cases"][0]["sustained_latency_ns"] is None
    words = ["run", "--resume", "latest"] if end == signal.SIGINT else ["sustain", "--resume", "latest"]
    done = bench.run(*words, "--store", "store", timeout=110)
    assert done.returncode == 0, done.stderr
    assert "runs again from the start (number 2), because a pause lets the device cool" in done.stderr
    after = [one for one in journal(bench) if one["type"] == "window"]
    assert after[: len(before)] == before
    assert {one["start"] for one in after[len(before) :]} == {1}
    assert after[-1]["end_s"] >= SECONDS
    told = sustain(bench, "--resume", "latest")
    assert told["cases"][0]["starts"] == 2
    assert told["cases"][0]["whole"]
    assert [one for one in journal(bench) if one["type"] == "window"] == after  # nothing was measured again


def test_at_a_stated_rate_executions_begin_at_their_ticks(bench: Bench) -> None:
    bench.write("native.toml", NATIVE)
    told = sustain(bench, "native.toml", "--minutes", "0.1", "--fps", "50")
    (case,) = told["cases"]
    assert case["minutes"][0]["missed_ticks"] is not None
    windows = [one for one in journal(bench) if one["type"] == "window"]
    assert {one["period_ns"] for one in windows} == {20_000_000}
    for one in windows:
        assert one["end_s"] - one["begin_s"] >= (one["samples"] - 1) * 0.02 * 0.99


def test_an_engine_without_the_key_is_told(bench: Bench) -> None:
    heated(bench, hot=(1e6, 1.5))
    done = bench.run("sustain", "hot.toml", "--fps", "10", "-e", "hot", "--minutes", "0.1", "--store", "store")
    assert done.returncode == 3
    assert "cannot start executions at a stated rate; leave out --fps" in done.stdout


def test_ticks_that_are_over_are_counted(tmp_path: Path) -> None:
    engine = EngineProcess([build_native(HOST).path], tmp_path)
    spec = SPECS["bgemm"](m=64, n=64, k=512)
    (tmp_path / "data").write_bytes(bytes(sum(4 * math.prod(array.shape) for array in spec.inputs())))
    engine.client.load("case", {"op": "bgemm", "m": "64", "n": "64", "k": "512", "out": "i32", "data": "data"})

    def ran(period_ns: int) -> Ran:
        return engine.client.run("case", samples=20, iterations=1000, limit_ns=10**10, period_ns=period_ns)

    assert ran(1000).missed
    slow = ran(20_000_000)
    assert slow.start_ns is not None
    assert slow.end_ns is not None
    assert slow.end_ns - slow.start_ns >= 19 * 20_000_000
    assert ran(0).missed is None
    engine.client.quit()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--minutes", "0"], "--minutes 0 is not a length of time"),
        (["--minutes", "-1"], "--minutes -1 is not a length of time"),
        (["--minutes", "nan"], "--minutes nan is not a length of time"),
        (["--fps", "0"], "--fps 0 is not a rate"),
        (["--resume", "latest", "--fps", "3"], "--resume goes with"),
        (["--resume", "latest", "--minutes", "3"], "--resume goes with"),
    ],
)
def test_wrong_words_are_one_sentence(bench: Bench, words: list[str], said: str) -> None:
    done = bench.run("sustain", *words, "--store", "store")
    assert done.returncode == 2
    assert said in one_sentence(done.stderr)


def test_a_run_of_another_kind_is_not_resumed_by_it(bench: Bench) -> None:
    bench.measure("small.toml", "--engine", "native", "--invocations", "0")
    done = bench.run("sustain", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert "is not one of bnnbench sustain" in done.stderr
