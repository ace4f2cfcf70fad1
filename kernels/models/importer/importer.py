"""The importer's table of ops, and the walk over a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ...errors import KernelError, Missing, ModelError
from ..graph import DType, Graph, Tensor
from ..missing import Faults, advice, reason_of
from ..model import ModelFile, Op, TensorRef
from ..open_sizes import require_sizes
from . import arithmetic, convolutions, gathering, movement, resampling, slicing, transposed
from .constants import Constants, Exhausted
from .quantized import quantization_of
from .scope import MAX_RANK, MAX_TENSOR_BYTES, Scope, shown
from .stand_in import stand_in
from .values import Consequence, Values

CONVERTERS: Mapping[str, Callable[[Scope], None]] = {
    "CONV_2D": convolutions.conv_2d,
    "DEPTHWISE_CONV_2D": convolutions.depthwise_conv_2d,
    "TRANSPOSE_CONV": transposed.transpose_conv,
    "Convolution2DTransposeBias": transposed.with_bias,
    "FULLY_CONNECTED": convolutions.fully_connected,
    "LceBconv2d": convolutions.lce_bconv_2d,
    "LceBMaxPool2d": convolutions.lce_bmaxpool_2d,
    "LceQuantize": arithmetic.lce_quantize,
    "LceDequantize": arithmetic.lce_dequantize,
    "MAX_POOL_2D": arithmetic.pool_2d("max"),
    "AVERAGE_POOL_2D": arithmetic.pool_2d("average"),
    "ADD": arithmetic.elementwise("add", "f32", "i8"),
    "SUB": arithmetic.elementwise("sub", "f32", "i8"),
    "MUL": arithmetic.elementwise("mul", "f32", "i8"),
    "ABS": arithmetic.unary("abs", "f32", "i8"),
    "LOGISTIC": arithmetic.unary("logistic", "f32", "i8"),
    "DIV": arithmetic.elementwise("div", "f32"),
    "MINIMUM": arithmetic.elementwise("minimum", "f32", "i8"),
    "MAXIMUM": arithmetic.elementwise("maximum", "f32", "i8"),
    "SQUARED_DIFFERENCE": arithmetic.elementwise("squared_difference", "f32"),
    "HARD_SWISH": arithmetic.hard_swish,
    "TANH": arithmetic.unary("tanh", "f32", "i8"),
    "EXP": arithmetic.unary("exp", "f32"),
    "NEG": arithmetic.unary("neg", "f32"),
    "SQRT": arithmetic.unary("sqrt", "f32"),
    "RSQRT": arithmetic.unary("rsqrt", "f32"),
    "SQUARE": arithmetic.square,
    "LEAKY_RELU": arithmetic.leaky_relu,
    "RELU": arithmetic.relu,
    "RELU6": arithmetic.relu6,
    "RELU_N1_TO_1": arithmetic.relu_n1_to_1,
    "RELU_0_TO_1": arithmetic.relu_0_to_1,
    "PRELU": arithmetic.prelu,
    "SOFTMAX": arithmetic.softmax,
    "MEAN": arithmetic.mean,
    "SUM": arithmetic.reduction("sum", "f32"),
    "REDUCE_MAX": arithmetic.reduction("max", "f32", "i8"),
    "REDUCE_MIN": arithmetic.reduction("min", "f32"),
    "QUANTIZE": arithmetic.quantize,
    "DEQUANTIZE": arithmetic.dequantize_op,
    "DENSIFY": arithmetic.densify,
    "RESHAPE": movement.reshape,
    "SQUEEZE": movement.squeeze,
    "EXPAND_DIMS": movement.expand_dims,
    "CONCATENATION": movement.concatenation,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SLICE": movement.slice_,
    "STRIDED_SLICE": slicing.strided_slice,
    "TRANSPOSE": movement.transpose,
    "SHAPE": movement.shape,
    "PACK": slicing.pack,
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "MIRROR_PAD": gathering.mirror_pad,
    "REVERSE_V2": gathering.reverse,
    "GATHER": gathering.gather,
    "UNPACK": gathering.unpack,
    "RESIZE_BILINEAR": resampling.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resampling.resize_nearest_neighbor,
}
"""Op -> its converter: a new op is a function and a row."""

_OPTIONS: Mapping[str, str] = {
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), "Pool2DOptions"),
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "LEAKY_RELU": "LeakyReluOptions",
    "SOFTMAX": "SoftmaxOptions",
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"), "ReducerOptions"),
    "RESHAPE": "ReshapeOptions",
    "SQUEEZE": "SqueezeOptions",
    "CONCATENATION": "ConcatenationOptions",
    "SPLIT": "SplitOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "PACK": "PackOptions",
    "UNPACK": "UnpackOptions",
    "MIRROR_PAD": "MirrorPadOptions",
    "GATHER": "GatherOptions",
    "DIV": "DivOptions",
    "DEPTH_TO_SPACE": "DepthToSpaceOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
}
"""Of the ops whose options are read: the schema's table that holds them."""

