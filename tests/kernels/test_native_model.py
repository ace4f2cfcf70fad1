"""Models on the native engine: every step equals NumPy, however many threads and at every ISA level; bad plans are
refused, and what the protocol says of models holds."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bnnbench.kernels.errors import EngineError
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.plan_file import encode
from bnnbench.kernels.models.plan.plan_reader import read_plan
from bnnbench.kernels.models.plan.steps import Step
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.targets import IsaLevel
from bnnbench.kernels.toolchain import build_native
from tests.fuzz.plan_mutation import mutated
from tests.kernels.engine_process import HOST, INTEGER_LEVELS, EngineProcess, hello, runner
from tests.kernels.plan_cases import CASES, DENSE, PlanCase, bits, signs, step
from tests.kernels.plan_interpreter import run_plan
from tests.kernels.random_graphs import graphs, input_for
from tests.kernels.trace_replay import ask, differences, load

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = sorted(GOLDEN.glob("*.tflite"))
HOUR_NS = 3600 * 10**9
Array = NDArray[Any]
ONE_OF_EACH = [
    *{read_plan(case.plan).steps[0].kind: case for case in CASES}.values(),
    *(case for case in CASES if case.name in ("stages 1", "conv 1x1 of f16", "depthwise x1 of f16")),
]
"""A case for each kind of step, one with all stages, and those with weights in f16."""


def start(level: IsaLevel, folder: Path) -> EngineProcess:
    prefix = runner(level.triple)
    if prefix is None:
        pytest.skip(f"qemu-user-static is not installed, which runs {level.triple} here")
    engine = EngineProcess([*prefix, build_native(level.triple).path], folder)
    isas = hello(engine).isas
    engine.errors()
    if level.isa not in isas:
        pytest.skip(f"this CPU has no {level.isa}")
    return EngineProcess([*prefix, build_native(level.triple).path, "--isa", level.isa], folder)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with EngineProcess([build_native(HOST).path], tmp_path) as process:
        yield process


@pytest.fixture(params=INTEGER_LEVELS, ids=lambda level: f"{level.triple.split('-')[0]}-{level.isa}")
def level_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine at each ISA level that this machine can run, emulated or not."""
    with start(request.param, tmp_path) as process:
        yield process


def tiny(path: Path, **options: Any) -> tuple[bytes, Graph, Array]:
    graph = import_model(read(path), **options)
    inputs: Array = np.load(path.with_suffix(".npz"))["input"]
    return make_plan(graph).to_bytes(), graph, inputs


@pytest.mark.timeout(300)
def test_every_kind_and_stage(level_engine: EngineProcess) -> None:
    assert {case.name: differences(level_engine, case.plan, case.inputs) for case in CASES} == {
        case.name: [] for case in CASES
    }


@pytest.mark.timeout(300)
def test_every_step_of_the_golden_models(level_engine: EngineProcess) -> None:
    for path in TINY:
        plan, graph, inputs = tiny(path)
        assert differences(level_engine, plan, [inputs[: graph.inputs[0].shape[0]]]) == [], path.stem


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(graph=graphs(), seed=st.integers(0, 3))
def test_random_graphs(engine: EngineProcess, graph: Graph, seed: int) -> None:
    plan = make_plan(graph).to_bytes()
    assert differences(engine, plan, [input_for(graph, seed)]) == []


def outputs(engine: EngineProcess, threads: int) -> bytes:
    engine.client.run("m", samples=1, iterations=2, threads=threads, limit_ns=HOUR_NS)
    engine.client.output("m", "out")
    return (engine.folder / "out").read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_threads_do_not_change_a_byte(engine: EngineProcess, case: PlanCase) -> None:
    most = hello(engine).max_threads
    assert most is not None
    load(engine, case.plan, case.inputs)
    one = outputs(engine, 1)
    assert one
    assert [outputs(engine, threads) == one for threads in range(1, min(most, 4) + 1)] == [True] * min(most, 4)


@pytest.mark.timeout(300)
def test_threads_share_the_channels_of_few_pixels(level_engine: EngineProcess) -> None:
    """At every level: blocks of channels are as wide as its vectors."""
    two = min(2, hello(level_engine).max_threads or 1)
    for case in (case for case in CASES if case.name.startswith(DENSE)):
        load(level_engine, case.plan, case.inputs)
        (divided,) = level_engine.client.divide("m", 2).steps
        assert divided.parts == 2, case.name
        # By pixels: a word of signs may be of two blocks, and stages need blocks of 16 channels.
        if not case.name.endswith(("to bits", "stages", "clamp add")):
            assert divided.units >= 4, case.name
        assert outputs(level_engine, two) == outputs(level_engine, 1), case.name
        level_engine.client.unload("m")


