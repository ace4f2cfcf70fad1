"""The plan file: what is written is read back, as docs/plans.md has it."""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings

from bnnbench.kernels.errors import ModelError
from bnnbench.kernels.models.graph import Graph, Tensor
from bnnbench.kernels.models.plan import make_plan
from bnnbench.kernels.models.plan.plan_layout import KINDS, STAGE_KINDS
from bnnbench.kernels.models.plan.plan_reader import PlanTensor, read_plan
from bnnbench.kernels.models.plan.steps import DIRECT, STAGES, STREAMS, Step
from bnnbench.kernels.models.plan.work import work_of

from .random_graphs import graphs
from .test_plan_fusion import chain


def same(written: object, found: object) -> bool:
    """A tensor by name and type, a constant by its values, a number as f32 or as it is."""
    if isinstance(written, Tensor):
        assert isinstance(found, PlanTensor)
        scale = np.float32(written.scale or 0)
        quantization = (scale, written.zero_point if written.dtype == "i8" else 0)
        return (written.name, written.dtype, len(written.shape)) == (found.name, found.dtype, found.rank) and (
            quantization == (np.float32(found.scale), found.zero_point) and written.bytes == found.bytes
        )
    if isinstance(written, np.ndarray):
        shapes = [[size for size in shape if size > 1] for shape in (np.shape(found), written.shape)]
        return np.asarray(found).tobytes() == written.tobytes() and shapes[0] == shapes[1]
    if isinstance(written, float):
        return np.float32(written) == np.float32(found)  # type: ignore[arg-type]
    return written == found


def assert_same(step: Step, found: object) -> None:
    assert (step.kind, step.name) == (found.kind, found.name)  # type: ignore[attr-defined]
    pairs = [(step.arguments, found.arguments)]  # type: ignore[attr-defined]
    pairs += [
        (one.arguments, other.arguments)
        for one, other in zip(step.stages, found.stages, strict=True)  # type: ignore[attr-defined]
    ]
    for written, read in pairs:
        for one, (name, other) in zip(written, read.items(), strict=True):
            assert same(one, other), (step.name, name, one, other)


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_round_trip(one: Graph) -> None:
    plan = make_plan(one)
    content = read_plan(plan.to_bytes())
    assert [stage.kind for step in plan.steps for stage in step.stages] == [
        stage.kind for step in content.steps for stage in step.stages
    ]
    for step, found in zip(plan.steps, content.steps, strict=True):
        assert_same(step, found)
    for tensors, ends in ((one.inputs, content.inputs), (one.outputs, content.outputs)):
        assert all(same(tensor, end) for tensor, end in zip(tensors, ends, strict=True))
    assert content.arena_bytes == plan.arena_bytes


@settings(max_examples=20, deadline=None)
@given(graphs())
def test_the_same_graph_gives_the_same_bytes(one: Graph) -> None:
    plan = make_plan(one)
    assert plan.to_bytes() == make_plan(one).to_bytes()
    assert plan.sha256 == hashlib.sha256(plan.to_bytes()).hexdigest()


def test_header() -> None:
    """The words that docs/plans.md puts at fixed places."""
    content = make_plan(chain()).to_bytes()
    body = content[64:]
    assert content[:16] == b"BNNPLAN\0" + struct.pack("<II", 3, 0)
    assert struct.unpack_from("<Q", content, 16) == (len(body),)
    assert content[24:56] == hashlib.sha256(body).digest()
    assert content[56:64] == bytes(8)
    arena, data, tensors, inputs, outputs, steps, words = struct.unpack_from("<QQIIIII", body)
    assert (tensors, inputs, outputs, steps) == (3, 1, 2, 1)
    assert arena % 64 == 0
    assert len(body) == 64 + -(-words * 4 // 64) * 64 + data
    assert struct.unpack_from("<IIIIII", body, 64) == (0, 4, 1, 3, 3, 8)


def test_writer_and_reader_know_the_same_kinds() -> None:
    assert {kind.name: number for number, kind in KINDS.items()} == {**STREAMS, **DIRECT}
    assert dict(STAGES) == {kind.name: number for number, kind in STAGE_KINDS.items()}


@pytest.mark.parametrize(
    ("place", "message"),
    [(0, "not a plan file"), (8, "of version"), (16, "damaged"), (30, "damaged"), (70, "damaged"), (-1, "damaged")],
)
def test_a_damaged_file_is_refused(place: int, message: str) -> None:
    content = bytearray(make_plan(chain()).to_bytes())
    content[place] ^= 0x40
    with pytest.raises(ModelError, match=message) as refusal:
        read_plan(bytes(content))
    assert str(refusal.value).count("\n") == 0


def test_steps_say_what_they_are_made_of() -> None:
    (step,) = make_plan(chain()).steps
    assert step.name == "op0 Unary + Elementwise + BitQuantize"
    assert [node.index for node in step.nodes] == [0, 1, 2]
    # x, and x again as the operand; the sum; its signs
    assert work_of(step).bytes_moved == 288 + 288 + 36
