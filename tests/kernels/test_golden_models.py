"""Models that Larq Compute Engine converted, on every ISA level, against its own outputs and against the reference.

The small ones are in tests/golden; BNNBENCH_GOLDEN may name a folder with large ones: NAME.tflite beside NAME.npz with
`input`, `output` (by LCE's interpreter) and, where LCE is known to be wrong, `keras_output`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bnnbench.kernels.models.graph import Graph
from bnnbench.kernels.models.importer import import_model
from bnnbench.kernels.models.interpreter import VARIANTS, Result, interpret, sign_margins
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.fusion import FUSIONS
from bnnbench.kernels.models.subgraph import subgraph
from bnnbench.kernels.models.tflite_file import read
from bnnbench.kernels.targets import IsaLevel
from bnnbench.kernels.toolchain import build_native
from tests.kernels.engine_process import HOST, WHOLE_LEVELS, EngineProcess, runner

SMALL = sorted((Path(__file__).parents[1] / "golden").glob("*.tflite"))
FOLDER = os.environ.get("BNNBENCH_GOLDEN")
LARGE = sorted(path for path in Path(FOLDER).glob("*.tflite") if not path.name.startswith("tiny_")) if FOLDER else []
MODELS = [*SMALL, *LARGE]
UNDER_QEMU = [*SMALL, *(path for path in LARGE if path.stem == "QuickNetSmall")]
KNOWN_WRONG_IN_LCE = {"tiny_odd"}
"""SAME zero-padding with dilation on a small map: Keras is right."""
TOLERANCE = 1e-5
NUMPY = {"f32": "<f4", "i8": "|i1", "u8": "|u1", "u32": "<u4", "i32": "<i4"}

Array = NDArray[np.generic]


@cache
def golden(path: Path) -> dict[str, Array]:
    with np.load(path.with_suffix(".npz")) as arrays:
        return dict(arrays)


@cache
def graph_of(path: Path, batch: int = 1) -> Graph:
    return import_model(read(path), batch)


def inputs_of(path: Path) -> Array:
    """The first golden input: a batch of one."""
    return golden(path)["input"][:1]


@cache
def reference(path: Path) -> Result:
    return interpret(graph_of(path), [inputs_of(path)], keep=True)


@contextmanager
def started(level: IsaLevel, folder: Path) -> Iterator[EngineProcess]:
    command = runner(level.triple)
    if command is None:
        pytest.skip(f"no emulator for {level.triple}")
    binary = build_native(level.triple).path
    if level.triple == HOST:
        with EngineProcess([binary], folder) as engine:
            if level.isa not in engine.client.hello().isas:
                pytest.skip(f"this CPU has no {level.isa}")
    with EngineProcess([*command, binary, "--isa", level.isa], folder) as engine:
        yield engine


def run(engine: EngineProcess, plan: bytes, given: Array, threads: int = 1) -> Array:
    """The first output, flat."""
    folder, client = engine.folder, engine.client
    (folder / "plan").write_bytes(plan)
    (folder / "input").write_bytes(given.tobytes())
    loaded = client.load("m", {"plan": "plan"})
    client.input("m", "input")
    client.run("m", samples=1, iterations=1, threads=threads, limit_ns=100_000_000_000)
    client.output("m", "output", timeout_s=60)
    client.unload("m")
    return np.fromfile(folder / "output", NUMPY[loaded.outputs[0].dtype])


def bits_of(engine: EngineProcess, graph: Graph, plan: bytes, given: Array) -> dict[str, Array]:
    """The engine's tensors of bits by name."""
    folder, client = engine.folder, engine.client
    (folder / "plan").write_bytes(plan)
    (folder / "input").write_bytes(given.tobytes())
    client.load("m", {"plan": "plan"})
    client.input("m", "input")
    trace = client.trace("m", "trace", timeout_s=100)
    client.unload("m")
    content = (folder / "trace").read_bytes()
    shapes = {node.output.name: node.output.storage_shape for node in graph.nodes}
    return {
        one.name: np.frombuffer(content, "<u4", one.bytes // 4, one.offset).reshape(shapes[one.name])
        for one in trace.tensors
        if one.dtype == "u32"
    }


def close(output: Array, right: Array) -> bool:
    """Floats within the tolerance of the largest value; int8 equal; the largest at the same place."""
    right = right.reshape(-1)
    gap = np.abs(output.astype(np.float64) - right.astype(np.float64)).max()
    allowed = 0.0 if right.dtype == np.int8 else TOLERANCE * np.abs(right).max()
    return bool(gap <= allowed and output.argmax() == right.argmax())


def right_of(path: Path) -> Array:
    """The first golden output: by LCE, or by Keras where LCE is known to be wrong. Of int8 models it is the
    reference's, which has TFLite's own rounding and equals LCE under the variant x86."""
    if path.stem.endswith("int8"):
        return reference(path).outputs[0]
    arrays = golden(path)
    return (arrays["keras_output"] if path.stem in KNOWN_WRONG_IN_LCE else arrays["output"])[:1]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_the_reference_equals_lce(path: Path) -> None:
    arrays = golden(path)
    right = arrays["keras_output"] if path.stem in KNOWN_WRONG_IN_LCE else arrays["output"]
    if path.stem.endswith("int8"):
        (output,) = interpret(graph_of(path), [inputs_of(path)], variant=VARIANTS["x86"]).outputs
        assert output.tobytes() == right[:1].tobytes()
        return
    found = reference(path)
    if close(found.outputs[0].reshape(-1), right[:1]):
        return
    # Only a value within a rounding of zero before a sign may set them apart; then the first such one is told.
    nearest = min(sign_margins(graph_of(path), found.values), key=lambda margin: margin.smallest)
    assert nearest.smallest < 1e-6, nearest


@pytest.mark.parametrize("level", WHOLE_LEVELS, ids=lambda level: f"{level.triple.split('-')[0]}-{level.isa}")
@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.timeout(300)
def test_the_engine_equals_lce(path: Path, level: IsaLevel, tmp_path: Path) -> None:
    """Either right away, or with a reference that takes the engine's signs where it is itself unsure of them."""
    if level.triple != HOST and path not in UNDER_QEMU:
        pytest.skip("emulated for the small models and QuickNetSmall only")
    given, graph = inputs_of(path), graph_of(path)
    plan = make_plan(graph).to_bytes()
    with started(level, tmp_path) as engine:
        output = run(engine, plan, given)
        if close(output, right_of(path)):
            return
        bits = bits_of(engine, graph, plan, given)
    explained = interpret(graph, [given], bits=bits)
    assert not any(flip.wrong for flip in explained.flips), explained.flips
    assert close(output, explained.outputs[0])
    # It is then LCE's sign that is another one, of a value too close to zero to call.
    nearest = min(sign_margins(graph, reference(path).values), key=lambda margin: margin.smallest)
    assert explained.flips or nearest.smallest < 1e-6, nearest


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.timeout(300)
def test_threads_batches_and_fusions_change_no_byte(path: Path, tmp_path: Path) -> None:
    given, graph = inputs_of(path), graph_of(path)
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        once = run(engine, make_plan(graph).to_bytes(), given)
        if (engine.client.hello().max_threads or 1) > 1:
            assert run(engine, make_plan(graph).to_bytes(), given, threads=2).tobytes() == once.tobytes()
        plain = run(engine, make_plan(graph, without=frozenset(FUSIONS)).to_bytes(), given)
        assert plain.tobytes() == once.tobytes()
        four = make_plan(graph_of(path, 4)).to_bytes()
        # Four different images, each as it is alone.
        others = np.concatenate([np.roll(given, shift, axis=1) for shift in range(4)])
        together = run(engine, four, others)
        alone = [run(engine, make_plan(graph).to_bytes(), others[i : i + 1]) for i in range(4)]
        assert together.tobytes() == b"".join(output.tobytes() for output in alone)


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
@pytest.mark.timeout(300)
def test_every_op_alone_on_the_references_inputs(path: Path, tmp_path: Path) -> None:
    """Binary and int8 ops to the last bit, float ops within 1e-5, each on what the reference gave it."""
    graph, values = graph_of(path), dict(reference(path).values)
    values |= {tensor.name: array for tensor, array in zip(graph.inputs, [inputs_of(path)], strict=True)}
    seen = set()
    with EngineProcess([build_native(HOST).path], tmp_path) as engine:
        for node in graph.nodes:
            if node.op in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
                continue  # moves nothing, so there is nothing to run
            alone = subgraph(graph, node)
            plan = make_plan(alone).to_bytes()
            (tmp_path / "plan").write_bytes(plan)
            engine.client.load("op", {"plan": "plan"})
            for index, tensor in enumerate(alone.inputs):
                (tmp_path / "input").write_bytes(values[tensor.name].tobytes())
                engine.client.input("op", "input", index=index)
            engine.client.run("op", samples=1, iterations=1, limit_ns=10**11)
            engine.client.output("op", "output")
            engine.client.unload("op")
            right = values[node.output.name].reshape(-1)
            output = np.fromfile(tmp_path / "output", right.dtype)
            if right.dtype == np.float32 and node.op != "LceBconv2d":
                gap = float(np.abs(output - right).max())
                assert gap <= TOLERANCE * float(np.abs(right).max()), (node.index, node.op, gap)
            else:
                assert output.tobytes() == right.tobytes(), (node.index, node.op)
            seen.add(node.op)
    assert seen