@pytest.mark.parametrize("path", TINY, ids=lambda path: path.stem)
def test_threads_and_runs_repeat_the_golden_models(engine: EngineProcess, path: Path) -> None:
    plan, graph, inputs = tiny(path)
    load(engine, plan, [inputs[: graph.inputs[0].shape[0]]])
    most = hello(engine).max_threads or 1
    assert len({outputs(engine, threads) for threads in (1, most, 1, most)}) == 1


def test_infer_takes_inputs_one_after_another(engine: EngineProcess) -> None:
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [])
    (engine.folder / "all").write_bytes(inputs.tobytes())
    done = engine.client.infer("m", input="all", output="y", count=len(inputs), limit_ns=HOUR_NS)
    assert (done.count, done.ns > 0) == (len(inputs), True)
    each = []
    for image in inputs:
        engine.client.unload("m")
        load(engine, plan, [image])
        each.append(outputs(engine, 1))
    assert (engine.folder / "y").read_bytes() == b"".join(each)


def test_infer_scales_bytes(engine: EngineProcess) -> None:
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    pixels = np.random.default_rng(1).integers(0, 256, inputs.shape, np.uint8)
    load(engine, plan, [])
    (engine.folder / "u8").write_bytes(pixels.tobytes())
    (engine.folder / "f32").write_bytes((pixels.astype(np.float32) * np.float32(0.0078125) - np.float32(1)).tobytes())
    engine.client.infer("m", input="f32", output="a", count=len(inputs), limit_ns=HOUR_NS)
    request = f"infer id=m input=u8 output=b count={len(inputs)} dtype=u8 scale=0.0078125 offset=-1"
    assert ask(engine, request)["ok"]
    assert (engine.folder / "a").read_bytes() == (engine.folder / "b").read_bytes()


def test_load_describes_inputs_and_outputs(engine: EngineProcess) -> None:
    plan, graph, _ = tiny(GOLDEN / "tiny_larq.tflite")
    (engine.folder / "plan").write_bytes(plan)
    loaded = engine.client.load("m", {"plan": "plan"})
    assert [tuple(one.shape) for one in loaded.inputs] == [graph.inputs[0].shape]
    assert [(tuple(one.shape), one.dtype) for one in loaded.outputs] == [(graph.outputs[0].shape, "f32")]
    assert loaded.arena_bytes == struct.unpack_from("<Q", plan, 64)[0]


def test_profile_times_every_step(engine: EngineProcess) -> None:
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [inputs[:1]])
    profile = engine.client.profile("m", runs=50, limit_ns=HOUR_NS)
    (steps,) = struct.unpack_from("<I", plan, 64 + 28)
    assert [op.index for op in profile.ops] == list(range(steps))
    assert all(op.op and op.kernel and min(op.ns) >= 0 for op in profile.ops)
    sums = [sum(times) for times in zip(*(op.ns for op in profile.ops), strict=True)]
    # One run may be interrupted between its clock reads; most are not.
    assert np.median([a / b for a, b in zip(sums, profile.total_ns, strict=True)]) > 0.97
    assert all(a <= b for a, b in zip(sums, profile.total_ns, strict=True))


def test_peak_measures_every_roof(engine: EngineProcess) -> None:
    peaks = engine.client.peak(limit_ns=200_000_000)
    assert all((peaks.popcount_gops, peaks.fma_gflops, peaks.clock_hz))
    assert peaks.read_gb_s is not None
    assert set(peaks.read_gb_s) == {"l1", "l2", "llc", "dram"}
    assert all(rate > 0 for rate in peaks.read_gb_s.values())
    many = ask(engine, f"peak threads={hello(engine).max_threads} limit_ns=200000000")
    assert many["ok"], many
    assert many["fma_gflops"] > 0


@pytest.mark.parametrize(
    ("request_line", "says"),
    [
        ("input id=m path=short", "where the input needs"),
        ("input id=m path=missing", "cannot read missing"),
        ("input id=m path=short index=1", "index"),
        ("infer id=m input=short output=y count=2", "inputs need"),
        ("infer id=m input=short output=y count=0", "count"),
        ("infer id=m input=short output=y count=1 dtype=u8 scale=x offset=0", "is not a number"),
        ("infer id=m input=short output=y count=1 dtype=i4", "not u8"),
        ("run id=m samples=1 iterations=1 threads=999", "threads=999"),
        ("profile id=m runs=0", "runs=0"),
        ("profile id=none runs=1", "nothing is loaded"),
        ("trace id=m path=/no/such/folder", "cannot write"),
        ("trace id=m path=t more=1", "unknown"),
        ("load id=x plan=missing", "cannot read missing"),
        ("load id=x plan=short", "not a plan"),
        ("load id=x model=short", "ops and plans only"),
        ("peak threads=999", "threads=999"),
    ],
)
def test_bad_requests_are_refused(engine: EngineProcess, request_line: str, says: str) -> None:
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [inputs[:1]])
    (engine.folder / "short").write_bytes(b"1234")
    reply = ask(engine, request_line)
    assert not reply["ok"]
    assert says in reply["error"]
    assert outputs(engine, 1)  # and it carries on


