"""Whole models by the real command: run, infer, profile, and what is said of bad input."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bnnbench.results import load
from tests.harness.bench import Bench, one_sentence

GOLDEN = Path(__file__).parents[1] / "golden"
LARQ = GOLDEN / "tiny_larq.tflite"


@pytest.fixture
def images(bench: Bench) -> Path:
    """Four inputs of tiny_larq as a .npy."""
    path = bench.folder / "images.npy"
    np.save(path, np.load(LARQ.with_suffix(".npz"))["input"])
    return path


@pytest.mark.parametrize("options", [(), ("--batch", "4"), ("--threads", "2"), ("--batch", "2", "--threads", "2")])
def test_infer_equals_lce(bench: Bench, images: Path, options: tuple[str, ...]) -> None:
    out = bench.folder / "scores.npy"
    done = bench.run("infer", LARQ, "--input", images, "--output", out, *options)
    assert done.returncode == 0, done.stderr
    right = np.load(LARQ.with_suffix(".npz"))["output"]
    scores = np.load(out)
    assert scores.shape == right.shape
    assert np.abs(scores - right).max() <= 1e-5 * np.abs(right).max()


def test_infer_reads_npz_and_one_input(bench: Bench) -> None:
    one = bench.folder / "one.npz"
    np.savez(one, input=np.load(LARQ.with_suffix(".npz"))["input"][0])
    done = bench.run("infer", LARQ, "-i", one, "-o", "scores.npz")
    assert done.returncode == 0, done.stderr
    (scores,) = np.load(bench.folder / "scores.npz").values()
    assert scores.shape == (1, 10)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("missing.tflite", "-i", "images.npy", "-o", "x.npy"), "missing.tflite"),
        ((LARQ, "-i", "missing.npy", "-o", "x.npy"), "missing.npy"),
        ((LARQ, "-i", "small.toml", "-o", "x.npy"), "not a NumPy file"),
        ((LARQ, "-i", "images.npy", "-o", "x.txt"), ".npy"),
        ((LARQ, "-i", "images.npy", "-o", "no/such/folder.npy"), "cannot be written"),
        ((LARQ, "-i", "images.npy", "-o", "x.npy", "--batch", "3"), "not a multiple"),
        ((LARQ, "-i", "images.npy", "-o", "x.npy", "--engine", "numba"), "not models"),
        ((LARQ, "-i", "images.npy", "-o", "x.npy", "--engine", "tflit"), "there is no engine"),
        ((LARQ, "-i", "images.npy", "-o", "x.npy", "--threads", "99"), "cores"),
        ((GOLDEN / "tiny_odd.tflite", "-i", "images.npy", "-o", "x.npy"), "the model takes 11x9x35"),
        ((LARQ, "-i", "bytes.npy", "-o", "x.npy"), "uint8"),
    ],
)
def test_infer_says_what_is_wrong(bench: Bench, images: Path, words: tuple[str | Path, ...], says: str) -> None:
    np.save(bench.folder / "bytes.npy", np.zeros((1, 32, 32, 3), np.uint8))
    done = bench.run("infer", *words)
    assert done.returncode == 2
    assert says in one_sentence(done.stderr)


def test_profile_adds_up(bench: Bench) -> None:
    done = bench.run("profile", LARQ, "--runs", "20", "--json")
    assert done.returncode == 0, done.stderr
    profile = json.loads(done.stdout)
    ops = profile["ops"]
    assert [op["index"] for op in ops] == list(range(len(ops)))
    assert {"conv", "bconv"} <= {op["op"] for op in ops}
    assert all(op["time_ns"] > 0 for op in ops)
    assert profile["peaks"]["popcount_gops"] > 0
    assert profile["peaks"]["fma_gflops"] > 0
    assert 0.5 < profile["sum_ns"] / profile["total_ns"] < 1.5  # how exactly is a matter of speed, see tests/benchmarks


def test_profile_prints_a_table(bench: Bench) -> None:
    done = bench.run("profile", LARQ, "--runs", "3")
    assert done.returncode == 0, done.stderr
    assert "LceBconv2d" in done.stdout
    assert "popcount" in done.stdout
    assert "add up to" in done.stdout


def test_profile_draws_its_steps_against_the_roofs(bench: Bench) -> None:
    done = bench.run("profile", LARQ, "--runs", "3", "--roofline", "steps.svg")
    assert done.returncode == 0, done.stderr
    drawing = (bench.folder / "steps.svg").read_text()
    assert "<svg" in drawing
    caption = (bench.folder / "steps.txt").read_text()
    assert "All multiplying steps, medians of 3 runs, one thread" in caption
    assert "native" in caption
    refused = bench.run("profile", LARQ, "--roofline", "steps.gif")
    assert refused.returncode == 2
    assert "--roofline is written as pdf, svg, png" in one_sentence(refused.stderr)


def test_every_small_model_is_proven(bench: Bench) -> None:
    models = sorted(GOLDEN.glob("*.tflite"))
    frame = load(bench.measure(*models, "--invocations", "1", "--threads", "1,2"))
    assert set(frame["workload"]) == {path.stem for path in models}
    measured = frame[frame["status"] != "skipped"]
    assert set(measured["status"]) == {"ok"}, frame[["workload", "threads", "reason"]]
    assert len(measured) >= len(models)
    assert (measured["arena_bytes"] > 0).all()
    assert measured["plan_sha256"].str.len().eq(64).all()


def test_an_unsupported_op_is_named(bench: Bench) -> None:
    model = bytearray(LARQ.read_bytes())
    place = model.index(b"LceQuantize")
    model[place : place + 11] = b"LceQuantifY"
    path = bench.folder / "odd.tflite"
    path.write_bytes(model)
    done = bench.run("run", path)
    assert done.returncode == 2
    assert "LceQuantifY" in one_sentence(done.stderr)


SUMMARY = """INFO: count=9 first=300 curr=200 min=190 max=300 avg=220 std=12
INFO: count=70 first=210 curr=204 min=198 max=260 avg=205.5 std=4
INFO: Inference timings in us: Init: 520, First inference: 300, Warmup (avg): 220, Inference (avg): 205.5
"""


def summary_suite(bench: Bench, says: str) -> Path:
    """A suite with a program that prints `says`, and its command line to a file."""
    program = bench.write("bench_model", f"#!/bin/sh\ncat <<'END'\n{says}\nEND\necho \"$@\" > {bench.folder}/argv\n")
    program.chmod(0o755)
    return bench.write(
        "summary.toml",
        f"""name = "summary"
