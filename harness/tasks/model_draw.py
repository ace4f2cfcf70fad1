"""A model as a chart of its ops, or of its steps with the times that they take on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnnbench.kernels.models import describe
from bnnbench.kernels.models.formats import graph_of, read_model
from bnnbench.kernels.models.graph import Graph, Node, Tensor
from bnnbench.kernels.models.lint import NOMINAL
from bnnbench.kernels.models.operations import BinaryConv2d, BinaryMaxPool2d
from bnnbench.kernels.models.plan import ExecutionPlan, make_plan
from bnnbench.kernels.models.shapes import with_shapes
from bnnbench.results.charts.flow import FORMATS, MOST_BOXES, Box, draw, save
from bnnbench.results.charts.flow_layout import Edge
from bnnbench.results.quantity import count, duration, percentage, size

from ..bench.reach import Tell
from ..errors import CallError
from ..suite.shape_words import shapes_of
from .profile import ModelProfile, profile

_ESTIMATED = "work (16 binary MACs count as one, as do 2 bytes)"


def require_format(path: Path) -> None:
    """Raises CallError for a file that a chart cannot be written to."""
    if path.suffix.removeprefix(".") not in FORMATS:
        raise CallError(f"--output {path} is none of {', '.join(FORMATS)}; give a file with such a suffix.")


def draw_model(
    file: Path,
    name: str,
    path: Path,
    *,
    device: str | None,
    inventory: Path | None,
    threads: int,
    runs: int,
    tell: Tell,
    shapes: Sequence[str] = (),
) -> None:
    """Writes the chart to `path`; with a device, boxes are steps with their times. Raises ModelError, CallError,
    OSError, and with a device what `profile` raises."""
    model = with_shapes(read_model(file), shapes_of(shapes))
    graph = graph_of(model)
    plan = make_plan(graph)
    if len(graph.nodes) > MOST_BOXES:
        raise CallError(f"{name} has {len(graph.nodes)} ops; a chart of at most {MOST_BOXES} can be read.")
    counted = describe(model)
    about = f"{len(graph.nodes)} ops, {size(model.size_bytes)}"
    about += f", {count(counted.macs_1bit)} MACs of 1 bit, {count(counted.macs_32bit)} others"
    if device is None:
        parts, bars = _of_ops(graph, plan), _ESTIMATED
    else:
        timed = profile(file, device=device, inventory=inventory, threads=threads, runs=runs, tell=tell, shapes=shapes)
        about += f"; {duration(timed.total_ns)} on {device}, {len(plan.steps)} steps"
        parts, bars = _of_steps(graph, plan, timed), "time"
    boxes, edges = parts
    save(draw(boxes, edges, name, about, bars), path, name)


def _of_ops(graph: Graph, plan: ExecutionPlan) -> tuple[list[Box], list[Edge]]:
    work = {id(step.nodes[0]): step for step in plan.steps if step.nodes}
    total = NOMINAL.whole(plan.steps)
    boxes = [_end("input", tensor) for tensor in graph.inputs]
    for node in graph.nodes:
        step = work.get(id(node))
        macs = step.macs_1bit + step.macs_32bit if step is not None else 0
        text = _shape(node.output) + (f"   {count(macs)} MACs" if macs else "")
        share = NOMINAL.of(step) / total if step is not None and total else None
        boxes.append(Box(f"{node.index}  {node.op}", text, _kind(node), share))
    boxes += [_end("output", tensor) for tensor in graph.outputs]
    groups = [[node] for node in graph.nodes]
    return boxes, _edges(graph, groups)


def _of_steps(graph: Graph, plan: ExecutionPlan, timed: ModelProfile) -> tuple[list[Box], list[Edge]]:
    boxes = [_end("input", tensor) for tensor in graph.inputs]
    times = {op.index: op for op in timed.ops}
    groups = [[node for node in graph.nodes if any(node is own for own in step.nodes)] for step in plan.steps]
    for number, step in enumerate(plan.steps):
        took = times.get(number)
        text = "" if took is None else f"{duration(took.time_ns)}   {percentage(took.share)}"
        out = groups[number][-1].output if groups[number] else None
        text = f"{_shape(out)}   {text}" if out is not None else text
        kind = _kind(groups[number][0]) if groups[number] else "float"
        boxes.append(Box(_step_title(step.nodes) or step.kind, text, kind, took.share if took else None))
    boxes += [_end("output", tensor) for tensor in graph.outputs]
    return boxes, _edges(graph, groups)


def _step_title(nodes: Sequence[Node]) -> str:
    return f"{nodes[0].index}  {' + '.join(node.op for node in nodes)}" if nodes else ""


def _edges(graph: Graph, groups: Sequence[Sequence[Node]]) -> list[Edge]:
    """Between inputs, groups of nodes and outputs, by their numbers; nodes of no group pass on what they read."""
    makers: dict[int, int] = {id(tensor): number for number, tensor in enumerate(graph.inputs)}
    first = len(graph.inputs)
    group_of = {id(node): first + number for number, group in enumerate(groups) for node in group}
    edges: dict[Edge, None] = {}
    for node in graph.nodes:
        sources = [makers[id(tensor)] for tensor in node.inputs if id(tensor) in makers]
        own = group_of.get(id(node))
        if own is not None:
            edges.update(dict.fromkeys((source, own) for source in sources if source < own))
        maker = own if own is not None else max(sources, default=None)
        if maker is not None:
            makers[id(node.output)] = maker
    end = first + len(groups)
    for number, tensor in enumerate(graph.outputs):
        if id(tensor) in makers:
            edges[(makers[id(tensor)], end + number)] = None
    return list(edges)


def _end(what: str, tensor: Tensor) -> Box:
    return Box(f"{what}  {_shape(tensor)}", "", "end")


def _kind(node: Node) -> str:
    match node.operation:
        case BinaryConv2d() | BinaryMaxPool2d():
            return "binary"
        case _:
            types = {tensor.dtype for tensor in (*node.inputs, node.output) if tensor.data is None}
            return "binary" if "bits" in types else "int8" if "i8" in types else "float"


def _shape(tensor: Tensor) -> str:
    sizes = tensor.shape[1:] if tensor.shape[:1] == (1,) and len(tensor.shape) > 1 else tensor.shape
    types = {"f32": "", "i8": " int8", "i32": " int32"}
    return "x".join(map(str, sizes)) + types.get(tensor.dtype, f" {tensor.dtype}")