def test_an_op_is_no_model(engine: EngineProcess) -> None:
    (engine.folder / "data").write_bytes(bytes(4 * 32))
    assert ask(engine, "load id=op op=bitpack n=1 c=32 dtype=f32 data=data")["ok"]
    assert "takes a model" in ask(engine, "profile id=op runs=1")["error"]


def test_limit_ends_long_work(engine: EngineProcess) -> None:
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [inputs[:1]])
    (engine.folder / "x").write_bytes(inputs[0].tobytes() * 2000)
    assert "limit_ns" in ask(engine, "infer id=m input=x output=y count=2000 limit_ns=1000")["error"]
    assert "limit_ns" in ask(engine, "profile id=m runs=100000 limit_ns=1000000")["error"]


def test_an_input_that_was_never_set_is_zeros(engine: EngineProcess) -> None:
    plan, graph, _ = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [])
    zeros = outputs(engine, 1)
    engine.client.unload("m")
    load(engine, plan, [np.zeros(graph.inputs[0].shape, np.float32)])
    assert outputs(engine, 1) == zeros


def test_resident_memory_stays_small(engine: EngineProcess) -> None:
    """The file, the packed weights and the arena, and little more."""
    plan, _, inputs = tiny(GOLDEN / "tiny_larq.tflite")
    load(engine, plan, [inputs[:1]])
    ran = engine.client.run("m", samples=1, iterations=1, limit_ns=HOUR_NS)
    assert ran.peak_rss_bytes is not None
    assert ran.peak_rss_bytes < 3_000_000 + 3 * len(plan)