_INPUT_DTYPES: Mapping[str, DType] = {"float32": "f32", "int8": "i8", "uint8": "u8"}
MAX_BATCH = 4096


def import_model(model: ModelFile, batch: int = 1) -> Graph:
    """The first subgraph, with `batch` times the images that the file says.

    Raises ModelError, one sentence that names file and op. Of ops that are not supported, and of options that are not
    or make no sense, it is a NotImported with all of them.
    """
    if not 1 <= batch <= MAX_BATCH:
        raise ModelError(f"{model.path} cannot be run with batch {batch}; choose 1 to {MAX_BATCH}.")
    require_sizes(model)
    values, faults = Values(batch, Constants(model.size_bytes), bool(model.shapes)), Faults(model, "op")
    inputs = []
    for ref in model.inputs:
        try:
            inputs.append(_input(model, ref, values))
        except ModelError as error:
            faults.of_file(str(error))
            stand_in(ref, values)
    if not model.inputs:
        raise ModelError(f"{model.path} has no inputs, so there is nothing to run; convert the model again.")
    if not model.outputs:
        raise ModelError(f"{model.path} has no outputs, so there is nothing to compute; convert the model again.")
    for op in model.ops:
        if not op.subgraph:
            _convert(model, op, values, faults)
        if faults.is_full:
            break
    if faults:
        faults.fail()
    outputs = tuple(_output(model, ref, values, tuple(inputs)) for ref in model.outputs)
    return Graph(tuple(values.nodes), tuple(inputs), outputs, str(model.path))


def _convert(model: ModelFile, op: Op, values: Values, faults: Faults) -> None:
    """Adds an op to the graph; where it cannot be, its outputs stand in for it, so that the ops behind it are checked
    for faults of their own."""
    where = f"{model.path}: op {op.index} ({shown(op.name)}) cannot be imported"
    convert = CONVERTERS.get(op.name)
    if convert is None:
        missing = Missing(shown(op.name), "", (op.index,))
        faults.add(missing, lambda: f"{where}: this op is not supported; {advice(model, [missing])}.")
    else:
        try:
            _check_options(op)
            convert(Scope(op, values))
            return
        except Consequence:
            pass  # the op that it follows from was told
        except (ModelError, KernelError) as error:
            faults.is_cut = isinstance(error, Exhausted)
            if not values.follows(op):
                text = f"{where}: {_with_advice(str(error))}"
                faults.add(Missing(shown(op.name), reason_of(error), (op.index,)), lambda: text)
    for ref in op.outputs:
        if ref is not None:
            stand_in(ref, values)


def _check_options(op: Op) -> None:
    """An op's numbers must not be read from another op's table."""
    wanted = _OPTIONS.get(op.name, "")
    if op.options_kind and wanted and op.options_kind != wanted:
        raise ModelError(f"its options are {op.options_kind}, not {wanted}.")


def _with_advice(text: str) -> str:
    """Errors of converters say what is wrong; most of the time there is one thing to do."""
    return text if ";" in text else f"{text.removesuffix('.')}; change the model there, or convert it again."


def _input(model: ModelFile, ref: TensorRef, values: Values) -> Tensor:
    what = f"{model.path}: its input '{shown(ref.name)}'"
    dtype = _INPUT_DTYPES.get(ref.dtype)
    if dtype is None:
        raise ModelError(f"{what} is {ref.dtype}; convert the model with float32, int8 or uint8 inputs.")
    if ref.data is not None or ref.index in values.known:
        raise ModelError(f"{what} is constant or there twice; convert the model again.")
    if not 1 <= len(ref.shape) <= MAX_RANK or min(ref.shape) < 1:
        raise ModelError(f"{what} has shape {list(ref.shape)}; 1 to {MAX_RANK} sizes of at least 1 are supported.")
    tensor = Tensor(ref.name or f"tensor{ref.index}", (ref.shape[0] * values.batch, *ref.shape[1:]), dtype)
    if tensor.bytes >= MAX_TENSOR_BYTES:
        raise ModelError(f"{what} of shape {list(tensor.shape)} takes more than 2 GiB.")
    scale, zero_point = None, 0
    if dtype in ("i8", "u8"):
        try:
            scale, zero_point = quantization_of(ref, "input")
        except ModelError as error:
            raise ModelError(f"{model.path}: {_with_advice(str(error))}") from error
    tensor = Tensor(values.name(tensor.name), tensor.shape, dtype, scale, zero_point)
    values.known[ref.index] = tensor
    return tensor


def _output(model: ModelFile, ref: TensorRef, values: Values, inputs: tuple[Tensor, ...]) -> Tensor:
    tensor = values.known.get(ref.index)
    if tensor is None or tensor.data is not None or tensor in inputs:
        raise ModelError(f"{model.path}: its output '{shown(ref.name)}' is computed by no op; convert the model again.")
    return tensor
