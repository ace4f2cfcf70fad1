"""Whole runs on this machine: measured, refused, failed, interrupted and resumed."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest

from bnnbench.results import Store, load, load_invocations
from tests.harness.bench import Bench, one_sentence

FAKE = Path(__file__).with_name("fake_engine.py")


def add_fake(bench: Bench, mode: str) -> Path:
    """The small suite with the native engine and a user's engine in the given mode."""
    binary = bench.folder / "mine"
    binary.write_text(f"#!{sys.executable}\n" + FAKE.read_text())
    text = (bench.folder / "small.toml").read_text()
    engine = f'\n[engine.mine]\ncommand = ["{{binary}}", "{mode}"]\nbinary = {{ x86_64 = "mine", aarch64 = "mine" }}\n'
    return bench.write(f"{mode}.toml", text.replace("samples", 'engines = ["native", "mine"]\nsamples') + engine)


def test_what_an_engine_left_behind_is_ended_and_told(bench: Bench) -> None:
    run = bench.measure(add_fake(bench, "leaver"), "--invocations", "1", "--filter", "maxpool")
    told = [event for event in run.events if event.kind == "left_behind"]
    assert [(event.device, event.message) for event in told] == [
        ("local", "engine 'mine': It left 1 process(es) behind that had left its process group; they were ended.")
    ]
    left = int((bench.folder / "user-home/.bnnbench/left_behind").read_text())
    assert not psutil.pid_exists(left)


def test_an_output_larger_than_right_is_not_read(bench: Bench) -> None:
    run = bench.measure(add_fake(bench, "huge"), "--invocations", "1", "--filter", "maxpool", status=3)
    gates = {gate.status: gate.reason for gate in run.gates.values()}
    assert set(gates) == {"ok", "failed"}
    assert "is larger than" in str(gates["failed"])


def test_small_suite_is_proven_and_timed(bench: Bench) -> None:
    frame = load(bench.measure("small.toml"))
    assert list(frame["status"]) == ["ok"] * 4
    assert set(frame["engine"]) == {"native", "numba"}
    assert (frame["latency_ns"] > 0).all()
    assert frame["engine_build"].str.len().eq(64).all()
    invocations = load_invocations(bench.store)
    assert len(invocations) == 8
    assert not list((bench.folder / "user-home/.bnnbench/tmp").iterdir())


def test_model_file_gives_the_model_and_its_binary_layers(bench: Bench) -> None:
    model = Path(__file__).parents[1] / "golden" / "tiny_larq.tflite"
    frame = load(bench.measure(model, "--layers", "--engine", "native", "--invocations", "2"))
    assert list(frame["status"]) == ["ok"] * len(frame)
    assert frame["workload"].str.startswith("tiny_larq/op").sum() == 2
    whole = frame[frame["workload"] == "tiny_larq"].iloc[0]
    assert whole["kind"] == "model"
    assert whole["size_bytes"] == model.stat().st_size
    assert len(whole["plan_sha256"]) == 64
    assert whole["arena_bytes"] > 0
    assert whole["macs_1bit"] > 0


@pytest.mark.parametrize(
    ("mode", "status", "reason"),
    [
        ("right", "ok", None),
        ("wrong", "wrong_output", "differ"),
        ("crash", "failed", "the accelerator caught fire"),
        ("rubbish", "failed", "not a valid reply"),
        ("negative", "failed", "impossible samples"),
        ("liar", "failed", "protocol 99"),
        ("few-ops", "skipped", "no op bconv2d"),
    ],
)
def test_user_engine_is_judged_and_the_run_goes_on(bench: Bench, mode: str, status: str, reason: str | None) -> None:
    frame = load(bench.measure(add_fake(bench, mode), status=0 if status in ("ok", "skipped") else 3))
    native, mine = frame[frame["engine"] == "native"], frame[frame["engine"] == "mine"]
    assert list(native["status"]) == ["ok", "ok"]
    first = mine.iloc[0]
    assert first["status"] == status
    if reason:
        assert reason in first["reason"]
        assert pd.isna(first["latency_ns"])


def test_wrong_bits_are_counted(bench: Bench) -> None:
    frame = load(bench.measure(add_fake(bench, "wrong"), "--filter", "maxpool", status=3))
    assert "output bits are wrong" in frame[frame["engine"] == "mine"].iloc[0]["reason"]


def test_filter_and_threads(bench: Bench) -> None:
    frame = load(bench.measure("small.toml", "--filter", "maxpool", "--threads", "1,64"))
    assert set(frame["workload"]) == {"bmaxpool2d 8x8x33 2x2 s2"}
    skipped = frame[frame["threads"] == 64]
    assert set(skipped["status"]) == {"skipped"}
    assert skipped["reason"].str.contains("thread").all()


