"""The driver of other interpreters: the protocol's edges over a stand-in, and the real runtimes where installed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.engines.base import Start
from bnnbench.kernels.engines.installation import installed
from bnnbench.kernels.engines.replies import Profile
from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.interpreter import interpret
from bnnbench.kernels.targets import TRIPLES
from tests.kernels.engine_process import HOST, EngineProcess

from .model_builder import Builder

DRIVER = ENGINES["litert"].prepare(HOST, None, None).files[0].path
GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.tflite"))
LARGE = sorted(Path(os.environ.get("BNNBENCH_GOLDEN", "/nonexistent")).glob("[!t]*.tflite"))
CPUS = sorted(os.sched_getaffinity(0))
SECOND = 10**9

# A model is JSON. Outputs: all inputs, doubled, after one another; then how often it ran and with how many threads.
STAND_IN = """
import json, os, time
import numpy as np

class Interpreter:
    def __init__(self, model_content, num_threads):
        os.write(1, b"INFO: a runtime that talks\\n")
        self.model, self.threads, self.runs = json.loads(model_content), num_threads, 0
        if num_threads > 1 and self.model.get("single"):
            raise RuntimeError("only one thread here")
        self.values = [np.zeros(shape, self.model["dtype"]) for shape in self.model["inputs"]]

    def allocate_tensors(self):
        if "refused" in self.model:
            raise RuntimeError(self.model["refused"])

    def get_input_details(self):
        return [{"index": i, "shape": v.shape, "dtype": v.dtype} for i, v in enumerate(self.values)]

    def get_output_details(self):
        total = sum(v.size for v in self.values)
        return [{"index": 100, "shape": (total,), "dtype": self.values[0].dtype},
                {"index": 101, "shape": (2,), "dtype": np.int32}]

    def set_tensor(self, index, value):
        assert value.dtype == self.values[index].dtype and value.shape == self.values[index].shape
        self.values[index] = value.copy()

    def invoke(self):
        print("running", flush=True)
        self.runs += 1
        time.sleep(self.model.get("sleep_s", 0))
        if self.runs == self.model.get("fails_at") or self.threads == self.model.get("fails_with"):
            raise RuntimeError("the delegate\\nwas lost")

    def get_tensor(self, index):
        if index == 101:
            return np.array([self.runs, self.threads], np.int32)
        return np.concatenate([v.ravel() for v in self.values]) * 2
