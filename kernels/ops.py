"""Op specifications: the shapes of a kernel case, what it computes, reads and writes.

Bits follow Larq Compute Engine: bit 0 is +1, bit 1 is -1, channels packed LSB first into 32-bit words, unused
high bits 0. Field names are the keys of the engine protocol, so a spec and a `load` request map one to one. `kernel`
names the micro-kernel to take, of those of the engine; the engine's own choice when empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from .errors import KernelError
from .op_spec import INT32_MAX, INT32_MIN, ITEM_BYTES, NUMPY_DTYPE, ArraySpec, OpSpec, OutputSpec, words
from .window import Pad, out_size, pad_before

if TYPE_CHECKING:
    pass

__all__ = [
    "CLAMPS",
    "INT32_MAX",
    "INT32_MIN",
    "ITEM_BYTES",
    "NUMPY_DTYPE",
    "SPECS",
    "Act",
    "ArraySpec",
    "BConv2d",
    "BGemm",
    "BMaxPool2d",
    "BitPack",
    "KernelSpec",
    "OutputSpec",
    "Pad",
    "words",
]

CLAMPS = {"none": (INT32_MIN, INT32_MAX), "relu": (0, INT32_MAX), "relu6": (0, 6), "relu_n1_to_1": (-1, 1)}
"""Activation -> inclusive bounds on the integer dot product, applied before the multiplier (as LCE does)."""

Act = Literal["none", "relu", "relu6", "relu_n1_to_1"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BGemm(OpSpec):
    """Binary matrix product: `out[m][n] = k - 2*popcount(a[m] ^ b[n])`, for f32 scaled and biased by n."""

    op: ClassVar[str] = "bgemm"
    m: int
    n: int
    k: int
    out: Literal["i32", "f32"] = "i32"
    kernel: str = ""

    def __post_init__(self) -> None:
        self._require_positive("m", "n", "k")
        self._require_choice("out", "i32", "f32")
        self._require_bounded(self.k)

    @property
    def name(self) -> str:
        return f"bgemm {self.m}x{self.n}x{self.k}" + _other(self.out, "i32") + _other(self.kernel, "")

    @property
    def macs_1bit(self) -> int:
        return self.m * self.n * self.k

    def inputs(self) -> list[ArraySpec]:
        packed = words(self.k)
        arrays = [ArraySpec("a", "u32", (self.m, packed)), ArraySpec("b", "u32", (self.n, packed))]
        return arrays + (_scale_and_bias(self.n) if self.out == "f32" else [])

    @property
    def output(self) -> OutputSpec:
        return OutputSpec(self.out, (self.m, self.n))


class _Windowed(OpSpec):
    """An op that slides a window over an NHWC image."""

    __slots__ = ()
    n: int
    h: int
    w: int
    kh: int
    kw: int
    sh: int
    sw: int
    dh: int
    dw: int
    pad: Pad

    @property
    def out_h(self) -> int:
        return out_size(self.h, self.kh, self.sh, self.dh, self.pad)

    @property
    def out_w(self) -> int:
        return out_size(self.w, self.kw, self.sw, self.dw, self.pad)

    @property
    def pad_top(self) -> int:
        """Padded rows above the image."""
        return pad_before(self.h, self.kh, self.sh, self.dh, self.pad)

    @property
    def pad_left(self) -> int:
        """Padded columns left of the image."""
        return pad_before(self.w, self.kw, self.sw, self.dw, self.pad)

    def _require_window(self) -> None:
        self._require_choice("pad", "same", "valid")
        if self.out_h < 1 or self.out_w < 1:
            raise KernelError(
                f"{self.op}: a {self.kh}x{self.kw} window does not fit {self.h}x{self.w} with pad=valid; "
                "use pad=same or a smaller window."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class BConv2d(_Windowed):
    """Binary convolution: NHWC activations, OHWI filters.

    `pad_value` 1 pads with +1; 0 leaves the padded tap out of the sum. `act` clamps the integer dot product.
    `out`: i32 the dot product; f32 that times multiplier[oc] plus bias[oc]; bits packed words, bit 1 where
    `dot_length - dot > 2*threshold[oc]`.
    """

    op: ClassVar[str] = "bconv2d"
    n: int = 1
    h: int
    w: int
    c: int
    oc: int
    kh: int
    kw: int
    sh: int = 1
    sw: int = 1
    dh: int = 1
    dw: int = 1
    groups: int = 1
    pad: Pad = "same"
    pad_value: int = 1
    act: Act = "none"
    out: Literal["i32", "f32", "bits"] = "i32"
    kernel: str = ""

    def __post_init__(self) -> None:
        self._require_positive("n", "h", "w", "c", "oc", "kh", "kw", "sh", "sw", "dh", "dw", "groups")
        self._require_choice("pad_value", 0, 1)
        self._require_choice("act", *CLAMPS)
        self._require_choice("out", "i32", "f32", "bits")
        self._require_window()
        if self.act != "none" and self.out == "bits":
            raise KernelError(f"{self.op}: act={self.act} does nothing for out=bits; fold it into the thresholds.")
        if self.groups > 1 and self.c % (32 * self.groups):
            raise KernelError(
                f"{self.op}: c={self.c} in groups={self.groups} is not a multiple of 32 channels per group; "
                "make c a multiple of 32*groups."
            )
        if self.oc % self.groups:
            raise KernelError(f"{self.op}: oc={self.oc} does not divide into groups={self.groups}; make it a multiple.")
        self._require_bounded(self.dot_length)

    @property
    def dot_length(self) -> int:
        """Bits in one full dot product: kh * kw * c / groups."""
        return self.kh * self.kw * self.c // self.groups

    @property
    def clamp(self) -> tuple[int, int]:
        """Inclusive bounds that `act` puts on the integer dot product."""
        return CLAMPS[self.act]

    @property
    def name(self) -> str:
        return (
            f"bconv2d {self.h}x{self.w}x{self.c}->{self.oc} {self.kh}x{self.kw}"
            + (f" n{self.n}" if self.n > 1 else "")
            + _pair("s", self.sh, self.sw)
            + _pair("d", self.dh, self.dw)
            + (f" g{self.groups}" if self.groups > 1 else "")
            + _other(self.pad, "same")
            + (" pad0" if self.pad_value == 0 else "")
            + _other(self.act, "none")
            + _other(self.out, "i32")
            + _other(self.kernel, "")
        )

    @property
    def macs_1bit(self) -> int:
        """n * out_h * out_w * oc * dot_length: every tap counts, also one that falls on padding."""
        return self.n * self.out_h * self.out_w * self.oc * self.dot_length

    def inputs(self) -> list[ArraySpec]:
        packed = words(self.c)
        arrays = [
            ArraySpec("x", "u32", (self.n, self.h, self.w, packed)),
            ArraySpec("filter", "u32", (self.oc, self.kh, self.kw, packed // self.groups)),
        ]
        if self.out == "f32":
            return arrays + _scale_and_bias(self.oc)
        return arrays + ([ArraySpec("threshold", "i32", (self.oc,))] if self.out == "bits" else [])

    @property
    def output(self) -> OutputSpec:
        pixels = (self.n, self.out_h, self.out_w)
        if self.out == "bits":
            return OutputSpec("u32", (*pixels, words(self.oc)))
        return OutputSpec(self.out, (*pixels, self.oc))


@dataclass(frozen=True, slots=True, kw_only=True)
class BitPack(OpSpec):
    """Signs of `x[n][c]` as bits: bit 1 where x < 0 (f32) or x < zero_point (i8)."""

    op: ClassVar[str] = "bitpack"
    n: int
    c: int
    dtype: Literal["f32", "i8"] = "f32"
    zero_point: int = 0
    kernel: str = ""

    def __post_init__(self) -> None:
        self._require_positive("n", "c")
        self._require_choice("dtype", "f32", "i8")
        if type(self.zero_point) is not int or not -128 <= self.zero_point <= 127:
            raise KernelError(f"{self.op}: zero_point={self.zero_point!r} is not an integer in -128..127.")
        if self.dtype == "f32" and self.zero_point != 0:
            raise KernelError(f"{self.op}: zero_point={self.zero_point} needs dtype=i8.")
        self._require_bounded()

    @property
    def name(self) -> str:
        zero_point = f" z{self.zero_point}" if self.zero_point else ""
        return f"bitpack {self.n}x{self.c}" + _other(self.dtype, "f32") + zero_point + _other(self.kernel, "")

    def inputs(self) -> list[ArraySpec]:
        return [ArraySpec("x", self.dtype, (self.n, self.c))]

    @property
    def output(self) -> OutputSpec:
        return OutputSpec("u32", (self.n, words(self.c)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BMaxPool2d(_Windowed):
    """Maximum of signs over a window: +1 (bit 0) where any tap is +1; padding takes no part."""

    op: ClassVar[str] = "bmaxpool2d"
    dh: ClassVar[int] = 1  # type: ignore[misc]  # not a key of the protocol: pooling has no dilation
    dw: ClassVar[int] = 1  # type: ignore[misc]
    n: int = 1
    h: int
    w: int
    c: int
    kh: int
    kw: int
    sh: int = 1
    sw: int = 1
    pad: Pad = "valid"
    kernel: str = ""

    def __post_init__(self) -> None:
        self._require_positive("n", "h", "w", "c", "kh", "kw", "sh", "sw")
        self._require_window()
        self._require_bounded()

    @property
    def name(self) -> str:
        batch = f" n{self.n}" if self.n > 1 else ""
        shape = f"bmaxpool2d {self.h}x{self.w}x{self.c} {self.kh}x{self.kw}"
        return shape + batch + _pair("s", self.sh, self.sw) + _other(self.pad, "valid") + _other(self.kernel, "")

    def inputs(self) -> list[ArraySpec]:
        return [ArraySpec("x", "u32", (self.n, self.h, self.w, words(self.c)))]

    @property
    def output(self) -> OutputSpec:
        return OutputSpec("u32", (self.n, self.out_h, self.out_w, words(self.c)))


KernelSpec = BGemm | BConv2d | BitPack | BMaxPool2d
SPECS: dict[str, type[KernelSpec]] = {spec.op: spec for spec in (BGemm, BConv2d, BitPack, BMaxPool2d)}
"""Op name -> its specification."""


def _scale_and_bias(channels: int) -> list[ArraySpec]:
    return [ArraySpec("multiplier", "f32", (channels,)), ArraySpec("bias", "f32", (channels,))]


def _pair(letter: str, vertical: int, horizontal: int) -> str:
    if vertical == horizontal:
        return "" if vertical == 1 else f" {letter}{vertical}"
    return f" {letter}{vertical}x{horizontal}"


def _other(value: str, default: str) -> str:
    return "" if value == default else f" {value}"