def test_interrupted_run_is_clean_and_resumes(bench: Bench) -> None:
    process = bench.start("run", "long.toml", "--store", "store")
    wait_for(lambda: any("invocation" in line for line in journal(bench)))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert not list((bench.folder / "user-home/.bnnbench/tmp").iterdir())
    before = bench.store.run("latest")
    assert before.end is not None
    assert before.end.outcome == "interrupted"
    assert before.end.overhead["local"]["run_share"]  # the session had ended before the run did
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 0, done.stderr
    after = bench.store.run("latest")
    assert after.invocations[: len(before.invocations)] == before.invocations
    measured = [(one.case_id, one.index) for one in after.invocations]
    assert len(measured) == len(set(measured)) == 8
    entries = len(after.entries)
    again = bench.run("run", "--resume", "latest", "--store", "store")
    assert again.returncode == 0
    assert "nothing is left to measure" in again.stderr
    assert len(bench.store.run("latest").entries) == entries


def test_what_failed_is_tried_again_on_resume(bench: Bench) -> None:
    suite = add_fake(bench, "crash")
    bench.measure(suite, "--filter", "maxpool", status=3)
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 3
    run = bench.store.run("latest")
    assert sum(1 for entry in run.entries if type(entry).__name__ == "Gate" and entry.status == "failed") == 2


def test_two_runs_at_once_on_one_machine(bench: Bench) -> None:
    first = bench.start("run", "long.toml", "--store", "store", "--invocations", "20")
    try:
        wait_for(lambda: len(journal(bench)) > 1)
        second = bench.run("run", "small.toml", "--store", "other")
        assert second.returncode == 3
        assert "is busy: bnnbench run" in one_sentence(second.stderr)
        assert "computing the reference outputs" not in second.stderr  # which may take minutes
        assert not list((bench.folder / "other").glob("runs/*"))  # and is not a `latest` of nothing
    finally:
        first.send_signal(signal.SIGINT)  # it would go on for longer than any second one takes to start
        first.communicate(timeout=60)
    assert first.returncode == 130


UNUSABLE = """
[device.bad]
transport = "local"
workdir = "/proc/nowhere"

[device.away]
transport = "ssh"
host = "127.0.0.1"
port = 1
user = "pi"
"""


@pytest.mark.parametrize("devices", [["bad"], ["away"], ["bad", "away"]])
def test_a_device_that_cannot_be_used_leaves_no_run_and_costs_no_reference_work(
    bench: Bench, devices: list[str]
) -> None:
    bench.write("lab.toml", UNUSABLE)
    words = [word for name in devices for word in ("-d", name)]
    done = bench.run("run", "small.toml", "--store", "store", "--inventory", "lab.toml", *words)
    assert done.returncode == 3
    assert all(f"{name!r}" in done.stderr for name in devices)
    assert "computing the reference outputs" not in done.stderr
    assert not list((bench.folder / "store").glob("runs/*"))


def test_beside_devices_that_cannot_be_used_the_others_go_on(bench: Bench) -> None:
    bench.write("lab.toml", UNUSABLE)
    words = ("--filter", "maxpool", "-e", "native", "--invocations", "1", "--inventory", "lab.toml")
    run = bench.measure("small.toml", *words, "-d", "bad", "-d", "local", "-d", "away", status=3)
    assert list(run.record.devices) == ["local"]
    assert list(load(run)["status"]) == ["ok"]
    assert {event.device for event in run.events if event.kind == "unreached"} == {"bad", "away"}


def test_what_is_interrupted_or_fails_before_anything_was_measured_leaves_no_run(tmp_path: Path) -> None:
    """As in the minutes that the reference may take."""
    from bnnbench.harness.bench.context import Silent
    from bnnbench.harness.plan.config import RunConfig
    from bnnbench.harness.run.start import start_run
    from bnnbench.harness.suite.load import load_suites

    class Impatient(Silent):
        def phase(self, device: str, text: str, done: int, total: int) -> None:
            raise KeyboardInterrupt

    golden = Path(__file__).parents[1] / "golden/tiny_larq.tflite"
    config = RunConfig(suite=load_suites([golden]), devices=["local"])
    with pytest.raises(KeyboardInterrupt):
        start_run(config, Store(tmp_path), Impatient(), [])
    assert not Store(tmp_path).runs()


def test_unwritable_store(bench: Bench) -> None:
    bench.write("store-file", "")
    done = bench.run("run", "small.toml", "--store", "store-file")
    assert done.returncode == 2
    assert "store-file" in one_sentence(done.stderr)


def test_resume_refuses_another_suite(bench: Bench) -> None:
    model = bench.folder / "model.tflite"
    golden = Path(__file__).parents[1] / "golden"
    model.write_bytes((golden / "tiny_larq.tflite").read_bytes())
    path = bench.measure(model, "--engine", "native", "--invocations", "1").path
    assert path is not None
    lines = (path / "journal.jsonl").read_text().splitlines(keepends=True)
    (path / "journal.jsonl").write_text("".join(lines[:-1]))  # as if it had been cut off before its end
    model.write_bytes((golden / "tiny_grouped.tflite").read_bytes())
    done = bench.run("run", "--resume", "latest", "--store", "store")
    assert done.returncode == 2
    assert "has changed since it began" in one_sentence(done.stderr)


def journal(bench: Bench) -> list[str]:
    """Lines of the newest run's journal so far."""
    paths = sorted((bench.folder / "store").glob("runs/*/journal.jsonl"))
    return paths[-1].read_text().splitlines() if paths else []


def wait_for(condition: object, seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