engines = ["native", "theirs"]
invocations = 2
[[model]]
file = "{LARQ}"
[[kernel]]
op = "bmaxpool2d"
input = [8, 8, 33]
[engine.theirs]
protocol = "none"
command = ["{{binary}}", "--graph={{model}}", "--num_threads={{threads}}"]
binary = {{ x86_64 = "bench_model", aarch64 = "bench_model" }}
""",
    )


def test_a_program_that_prints_a_summary_is_timed_and_unverified(bench: Bench) -> None:
    frame = load(bench.measure(summary_suite(bench, SUMMARY)))
    theirs = frame[(frame["engine"] == "theirs") & (frame["kind"] == "model")].iloc[0]
    assert theirs["status"] == "unverified"
    assert theirs["latency_ns"] == pytest.approx(205_500)
    assert theirs["first_ns"] == pytest.approx(300_000)
    assert frame[(frame["engine"] == "native") & (frame["kind"] == "model")].iloc[0]["status"] == "ok"
    skipped = frame[frame["status"] == "skipped"].iloc[0]
    assert skipped["reason"] == "the engine 'theirs' runs no kernel cases"
    argv = (bench.folder / "argv").read_text()
    assert "--num_threads=1" in argv
    assert "--graph=blobs/" in argv


def test_a_program_that_fails_after_its_summary_fails_its_case(bench: Bench) -> None:
    suite = summary_suite(bench, SUMMARY)
    with (bench.folder / "bench_model").open("a") as file:
        file.write("echo no such delegate >&2\nexit 7\n")
    frame = load(bench.measure(suite, "--filter", "tiny", status=3))
    theirs = frame[frame["engine"] == "theirs"].iloc[0]
    assert theirs["status"] == "failed"
    assert "status 7" in theirs["reason"]
    assert "no such delegate" in theirs["reason"]


def test_a_program_that_prints_rubbish_fails_its_case(bench: Bench) -> None:
    frame = load(bench.measure(summary_suite(bench, "segmentation fault"), status=3))
    theirs = frame[(frame["engine"] == "theirs") & (frame["kind"] == "model")].iloc[0]
    assert theirs["status"] == "failed"
    assert "segmentation fault" in theirs["reason"]


def test_what_a_default_engine_cannot_run_is_listed_and_not_built(bench: Bench) -> None:
    """Whole models are none of numba's, which is one of the default engines: a skip in a line, not silence."""
    done = bench.run("run", "quicknet_xs", "--invocations", "1", "--store", "store")
    assert done.returncode == 0, done.stderr
    assert "1 skipped because the engine 'numba' runs no models (quicknet_xs)" in done.stdout
    (skip,) = bench.store.run("latest").record.skips
    assert (skip.engine, skip.workload) == ("numba", "quicknet_xs")
    assert {one.engine for one in bench.store.run("latest").record.builds} == {"native"}
