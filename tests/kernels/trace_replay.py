"""Every step of a plan, computed anew in NumPy from what the engine itself had before it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnnbench.kernels.models.plan.plan_reader import STORED, PlanStep, PlanTensor, read_plan
from tests.kernels.engine_process import EngineProcess
from tests.kernels.plan_interpreter import _Arena, _box, _direct, _run_stages, _stream

Array = NDArray[Any]
TOLERANCE = 1e-5
"""Of the largest value of a tensor of floats; i8 and bits of such floats may differ here and there."""
_FUNCTIONS = ("logistic", "tanh", "exp")
"""Stages whose value is near the right one, not its rounding."""


def ask(engine: EngineProcess, line: str) -> dict[str, Any]:
    """The reply to a request as it stands."""
    engine.write_line(line)
    reply: dict[str, Any] = json.loads(engine.read_line(time.monotonic() + 60))
    return reply


def load(engine: EngineProcess, plan: bytes, inputs: Sequence[Array], id: str = "m") -> None:
    """Loads a plan and sets its inputs."""
    (engine.folder / "plan").write_bytes(plan)
    engine.client.load(id, {"plan": "plan"})
    for index, values in enumerate(inputs):
        (engine.folder / "x").write_bytes(np.ascontiguousarray(values).tobytes())
        reply = ask(engine, f"input id={id} path=x index={index}")
        assert reply["ok"], reply


def differences(engine: EngineProcess, plan: bytes, inputs: Sequence[Array]) -> list[str]:
    """Steps whose stored tensors are not what NumPy makes of the engine's own inputs to them."""
    load(engine, plan, inputs)
    traced = engine.client.trace("m", "trace").tensors
    engine.client.unload("m")
    content = (engine.folder / "trace").read_bytes()
    read = read_plan(plan)
    arena = _Arena(read)
    for tensor, values in zip(read.inputs, inputs, strict=True):
        arena.view(tensor)[...] = np.asarray(values, STORED[tensor.dtype]).reshape(tensor.stored_shape)
    wrong, at = [], 0
    for number, step in enumerate(read.steps):
        if step.shape is None:
            arena.view(step.arguments["out"])[...] = _direct(arena, step)
        else:
            _run_stages(arena, step, np.asarray(_stream(arena, step)).reshape(step.shape))
        for tensor, part in _writes(step):
            one = traced[at]
            at += 1
            assert (one.step, one.name, one.bytes) == (number, tensor.name[: len(one.name)], tensor.bytes)
            mine = arena.view(tensor)
            its = np.frombuffer(content, mine.dtype, mine.size, one.offset).reshape(mine.shape)
            is_right = _close(tensor.dtype, mine[part], its[part], _is_exact(step))
            if is_right and tensor.dtype == "f32" and _rounds_each_step(step):
                is_right = np.array_equal(mine[part], its[part], equal_nan=True)
            if not is_right:
                worst = _worst(mine[part], its[part])
                wrong.append(f"{number} {step.kind} '{step.name}' -> {tensor.dtype} {tensor.shape}: {worst}")
            mine[...] = its
    assert at == len(traced)
    return wrong


def _writes(step: PlanStep) -> list[tuple[PlanTensor, Any]]:
    """Tensors that a step writes, each with the part of it that it does."""
    a = step.arguments
    if step.shape is None:
        filled = step.kind != "place" or a["fills"]
        return [(a["out"], ... if filled else _box(a, a["x"].stored_shape))]
    writes: list[tuple[PlanTensor, Any]] = []
    for stored in (stage.arguments for stage in step.stages if stage.stores):
        first = stored.get("channel", 0)
        part = (..., slice(first, first + step.shape[3])) if "channel" in stored else ...
        writes.append((stored["tensor"], part))
    return writes


def _is_exact(step: PlanStep) -> bool:
    """Whether it computes with whole numbers until its stages, which round each by itself, or moves values."""
    x = step.arguments.get("x")
    of_integers = step.kind in ("read", "conv", "depthwise") and x is not None and x.dtype == "i8"
    whole = of_integers and all(stage.kind not in _FUNCTIONS for stage in step.stages)
    return whole or (step.shape is None and step.kind != "softmax_i8")


def _rounds_each_step(step: PlanStep) -> bool:
    """Whether every result is rounded to f32 in the order of docs/plans.md, so that only zeros may differ, in sign."""
    exact = all(stage.kind not in _FUNCTIONS for stage in step.stages)
    return step.kind in ("read", "broadcast", "interpolate") and exact


def _close(dtype: str, mine: Array, its: Array, exact: bool) -> bool:
    if exact:
        return mine.tobytes() == its.tobytes()
    if dtype == "f32":
        scale = np.abs(mine[np.isfinite(mine)]).max(initial=0.0)
        return np.allclose(its, mine, rtol=0, atol=max(TOLERANCE * scale, 1e-30), equal_nan=True)
    if dtype == "i8":
        apart = np.abs(mine.astype(int) - its)
        return bool(apart.max(initial=0) <= 1 and (apart == 0).mean() >= 0.999)
    return bool((mine == its).mean() >= 0.99) if dtype == "bits" else np.array_equal(mine, its)


def _worst(mine: Array, its: Array) -> str:
    off = np.flatnonzero(mine != its)
    first = np.unravel_index(off[0], mine.shape)
    return f"{len(off)} of {mine.size} differ, first at {tuple(map(int, first))}: {its[first]} for {mine[first]}"
