"""The arguments of steps and stages by name, in the order of docs/plans.md: what a plan's reader goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SORTS = {"t": "tensor", "i": "integer", "f": "float", "c": "constant", "v": "value"}
_WINDOW = "i:kh i:kw i:sh i:sw i:dh i:dw i:pad_top i:pad_left"
_START = "i:start_n i:start_h i:start_w i:start_c"
_BETWEEN = " ".join(f"c:{side}_{what}" for side in ("row", "column") for what in ("low", "high", "share"))
_STRIDES = " ".join(f"i:{side}_{axis}" for side in "ab" for axis in "nhwc")


@dataclass(frozen=True, slots=True)
class StepKind:
    """A step's or stage's name, and its arguments: name -> tensor, integer, float, constant, value (as x's dtype)."""

    name: str
    arguments: Mapping[str, str]


def _kind(name: str, *arguments: str) -> StepKind:
    pairs = (word.split(":") for word in " ".join(arguments).split())
    return StepKind(name, {argument: _SORTS[sort] for sort, argument in pairs})


KINDS: Mapping[int, StepKind] = {
    0: _kind("read", "t:x i:channel i:channels"),
    1: _kind("conv", "t:x i:out_h i:out_w i:oc", _WINDOW, "i:groups i:weight_bytes c:weights c:bias"),
    2: _kind("depthwise", "t:x i:out_h i:out_w i:oc", _WINDOW, "i:multiplier i:weight_bytes c:weights c:bias"),
    3: _kind("pool", "t:x i:out_h i:out_w", _WINDOW, "i:kind"),
    4: _kind(
        "bconv",
        *("t:x i:out_h i:out_w i:oc", _WINDOW),
        "i:groups i:pad_value i:act_low i:act_high c:filter c:multiplier c:bias",
    ),
    5: _kind("softmax", "t:x f:beta"),
    6: _kind("unpack", "t:x"),
    7: _kind("broadcast", "t:a t:b i:op", _STRIDES, "i:n i:h i:w i:c"),
    8: _kind("interpolate", "t:x i:out_h i:out_w", _BETWEEN),
    16: _kind("bconv_bits", "t:x t:out", _WINDOW, "i:groups i:pad_value c:filter c:threshold"),
    17: _kind("bmaxpool", "t:x t:out", _WINDOW),
    18: _kind("pack", "t:x t:out"),
    19: _kind("place", "t:x t:out", _START, "i:fills v:value"),
    20: _kind("slice", "t:x t:out", _START),
    21: _kind("transpose", "t:x t:out i:perm_0 i:perm_1 i:perm_2 i:perm_3"),
    22: _kind("pool_i8", "t:x t:out", _WINDOW, "i:kind i:low i:high"),
    23: _kind(
        "binary_i8",
        *("t:a t:out t:b i:op", _STRIDES, "i:low i:high i:left_shift"),
        "i:a_multiplier i:a_shift i:b_multiplier i:b_shift i:out_multiplier i:out_shift",
    ),
    24: _kind("softmax_i8", "t:x t:out c:exponentials"),
    25: _kind("table_i8", "t:x t:out c:values"),
    26: _kind("mean_i8", "t:x t:out i:multiplier i:shift"),
    27: _kind("constant", "t:same t:out c:values"),
    28: _kind("average_i8", "t:x t:out", _WINDOW, "f:ratio"),
    29: _kind("gather", "t:x t:out c:places_n c:places_h c:places_w c:places_c"),
}

STAGE_KINDS: Mapping[int, StepKind] = {
    0: _kind("scale", "c:values"),
    1: _kind("shift", "c:values"),
    2: _kind("clamp", "f:low f:high"),
    3: _kind("add", "t:tensor"),
    4: _kind("mul", "t:tensor"),
    5: _kind("add_image", "t:tensor"),
    6: _kind("mul_image", "t:tensor"),
    7: _kind("prelu", "c:values"),
    8: _kind("abs"),
    9: _kind("logistic"),
    10: _kind("add_i8", "t:tensor"),
    11: _kind("mul_i8", "t:tensor"),
    12: _kind("hard_swish"),
    13: _kind("tanh"),
    14: _kind("exp"),
    15: _kind("sqrt"),
    16: _kind("store", "t:tensor i:channel"),
    17: _kind("store_bits", "t:tensor"),
    18: _kind("store_i8", "t:tensor i:channel"),
    19: _kind("round_i8", "f:scale i:zero_point"),
    20: _kind("store_requantized", "t:tensor i:low i:high c:bias c:multiplier c:shift"),
    21: _kind("store_requantized_once", "t:tensor i:low i:high c:bias c:factor"),
    22: _kind("store_i8_even", "t:tensor i:channel"),
    23: _kind("round_i8_even", "f:scale i:zero_point"),
    24: _kind("rsqrt"),
}
