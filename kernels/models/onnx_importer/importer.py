"""The importer's table of ONNX ops, and the walk over a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from ...errors import KernelError, Missing, ModelError
from ..graph import Graph, Node, Tensor
from ..missing import Faults, advice, reason_of
from ..model import ModelFile, OnnxContent, OnnxNode, OnnxPort
from ..open_sizes import require_sizes
from . import (
    arithmetic,
    convolutions,
    expansion,
    movement,
    pairs,
    pools,
    qonnx,
    quantization,
    resizing,
    signs,
    spatial,
)
from .builder import MAX_RANK, Builder
from .call import Call
from .folding import FOLDERS, folded
from .int8_nodes import with_int8
from .values import Stored, Value, channels_last, constant, tensors

MAX_BATCH = 4096
CONVERTERS: Mapping[str, Callable[[Call], Value | list[Value]]] = {
    "Conv": convolutions.conv,
    "Gemm": convolutions.gemm,
    "MatMul": convolutions.matmul,
    "BatchNormalization": arithmetic.batch_normalization,
    "Add": arithmetic.elementwise("add"),
    "Sub": arithmetic.elementwise("sub"),
    "Mul": arithmetic.elementwise("mul"),
    "Div": pairs.div,
    "Relu": arithmetic.relu,
    "Clip": arithmetic.clip,
    "LeakyRelu": arithmetic.leaky_relu,
    "PRelu": arithmetic.prelu,
    "HardSigmoid": arithmetic.hard_sigmoid,
    "HardSwish": arithmetic.hard_swish,
    "Sigmoid": arithmetic.unary("logistic"),
    "Tanh": arithmetic.unary("tanh"),
    "Exp": arithmetic.unary("exp"),
    "Sqrt": arithmetic.unary("sqrt"),
    "Min": pairs.pairs("minimum"),
    "Max": pairs.pairs("maximum"),
    "Abs": arithmetic.unary("abs"),
    "Neg": arithmetic.neg,
    "Softmax": arithmetic.softmax,
    "MaxPool": pools.max_pool,
    "AveragePool": pools.average_pool,
    "GlobalAveragePool": pools.global_average_pool,
    "ReduceMean": pools.reduce_mean,
    "Sign": signs.sign,
    "Quant": qonnx.quant,
    "IntQuant": qonnx.quant,
    "BipolarQuant": signs.bipolar_quant,
    "MultiThreshold": signs.multi_threshold,
    "Greater": signs.compared("Greater"),
    "GreaterOrEqual": signs.compared("GreaterOrEqual"),
    "Less": signs.compared("Less"),
    "LessOrEqual": signs.compared("LessOrEqual"),
    "Equal": signs.equal,
    "Where": signs.where,
    "Round": signs.round_,
    "Identity": movement.identity,
    "Dropout": movement.identity,
    "Cast": movement.cast,
    "Expand": expansion.expand,
    "Transpose": movement.transpose,
    "Reshape": movement.reshape,
    "Flatten": movement.flatten,
    "Squeeze": movement.squeeze,
    "Unsqueeze": movement.unsqueeze,
    "Concat": movement.concat,
    "Split": movement.split,
    "Slice": movement.slice_,
    "Pad": movement.pad,
    "DepthToSpace": spatial.depth_to_space,
    "Resize": resizing.resize,
    "Upsample": resizing.resize,
    "Shape": movement.shape,
    "QuantizeLinear": quantization.quantize,
    "DequantizeLinear": quantization.dequantize,
}
"""Op -> its converter: a new op is a function and a row."""


def import_onnx(model: ModelFile, batch: int = 1, *, keeps_zeros: bool = False) -> Graph:
    """The graph of a model, with `batch` images at a time. Its inputs and outputs of four dimensions are NHWC, others
    are as ONNX has them. With `keeps_zeros`, a Sign of 0 is 0, as ONNX says, and nothing that it makes is binary.

    Raises ModelError: for what makes no sense, with its place. Of ops that are not supported, and of attributes that
    are not, it is a NotImported with all of them; but what depends on such an op is not checked, because the file does
    not say what that op would make.
    """
    if not 1 <= batch <= MAX_BATCH:
        raise ModelError(f"{model.path} cannot be run with batch {batch}; choose 1 to {MAX_BATCH}.")
    content = model.onnx
    assert content is not None
    require_sizes(model)
    values = {name: constant(array) for name, array in content.constants.items()}
    builder, faults = Builder(batch, model.size_bytes, keeps_zeros), Faults(model, "node")
    if not content.inputs or not content.outputs:
        raise ModelError(f"{model.path} has no inputs or no outputs, so there is nothing to run; export it again.")
    walk, inputs = _Walk(model, content, builder, values, faults), []
    for port in content.inputs:
        try:
            if port.name in values:
                raise ModelError(f"{model.path}: its input '{_shown(port.name)}' is there twice; export it again.")
            tensor = _input(model, port, builder)
        except ModelError as error:
            faults.of_file(str(error))
            walk.lose([port.name])
            continue
        inputs.append(tensor)
        order = channels_last(len(tensor.shape))
        shape = tuple(tensor.shape[order.index(axis)] for axis in range(len(order)))
        walk.bind(port.name, Value(shape, stored=Stored(tensor, order)))
    with np.errstate(all="ignore"):  # what overflows is found in what comes out
        for node in content.nodes:
            walk.convert(node)
    if faults:
        faults.fail()
    outputs = tuple(walk.output(port) for port in content.outputs)
    nodes = needed(with_int8(needed(builder.nodes, outputs), outputs), outputs)
    return Graph(nodes, tuple(inputs), outputs, str(model.path))


class _Walk:
    """Values by name, and how often each tensor is still needed. `lost` are the names of values that what could not be
    imported would have made."""

    def __init__(
        self, model: ModelFile, content: OnnxContent, builder: Builder, values: dict[str, Value], faults: Faults
    ) -> None:
        self._path, self._version, self._builder, self._values = model.path, content.version, builder, values
        self._model, self._faults, self._lost = model, faults, set[str]()
        self._uses = Counter(name for node in content.nodes for name in node.inputs if name)
        self._uses.update(port.name for port in content.outputs)
        self._needed: Counter[Tensor] = Counter()

    def lose(self, names: Iterable[str]) -> None:
        """What uses these values is not checked."""
        self._lost.update(names)

    def bind(self, name: str, value: Value) -> None:
        """Gives a value its name."""
        if name in self._values:
            raise ModelError(f"its output '{_shown(name)}' is computed twice; export the model again.")
        self._values[name] = value
        for tensor in tensors(value):
            self._needed[tensor] += self._uses[name]

    def convert(self, node: OnnxNode) -> None:
        """Adds a node to the graph, or its fault to the others."""
        where = f"{self._path}: node {node.index} ({node.op}) cannot be imported"
        if node.op not in CONVERTERS and node.op not in FOLDERS:
            missing = Missing(node.op, "", (node.index,))
            self._faults.add(missing, lambda: f"{where}: this op is not supported; {advice(self._model, [missing])}.")
            self.lose(node.outputs)
        elif self._faults.is_full or not self._lost.isdisjoint(node.inputs):
            self.lose(node.outputs)
        else:
            try:
                self._bind_results(node)
            except (ModelError, KernelError, ValueError) as error:
                text = reason_of(error)
                told = "" if ";" in text else "; change the model there, or export it again."
                whole = f"{where}: {text.removesuffix('.') if told else text}{told}"
                self._faults.add(Missing(node.op, text, (node.index,)), lambda: whole)
                self.lose(node.outputs)

    def _bind_results(self, node: OnnxNode) -> None:
        """Raises ModelError, KernelError or ValueError for what is wrong with it."""
        builder = self._builder
        builder.index, builder.op = node.index, node.op
        if not node.outputs or not node.outputs[0]:
            raise ModelError("it has no output.")
        operands = [self._operand(name) for name in node.inputs]
        used = [value.stored.tensor if value is not None and value.stored is not None else None for value in operands]
        is_last = [tensor is not None and self._needed[tensor] == 1 for tensor in used]
        call = Call(builder, node.op, self._version, node.attributes, operands, node.outputs, is_last)
        present = [value for value in operands if value is not None]
        is_constant = node.op in FOLDERS and all(value.is_constant for value in present)
        found = folded(call) if is_constant and present else _converter(call)(call)
        for value in operands:
            if value is not None:
                for tensor in tensors(value):
                    self._needed[tensor] -= 1
        listed = found if isinstance(found, list) else [found]
        for name, value in zip(node.outputs, listed, strict=False):
            if name:
                self.bind(name, value)

    def output(self, port: OnnxPort) -> Tensor:
        """An output, images as NHWC. Raises ModelError."""
        value = self._values.get(port.name)
        if value is None or value.is_constant:
            raise ModelError(f"{self._path}: its output '{_shown(port.name)}' is computed by no node; export it again.")
        try:
            tensor = self._builder.ordered(value, channels_last(len(value.shape)))
        except ModelError as error:
            raise ModelError(f"{self._path}: its output '{_shown(port.name)}' cannot be given: {error}") from error
        return tensor

    def _operand(self, name: str) -> Value | None:
        if not name:
            return None
        found = self._values.get(name)
        if found is None:
            raise ModelError(f"its operand '{_shown(name)}' is used before anything computes it.")
        return found


def _shown(name: str) -> str:
    """A name of the file in a message of one line."""
    return "".join(character if character.isprintable() else "?" for character in name[:80])


def _converter(call: Call) -> Callable[[Call], Value | list[Value]]:
    """That of an op. Raises ModelError for ops that are computed of constants only."""
    if call.op not in CONVERTERS:
        call.fail("it is supported for constant inputs only.")
    return CONVERTERS[call.op]


def _input(model: ModelFile, port: OnnxPort, builder: Builder) -> Tensor:
    what = f"{model.path}: its input '{_shown(port.name)}'"
    if port.dtype != "float32":
        raise ModelError(f"{what} is {port.dtype}; float32 inputs are supported.")
    if not 1 <= len(port.shape) <= MAX_RANK:
        raise ModelError(f"{what} has {len(port.shape)} dimensions; 1 to {MAX_RANK} are supported.")
    sizes = [1 if place == 0 and size is None else size for place, size in enumerate(port.shape)]
    fixed = [size for size in sizes if size is not None]
    shape = [fixed[axis] * (builder.batch if axis == 0 else 1) for axis in channels_last(len(fixed))]
    try:
        return builder.tensor(port.name, shape)
    except ModelError:
        raise ModelError(f"{what} of shape {shape} is empty or takes more than 2 GiB.") from None


def needed(nodes: Sequence[Node], outputs: Sequence[Tensor]) -> tuple[Node, ...]:
    """The nodes that outputs are made of."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if node.output in wanted:
            kept.append(node)
            wanted.update(node.inputs)
    return tuple(reversed(kept))