"""


def stand_in_command(folder: Path) -> list[str]:
    """The driver over the stand-in, in this Python."""
    package = folder / "stand-in" / "ai_edge_litert"
    package.mkdir(parents=True, exist_ok=True)
    (package / "interpreter.py").write_text(STAND_IN)
    return ["env", f"PYTHONPATH={package.parent}", sys.executable, str(DRIVER), "--runtime", "litert"]


def write_model(folder: Path, **keys: object) -> str:
    (folder / "model").write_text(json.dumps({"dtype": "float32", "inputs": [[2, 3]], **keys}))
    return "model"


@contextmanager
def over_stand_in(folder: Path, **keys: object) -> Iterator[EngineProcess]:
    """With a model loaded as `a`."""
    with EngineProcess(stand_in_command(folder), folder) as engine:
        engine.client.load("a", {"model": write_model(folder, **keys)})
        yield engine


def output(engine: EngineProcess, id: str = "a") -> bytes:
    digest = engine.client.output(id, "out")
    raw = (engine.folder / "out").read_bytes()
    assert digest.bytes == len(raw)
    assert digest.sha256 == hashlib.sha256(raw).hexdigest()
    return raw


def runs_and_threads(raw: bytes) -> tuple[int, int]:
    runs, threads = np.frombuffer(raw[-8:], "<i4")
    return int(runs), int(threads)


def test_hello_and_load_describe_what_there_is(tmp_path: Path) -> None:
    with EngineProcess(stand_in_command(tmp_path), tmp_path) as engine:
        hello = engine.client.hello()
        assert (hello.protocol, hello.engine, hello.accepts, hello.ops) == (1, "litert", ["tflite"], [])
        assert (hello.cpus, hello.max_threads) == (CPUS, len(CPUS))
        loaded = engine.client.load("a", {"model": write_model(tmp_path, inputs=[[1, 4], [2]], dtype="int8")})
        assert [(array.shape, array.dtype) for array in loaded.inputs] == [([1, 4], "i8"), ([2], "i8")]
        assert [(array.shape, array.dtype) for array in loaded.outputs] == [([6], "i8"), ([2], "i32")]
        assert loaded.load_ns is not None
        assert loaded.load_ns > 0
        engine.write_line("quit")
        assert engine.wait() == 0


BAD = [
    (b"", "not a request"),
    (b"dance", "'dance' is unknown"),
    (b"peak limit_ns=1", "'peak' is unknown"),
    (b"hello there", "'there' is not key=value"),
    (b"hello a=1", "'a' is unknown"),
    (b"\xff\xfe", "not UTF-8"),
    (b"load id=b", "'model' is missing"),
    (b"load id=b op=bgemm model=model", "'op' is unknown"),
    (b"load id=a model=model", "'a' is taken"),
    (b"load id=b model=nowhere", "nowhere: No such file"),
    (b"load id=b model=.", ".: Is a directory"),
    (b"load id=b id=c model=model", "'id' is given twice"),
    (b"load id=b model=%zz", "percent-encoded"),
    (b"load id=b model=a%00b", "percent-encoded"),
    (b"load id=b model=rubbish", "refuses the model"),
    (b"load id=b model=custom", "the runtime litert has no op LceQuantize"),
    (b"load id=" + b"b" * 64 + b" model=model", "63 characters"),
    (b"run id=b samples=1 iterations=1", "nothing is loaded as 'b'"),
    (b"run id=a samples=1", "either min_sample_ns= or iterations="),
    (b"run id=a samples=1 iterations=1 min_sample_ns=1", "either min_sample_ns= or iterations="),
    (b"run id=a iterations=1", "'samples' is missing"),
    (b"run id=a samples=0 iterations=1", "samples=0"),
    (b"run id=a samples=--1 iterations=1", "samples=--1"),
    (b"run id=a samples=\xc2\xb2 iterations=1", "whole number"),
    (b"run id=a samples=1 iterations=" + b"9" * 5000, "iterations=999"),
    (b"run id=a samples=1 iterations=1 threads=4096", "threads=4096"),
    (b"run id=a samples=1 iterations=1 fast=1", "'fast' is unknown"),
    (b"run id=a samples=1 iterations=1 watch=" + b",".join([b"x"] * 17), "at most 16"),
    (b"output id=a", "nothing was run"),
    (b"input id=a path=model index=1", "index=1"),
    (b"input id=a path=model", "bytes where the input needs 24"),
    (b"infer id=a input=model output=o count=1", "where 1 inputs need 24 each"),
    (b"infer id=a input=model output=o count=1 dtype=u16 scale=1 offset=0", "not u8"),
    (b"infer id=a input=model output=o count=1 dtype=u8 scale=nan offset=0", "scale=nan"),
    (b"infer id=a input=model output=o count=1 dtype=u8 scale=1", "'offset' is missing"),
    (b"unload id=b", "nothing is loaded"),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[bytes, dict[str, object]]:
    """The reply to each bad line, of one engine that has a model loaded as `a` and answers what comes after."""
    folder = tmp_path_factory.mktemp("bad")
    write_model(folder)
    (folder / "rubbish").write_bytes(b"\x00rubbish")
    custom = {"dtype": "float32", "inputs": [], "refused": "Encountered unresolved custom op: LceQuantize.\nSee"}
    (folder / "custom").write_text(json.dumps(custom))
    lines = [line for line, _ in BAD]
    loaded, *replies = talk(folder, [b"load id=a model=model", *(said for line in lines for said in (line, b"hello"))])
    assert loaded["ok"]
    assert all(reply["ok"] for reply in replies[1::2])
    return dict(zip(lines, replies[::2], strict=True))


@pytest.mark.parametrize(("line", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_request_is_refused_and_the_engine_carries_on(
    refusals: dict[bytes, dict[str, object]], line: bytes, reason: str
) -> None:
    assert not refusals[line]["ok"]
    error = str(refusals[line]["error"])
    assert reason in error
    assert "\n" not in error


def talk(folder: Path, lines: list[bytes]) -> list[dict[str, object]]:
    """The driver's replies to raw lines."""
    command = stand_in_command(folder)
    given = b"".join(line + b"\n" for line in lines)
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done
    return [json.loads(line) for line in done.stdout.splitlines()]