def moved_bits(engine: EngineProcess, one: Step, x: Tensor, out: Tensor, words: Array) -> Array:
    """What a step that moves bits makes of these words."""
    plan = encode([one], [x], [out], {x: 0, out: -(-x.bytes // 64) * 64}, 1 << 16)
    load(engine, plan, [words])
    moved = np.frombuffer(outputs(engine, 1), np.uint32).reshape(out.storage_shape)
    engine.client.unload("m")
    return moved


def test_bits_are_moved_by_words(engine: EngineProcess) -> None:
    rng = np.random.default_rng(4)
    x, wide = bits("x", 1, 2, 3, 50), bits("wide", 2, 4, 5, 114)
    words = signs(rng, 1, 2, 3, 50)
    placed = moved_bits(engine, step("place", x, wide, 1, 1, 2, 64, 1, 0), x, wide, words)
    expected = np.zeros(wide.storage_shape, np.uint32)
    expected[1, 1:3, 2:5, 2:] = words[0]
    np.testing.assert_array_equal(placed, expected)
    words = signs(rng, 2, 4, 5, 114)
    cut = bits("cut", 1, 4, 2, 50)  # 18 bits of a word that goes on
    sliced = moved_bits(engine, step("slice", wide, cut, 1, 0, 3, 32), wide, cut, words)
    np.testing.assert_array_equal(sliced, words[1:, :, 3:, 1:3] & np.array([2**32 - 1, 2**18 - 1], np.uint32))
    turned = bits("turned", 5, 2, 4, 114)
    np.testing.assert_array_equal(
        moved_bits(engine, step("transpose", wide, turned, 2, 0, 1, 3), wide, turned, words),
        words.transpose(2, 0, 1, 3),
    )


# Hostile files.


def refused(engine: EngineProcess, plan: bytes) -> str | None:
    """The one sentence; None when it was accepted, and then ran."""
    (engine.folder / "plan").write_bytes(plan)
    try:
        loaded = engine.client.load("bad", {"plan": "plan"}, timeout_s=10)
    except EngineError as error:
        text = str(error)
        assert "refused load: " in text, text  # and did not die
        assert "\n" not in text
        return text.split("refused load: ")[1]
    if (loaded.arena_bytes or 0) <= 1 << 22:
        engine.client.run("bad", samples=1, iterations=1, limit_ns=HOUR_NS)
    engine.client.unload("bad")
    return None


def sealed(body: bytes) -> bytes:
    """A body with a header that fits."""
    return b"BNNPLAN\0" + struct.pack("<IIQ", 3, 0, len(body)) + hashlib.sha256(body).digest() + bytes(8) + body


def test_truncated_plans_are_refused(engine: EngineProcess) -> None:
    plan, *_ = tiny(GOLDEN / "tiny_odd.tflite")
    for length in [*range(200), *range(200, len(plan), 97)]:
        assert refused(engine, plan[:length]), length
    body = plan[64:]
    for length in range(0, len(body), 64):
        assert refused(engine, sealed(body[:length])), length


def test_wrong_envelopes_are_named(engine: EngineProcess) -> None:
    plan, *_ = tiny(GOLDEN / "tiny_odd.tflite")

    def changed(place: int, content: bytes) -> bytes:
        return plan[:place] + content + plan[place + len(content) :]

    assert "not a plan" in (refused(engine, b"") or "")
    assert "not a plan" in (refused(engine, changed(0, b"X")) or "")
    assert "version 1 where this engine reads version 3" in (refused(engine, changed(8, b"\1")) or "")
    assert "version 2 where" in (refused(engine, changed(8, b"\2")) or "")
    assert "promises" in (refused(engine, plan + b"1") or "")
    assert "checksum" in (refused(engine, changed(len(plan) - 1, bytes([plan[-1] ^ 1]))) or "")
    assert "damaged" in (refused(engine, changed(60, b"\1")) or "")
    assert refused(engine, plan) is None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_every_word_of_every_kind_is_checked(engine: EngineProcess, case: PlanCase) -> None:
    """Each word of the program becomes some extreme numbers in turn: refused, or it runs, and the engine lives on."""
    body = case.plan[64:]
    (words,) = struct.unpack_from("<I", body, 32)
    draw = random.Random(3)  # noqa: S311
    accepted = 0
    for word in range(words):
        for value in draw.sample((0, 1, 2, 33, 2**16, 2**28, 2**31 - 1, 2**31, 2**32 - 1), 3):
            bad = bytearray(body)
            struct.pack_into("<I", bad, 64 + 4 * word, value)
            accepted += refused(engine, sealed(bytes(bad))) is None
    assert 0 < accepted < 3 * words
    assert refused(engine, case.plan) is None


@pytest.mark.parametrize("factor", [np.nan, np.inf, -np.inf, -0.1, 0.0, -0.0])
def test_factors_that_are_none_are_refused(engine: EngineProcess, factor: float) -> None:
    name = f"{DENSE} 1 i8 once"
    plan = next(case.plan for case in CASES if case.name == name)
    right = read_plan(plan).steps[0].stages[0].arguments["factor"].tobytes()
    assert plan.count(right) == 1
    bad = plan.replace(right, right[:8] + np.array([factor]).tobytes() + right[16:])
    assert "the factor of channel 1 is" in (refused(engine, sealed(bad[64:])) or "")


@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e300, float(np.finfo(np.float64).max)])
def test_factors_of_any_size_are_limited(engine: EngineProcess, factor: float) -> None:
    case = next(case for case in CASES if case.name == f"{DENSE} 1 i8 once")
    right = read_plan(case.plan).steps[0].stages[0].arguments["factor"]
    changed = case.plan.replace(right.tobytes(), np.full(right.shape, factor).tobytes())
    assert differences(engine, sealed(changed[64:]), case.inputs) == []


@pytest.mark.timeout(120)
def test_mutated_golden_plans(engine: EngineProcess) -> None:
    """A short corpus of what `make fuzz` does at length."""
    plans = [tiny(path)[0] for path in TINY]
    answers = [refused(engine, mutated(plans[seed % len(plans)], seed)) for seed in range(400)]
    assert any(answer is None for answer in answers)
    assert sum(answer is not None for answer in answers) > 200


def test_plans_cannot_ask_for_memory(engine: EngineProcess) -> None:
    plan, *_ = tiny(GOLDEN / "tiny_odd.tflite")
    body = bytearray(plan[64:])
    struct.pack_into("<Q", body, 0, 2**31)
    assert "2 GiB" in (refused(engine, sealed(bytes(body))) or "")


def test_whole_output_equals_numpy(engine: EngineProcess) -> None:
    """Not only step by step: what `output` writes, of cases whose arithmetic is exact."""
    for case in CASES:
        if not case.exact or "stages" in case.name:  # these leave channels of a tensor as they were
            continue
        load(engine, case.plan, case.inputs)
        expected = b"".join(one.tobytes() for one in run_plan(case.plan, case.inputs))
        assert outputs(engine, 1) == expected, case.name
        engine.client.unload("m")
