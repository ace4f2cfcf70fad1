"""Fusing steps: less memory traffic, the same bits.

There is one rule. A step that only reads a tensor and puts it through stages can give its stages to the step that
produces the tensor; whoever else needs the tensor still finds it stored. Since every stage rounds by itself, no result
changes. `FUSIONS` names the sorts of stages that move, so that each can be switched off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ...errors import ModelError
from ..graph import Tensor
from .lowering import Lowered
from .steps import Stage, Step, pixels, store_of
from .thresholds import as_thresholds

FUSIONS: Mapping[str, str] = {
    "epilogue": "scale, shift, activation and rounding by channel into the step that computes the values",
    "residual": "adding or multiplying another tensor into it",
    "bits": "packing signs into it",
    "concat": "storing right into a part of the concatenation",
    "threshold": "a binary convolution of which only signs are needed compares counts with thresholds",
    "in_place": "a residual sum takes the bytes of the operand that nobody needs afterwards",
}

_OF_SAME_SHAPE = ("add", "mul", "add_i8", "mul_i8")
"""Stages with a tensor of the stream's shape, which could be the stream itself."""


def check_names(without: Collection[str]) -> None:
    """Raises ModelError for a fusion that does not exist."""
    for name in without:
        if name not in FUSIONS:
            raise ModelError(f"there is no fusion '{name}'; there are {', '.join(FUSIONS)}.")


def fuse(lowered: Lowered, outputs: Sequence[Tensor], without: Collection[str]) -> list[Step]:
    """The steps, fused; `outputs` stay stored."""
    steps = list(lowered.steps)
    # Stages that only store first: behind a change the value that they store would be gone.
    for only_stores in (True, False, True):
        place = 0
        while place < len(steps):
            step = steps[place]
            into = _target(lowered, steps, place, only_stores, without)
            if into is None:
                place += 1
                continue
            producer, stages = into
            first = steps[producer]
            steps[producer] = replace(first, nodes=first.nodes + step.nodes, stages=(*first.stages, *stages))
            del steps[place]
    steps = _without_unread_stores(lowered, steps, outputs)
    return steps if "threshold" in without else [as_thresholds(step) for step in steps]


def _target(
    lowered: Lowered, steps: list[Step], place: int, only_stores: bool, without: Collection[str]
) -> tuple[int, list[Stage]] | None:
    """Where a step's stages can go, and as which."""
    step = steps[place]
    if step.kind != "read" or all(stage.stores for stage in step.stages) != only_stores or _sort(step) in without:
        return None
    for x, stages in _readings(step):
        producer = _producer(lowered, steps, place, x)
        if producer is None:
            continue
        others = {lowered.root(stage.tensor) for stage in stages if stage.tensor is not None and not stage.stores}
        if any(lowered.root(tensor) in others for later in steps[producer:place] for tensor in later.writes):
            continue
        moved = _on_pixels_of(lowered, steps[producer], step, stages)
        if moved is None:
            continue
        rounding = _rounding(x) if x.dtype == "i8" else []
        return producer, [*rounding, *moved]
    return None


def _rounding(x: Tensor) -> list[Stage]:
    """To the value that is stored in an int8 tensor."""
    return [Stage("round_i8_even" if x.in_floats else "round_i8", (float(x.scale or 0), x.zero_point))]


def _on_pixels_of(lowered: Lowered, producer: Step, step: Step, stages: list[Stage]) -> list[Stage] | None:
    """The stages with operands of the producer's shape, which is another one across a reshape; None if they cannot."""
    if producer.shape == step.shape:
        return stages
    if producer.shape[0] != step.shape[0] and any(stage.kind.endswith("_image") for stage in stages):
        return None
    return [
        Stage(stage.kind, (lowered.view(stage.tensor, producer.shape),))
        if stage.kind in _OF_SAME_SHAPE and stage.tensor is not None
        else stage
        for stage in stages
    ]


def _sort(step: Step) -> str:
    """Which of FUSIONS moving this step's stages is."""
    if any(stage.tensor is not None and not stage.stores for stage in step.stages):
        return "residual"
    if any(stage.kind not in ("store", "store_bits") for stage in step.stages):
        return "epilogue"
    if any(stage.kind == "store_bits" for stage in step.stages):
        return "bits"
    return "concat"


def _readings(step: Step) -> list[tuple[Tensor, list[Stage]]]:
    """What the step streams and its stages: of a sum or product of two tensors either can be the one that streams."""
    x, channel, channels = step.arguments
    assert isinstance(x, Tensor)
    if channel != 0 or channels != x.shape[-1]:
        return []
    first = step.stages[0]
    readings = [(x, list(step.stages))]
    if first.kind in _OF_SAME_SHAPE and first.tensor is not None:
        readings.append((first.tensor, [Stage(first.kind, (x,)), *step.stages[1:]]))
    return readings


def _producer(lowered: Lowered, steps: list[Step], place: int, x: Tensor) -> int | None:
    """The step whose stream is x when it ends."""
    kind = store_of(x)
    for number in range(place - 1, -1, -1):
        step = steps[number]
        if not any(lowered.root(tensor) is lowered.root(x) for tensor in step.writes):
            continue
        if not step.streams or step.channels != x.shape[-1]:
            return None
        for index, stage in enumerate(step.stages):
            tensor = stage.tensor
            if stage.kind == kind and tensor is not None and lowered.root(tensor) is lowered.root(x):
                whole = tensor.shape[-1] == step.channels and pixels(tensor) == pixels(x)
                whole &= (tensor.scale, tensor.zero_point) == (x.scale, x.zero_point)
                return number if whole and all(later.stores for later in step.stages[index + 1 :]) else None
        return None
    return None


def _without_unread_stores(lowered: Lowered, steps: list[Step], outputs: Sequence[Tensor]) -> list[Step]:
    needed = {lowered.root(tensor) for tensor in outputs}
    needed |= {lowered.root(tensor) for step in steps for tensor in step.reads}

    def kept(stage: Stage) -> bool:
        return not stage.stores or (stage.tensor is not None and lowered.root(stage.tensor) in needed)

    trimmed = [replace(step, stages=_ending_in_a_store([*filter(kept, step.stages)])) for step in steps]
    return [step for step in trimmed if step.stages or not step.streams]


def _ending_in_a_store(stages: list[Stage]) -> tuple[Stage, ...]:
    while stages and not stages[-1].stores:
        stages.pop()
    return tuple(stages)