words = st.one_of(
    st.sampled_from([b"hello", b"load", b"run", b"id=a", b"model=model", b"samples=1", b"iterations=1", b"limit_ns=9"]),
    st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")),
)


@settings(max_examples=6, deadline=None)
@given(st.lists(st.lists(words, max_size=6).map(b" ".join), min_size=20, max_size=60))
def test_every_line_has_one_reply(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    write_model(folder)
    asked = [line for line in lines if line.strip() != b"quit"]
    assert len(talk(folder, asked)) == len(asked)


def test_the_harness_can_slow_it_down_and_count(tmp_path: Path) -> None:
    with over_stand_in(tmp_path) as engine:
        ran = engine.client.run("a", samples=3, iterations=4, extra_ppm=500_000, limit_ns=10 * SECOND)
        assert ran.iterations == 4
        assert len(ran.samples_ns) == 3
        assert runs_and_threads(output(engine)) == (1 + 3 * (4 + 2), 1)
        assert ran.start_ns is not None
        assert ran.end_ns is not None
        assert ran.end_ns > ran.start_ns


def test_samples_are_as_long_as_asked_and_divided_by_their_iterations(tmp_path: Path) -> None:
    with over_stand_in(tmp_path, sleep_s=0.002) as engine:
        ran = engine.client.run("a", samples=3, min_sample_ns=10_000_000, warmup_ns=30_000_000, limit_ns=30 * SECOND)
        assert ran.iterations is not None
        assert 2 <= ran.iterations <= 6
        assert ran.warmup_samples_ns
        assert ran.first_ns is not None
        assert ran.first_ns >= 2e6
        assert 2e6 <= min(ran.samples_ns) < 9e6
        assert min(ran.samples_ns) * ran.iterations >= 10e6 * 0.8


@pytest.mark.parametrize("keys", ["iterations=1", "min_sample_ns=1", "iterations=1 warmup_ns=3600000000000"])
def test_a_limit_is_kept(tmp_path: Path, keys: str) -> None:
    write_model(tmp_path, sleep_s=0.01)
    started = time.monotonic()
    _, reply = talk(tmp_path, [b"load id=a model=model", f"run id=a samples=10000 limit_ns=200000000 {keys}".encode()])
    assert "limit_ns was reached" in str(reply["error"])
    assert time.monotonic() - started < 10


def test_a_runtime_that_fails_is_one_sentence(tmp_path: Path) -> None:
    with over_stand_in(tmp_path, fails_at=3) as engine:
        with pytest.raises(EngineError, match="refused run: the delegate was lost"):
            engine.client.run("a", samples=5, iterations=1, limit_ns=SECOND)
        engine.client.run("a", samples=5, iterations=1, limit_ns=SECOND)


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU here")
def test_threads_make_another_interpreter_with_the_same_inputs(tmp_path: Path) -> None:
    with over_stand_in(tmp_path) as engine:
        values = np.arange(6, dtype="<f4")
        (tmp_path / "in").write_bytes(values.tobytes())
        engine.client.input("a", "in")
        for threads in (1, 2, 2, 1):
            engine.client.run("a", samples=1, iterations=1, threads=threads, limit_ns=SECOND)
            raw = output(engine)
            assert raw[:-8] == (values * 2).tobytes()
            assert runs_and_threads(raw)[1] == threads
        assert runs_and_threads(raw)[0] == 2


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU here")
def test_an_output_is_never_of_another_number_of_threads(tmp_path: Path) -> None:
    with over_stand_in(tmp_path, fails_with=2) as engine:
        engine.client.run("a", samples=1, iterations=1, limit_ns=SECOND)
        with pytest.raises(EngineError, match="refused run"):
            engine.client.run("a", samples=1, iterations=1, threads=2, limit_ns=SECOND)
        with pytest.raises(EngineError, match="nothing was run"):
            engine.client.output("a")


@pytest.mark.skipif(len(CPUS) < 2, reason="one CPU here")
def test_refused_threads_leave_the_model_as_it_was(tmp_path: Path) -> None:
    with over_stand_in(tmp_path, single=True) as engine:
        engine.client.run("a", samples=1, iterations=1, limit_ns=SECOND)
        with pytest.raises(EngineError, match="only one thread here"):
            engine.client.run("a", samples=1, iterations=1, threads=2, limit_ns=SECOND)
        assert runs_and_threads(output(engine)) == (2, 1)
        engine.client.run("a", samples=1, iterations=1, limit_ns=SECOND)


def test_inputs_are_set_one_by_one_and_checked_to_the_byte(tmp_path: Path) -> None:
    first, second = np.arange(4, dtype="i1"), np.arange(10, 13, dtype="i1")
    with over_stand_in(tmp_path, inputs=[[1, 4], [3]], dtype="int8") as engine:
        for raw in (b"", second.tobytes()[:-1], second.tobytes() + b"!"):
            (tmp_path / "second").write_bytes(raw)
            with pytest.raises(EngineError, match=f"has {len(raw)} bytes where the input needs 3"):
                engine.client.input("a", "second", index=1)
        (tmp_path / "second").write_bytes(second.tobytes())
        odd = "first one=100%,ü"
        (tmp_path / odd).write_bytes(first.tobytes())
        engine.client.input("a", "second", index=1)
        engine.client.input("a", odd)
        engine.client.run("a", samples=1, iterations=1, limit_ns=SECOND)
        assert output(engine)[:-8] == np.concatenate([first * 2, second * 2]).tobytes()


def test_infer_takes_all_inputs_of_each_in_turn(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 5), np.uint8)
    with over_stand_in(tmp_path, inputs=[[2], [3]]) as engine:
        floats = pixels.astype("<f4")
        (tmp_path / "in").write_bytes(floats.tobytes())
        assert engine.client.infer("a", input="in", output="out", count=4, limit_ns=SECOND).count == 4
        assert inferred(tmp_path) == [row.tobytes() for row in floats * 2]
        (tmp_path / "in").write_bytes(pixels.tobytes())
        engine.write_line("infer id=a input=in output=out count=4 dtype=u8 scale=0.0078125 offset=-1")
        assert json.loads(engine.read_line(time.monotonic() + 10))["ok"]
        assert inferred(tmp_path) == [row.tobytes() for row in (floats / 128 - 1) * 2]


def inferred(folder: Path) -> list[bytes]:
    """Of each inference, all but the counts."""
    raw = (folder / "out").read_bytes()
    size = len(raw) // 4
    return [raw[start : start + size - 8] for start in range(0, len(raw), size)]


def test_watched_files_are_read_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "throttled").write_text("0x50000\n")
    write_model(tmp_path)
    line = b"run id=a samples=1 iterations=1 watch=throttled,missing counters=instructions"
    _, reply = talk(tmp_path, [b"load id=a model=model", line])
    assert reply["watch"] == {"throttled": ["0x50000", "0x50000"], "missing": ["", ""]}
    assert reply["counters_error"]


@pytest.mark.parametrize(("runtime", "package"), [("lce", "larq-compute-engine"), ("litert", "ai-edge-litert")])
def test_a_missing_runtime_is_one_sentence(tmp_path: Path, runtime: str, package: str) -> None:
    def said(*flags: str) -> str:
        command = [sys.executable, *flags, str(DRIVER), "--runtime", runtime]
        done = subprocess.run(command, cwd=tmp_path, input=b"hello\n", capture_output=True, timeout=30, check=False)
        assert (done.returncode, done.stdout) == (1, b"")
        (line,) = done.stderr.decode().splitlines()
        assert line.startswith(f"{package} does not work in {sys.executable}: ")
        return line

    assert said("-I").endswith(f"bnnbench engines install {runtime}")
    assert said().endswith(f"python3 -m venv {tmp_path}/python && {tmp_path}/python/bin/pip install {package} numpy")


def test_on_another_device_its_own_environment_goes_first(tmp_path: Path) -> None:
    def python(path: Path, says: str) -> None:
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\necho {says} "$@"\n')
        path.chmod(0o755)

    def run() -> str:
        environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        done = subprocess.run(
            command, cwd=tmp_path / "work", env=environment, capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout

    (tmp_path / "work").mkdir()
    python(tmp_path / "bin/python3", "theirs")
    command = ENGINES["litert"].command(Start(["blobs/0f"]))
    assert run() == "theirs blobs/0f --runtime litert\n"
    python(tmp_path / "work/python/bin/python3", "environment")
    assert run() == "environment blobs/0f --runtime litert\n"


def test_where_they_run() -> None:
    for name, engine in ENGINES.items():
        if name.startswith("lce"):
            assert all("this machine only" in str(engine.refusal(1, triple, False)) for triple in TRIPLES)
    assert all(ENGINES["litert"].refusal(1, triple, False) is None for triple in TRIPLES)


def test_not_installed_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    for name, runtime in (("lce", "lce"), ("lce-best", "lce"), ("litert", "litert")):
        refusal = f"the engine '{name}' is not installed; run bnnbench engines install {runtime}"
        assert ENGINES[name].refusal(1, HOST, True) == (refusal, "not_installed")


@contextmanager
def real(name: str, folder: Path) -> Iterator[EngineProcess]:
    engine = ENGINES[name]
    refusal = engine.refusal(1, HOST, True)
    if refusal:
        pytest.skip(refusal.reason)
    pushed = [str(shutil.copy(file.path, folder)) for file in engine.prepare(HOST, None, None).files]
    with EngineProcess(engine.command(Start(pushed, local=True)), folder) as process:
        yield process


def computed(engine: EngineProcess, model: Path, values: NDArray[np.generic], threads: int = 1) -> bytes:
    """Load, set the input, run often, output, unload."""
    (engine.folder / "in").write_bytes(values.tobytes())
    engine.client.load("model", {"model": str(model)})
    engine.client.input("model", "in")
    engine.client.run("model", samples=1, iterations=2, threads=threads, limit_ns=60 * SECOND)
    raw = output(engine, "model")
    engine.client.unload("model")
    return raw


TWO = pytest.param(2, marks=pytest.mark.skipif(len(CPUS) < 2, reason="one CPU here"))
NO_GROUPS = "tiny_grouped"
"""LCE's default kernels refuse grouped binary convolutions."""
OTHER_ROUNDING = {"tiny_int8", "QuickNetSmall_int8"}
"""XNNPACK rounds int8 its own way: steps of int8, some of them in a float output."""


def gap(engine: EngineProcess, path: Path, threads: int = 1) -> float:
    """Largest difference from LCE's own output for the first input: in steps of int8, or as a share of the largest."""
    with np.load(path.with_suffix(".npz")) as arrays:
        given, right = arrays["input"][:1], arrays["output"][:1]
    found = np.frombuffer(computed(engine, path, given, threads), right.dtype).reshape(right.shape)
    scale = 1 if right.dtype == np.int8 else np.abs(right).max()
    return float(np.abs(found.astype(np.float64) - right).max() / scale)


@pytest.mark.parametrize("threads", [1, TWO])
@pytest.mark.parametrize("name", ["lce", "lce-indirect", "lce-best"])
def test_lce_equals_its_golden_outputs(tmp_path: Path, name: str, threads: int) -> None:
    """Within what its float kernels differ by from one CPU to another (8.7e-7 was seen, mostly nothing)."""
    with real(name, tmp_path) as engine:
        assert engine.client.hello().version == "0.16.0"
        for path in [*GOLDEN, *LARGE]:
            if name == "lce" and path.stem == NO_GROUPS:
                with pytest.raises(EngineError, match=r"the runtime lce refuses the model: .*AllocateTensors"):
                    engine.client.load("grouped", {"model": str(path)})
            elif name != "lce-best" or path.stem not in OTHER_ROUNDING:
                assert gap(engine, path, threads) <= 1e-5, path.stem


def test_litert_refuses_the_ops_of_lce(tmp_path: Path) -> None:
    with (
        real("litert", tmp_path) as engine,
        pytest.raises(EngineError, match="refused load: the runtime litert has no op LceQuantize"),
    ):
        engine.client.load("a", {"model": str(GOLDEN[0])})


@pytest.mark.parametrize("threads", [1, TWO])
def test_litert_equals_the_reference(tmp_path: Path, threads: int) -> None:
    rng = np.random.default_rng(5)
    builder = Builder()
    x = builder.input((1, 9, 7, 5))
    convolution = builder.tensor((1, 5, 4, 8))
    weights = builder.constant(rng.normal(0, 1, (8, 3, 3, 5)).astype("<f4"))
    bias = builder.constant(rng.normal(0, 1, 8).astype("<f4"))
    options = {
        "padding": 0,
        "stride_h": 2,
        "stride_w": 2,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": 1,
    }
    builder.op("CONV_2D", [x, weights, bias], [convolution], "Conv2DOptions", **options)
    path = tmp_path / "made.tflite"
    path.write_bytes(builder.content(convolution))
    given = rng.normal(0, 1, (1, 9, 7, 5)).astype("<f4")
    (right,) = interpret(builder.graph(convolution), [given]).outputs
    with real("litert", tmp_path) as engine:
        found = np.frombuffer(computed(engine, path, given, threads), "<f4").reshape(right.shape)
    assert np.abs(found - right).max() <= 1e-5 * np.abs(right).max()


@pytest.mark.parametrize("name", ["lce", "litert"])
def test_installed_runtimes_are_whole(name: str) -> None:
    python = installed(name)
    if python is None:
        pytest.skip(f"run bnnbench engines install {name}")
    done = subprocess.run([python, "-I", DRIVER, "--runtime", name], input=b"hello\n", capture_output=True, timeout=30)
    assert json.loads(done.stdout)["engine"] == name


def test_ops_are_timed_by_a_file_that_the_request_names(tmp_path: Path) -> None:
    """The stand-in is of no version of LiteRT, and whoever names no file gets no times."""
    profiler = ENGINES["litert"].prepare(HOST, None, None).files[1].path
    path = write_model(tmp_path)
    with EngineProcess(stand_in_command(tmp_path), tmp_path) as engine:
        engine.client.load("m", {"model": path})
        with pytest.raises(EngineError, match="the key 'profiler' is missing"):
            engine.client.profile("m", runs=1, limit_ns=SECOND)
        with pytest.raises(EngineError, match=r"refused profile: op times need LiteRT 2\.3\.x"):
            engine.client.profile("m", runs=1, limit_ns=SECOND, profiler=str(profiler))
        with pytest.raises(EngineError, match="refused profile"):
            engine.client.profile("m", runs=1, limit_ns=SECOND, profiler="no/such/file")


def test_litert_s_profiler_counts_every_op_in_every_run(tmp_path: Path) -> None:
    if installed("litert") is None:
        pytest.skip("not installed: bnnbench engines install litert")
    b = Builder()
    x, other = b.input((1, 8, 8, 16)), b.input((1, 8, 8, 16))
    total = b.op("ADD", [x, other], b.tensor((1, 8, 8, 16)), "AddOptions")
    halves = [b.tensor((1, 8, 8, 8)), b.tensor((1, 8, 8, 8))]
    b.op("SPLIT", [b.constant(np.array(3, np.int32)), total], halves, "SplitOptions", num_splits=2)
    (tmp_path / "model").write_bytes(b.content(*halves))
    engine = ENGINES["litert"]
    driver, profiler = (str(file.path) for file in engine.prepare(HOST, None, None).files)
    with EngineProcess(engine.command(Start([driver, profiler], local=True)), tmp_path) as process:
        process.client.load("m", {"model": "model"})
        for threads in {1, min(2, len(CPUS))}:
            found = process.client.profile("m", runs=7, threads=threads, limit_ns=60 * SECOND, profiler=profiler)
            assert len(found.total_ns) == 7
            assert all(len(op.ns) == 7 for op in found.ops)
            assert any(op.name.startswith(("Add", "ADD", "Binary")) for op in found.ops), found.ops
            assert all(sum(ns) <= whole + 1000 * len(found.ops) for *ns, whole in zip(*_columns(found), strict=True))


def _columns(found: Profile) -> list[list[float]]:
    return [*(op.ns for op in found.ops), found.total_ns]
