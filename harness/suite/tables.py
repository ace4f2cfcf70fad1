"""The tables of a suite file: typed, strict, each key with its default."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bnnbench.kernels.engines.base import Accepts
from bnnbench.kernels.errors import KernelError
from bnnbench.kernels.ops import Act, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec

from .defaults import MIN_SAMPLE_MS, WARMUP_MS
from .verdict_tables import VerdictTable

MOST_INVOCATIONS = 10_000
"""Of a case, and samples of an invocation: more would take days, and fill a journal."""
MOST_VALUES = 2**30
"""Of a tensor of a kernel case."""
LARGEST_SIZE = 2**31 - 1
"""Of a side, a count of channels, a stride."""
Positive = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SIZE)]
Samples = Annotated[int, msgspec.Meta(ge=1, le=MOST_INVOCATIONS)]
Threads = Annotated[int, msgspec.Meta(ge=1, le=MOST_INVOCATIONS)]
Seed = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Byte = Annotated[int, msgspec.Meta(ge=-128, le=255)]
Pair = tuple[Positive, Positive]
"""Vertical, horizontal; a suite may give one number for both, see `pairs.py`."""


class BConv2dTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bconv2d"):
    """`[[kernel]] op = "bconv2d"`: input is H, W, C."""

    input: tuple[Positive, Positive, Positive]
    filters: Positive
    kernel: Pair = (3, 3)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    groups: Positive = 1
    batch: Positive = 1
    pad: Literal["same", "valid"] = "same"
    pad_value: Literal[0, 1] = 1
    act: Literal["none", "relu", "relu6", "relu_n1_to_1"] = "none"
    out: Literal["i32", "f32", "bits"] = "f32"
    micro_kernel: str = ""
    name: str | None = None

    def spec(self) -> KernelSpec:
        h, w, c = self.input
        act: Act = self.act
        rows, columns = (
            size + (kernel - 1) * dilation
            for size, kernel, dilation in zip((h, w), self.kernel, self.dilation, strict=True)
        )
        if rows * columns * c * self.batch > MOST_VALUES:
            raise KernelError(
                f"its input with padding has {rows * columns * c * self.batch:,} values, and at most {MOST_VALUES:,} "
                "fit; make the input or the dilation smaller."
            )
        return BConv2d(
            n=self.batch,
            h=h,
            w=w,
            c=c,
            oc=self.filters,
            kh=self.kernel[0],
            kw=self.kernel[1],
            sh=self.stride[0],
            sw=self.stride[1],
            dh=self.dilation[0],
            dw=self.dilation[1],
            groups=self.groups,
            pad=self.pad,
            pad_value=self.pad_value,
            act=act,
            out=self.out,
            kernel=self.micro_kernel,
        )


class BGemmTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bgemm"):
    """`[[kernel]] op = "bgemm"`."""

    m: Positive
    n: Positive
    k: Positive
    out: Literal["i32", "f32"] = "i32"
    micro_kernel: str = ""
    name: str | None = None

    def spec(self) -> KernelSpec:
        return BGemm(m=self.m, n=self.n, k=self.k, out=self.out, kernel=self.micro_kernel)


class BitPackTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bitpack"):
    """`[[kernel]] op = "bitpack"`: n rows of c channels."""

    n: Positive
    c: Positive
    dtype: Literal["f32", "i8"] = "f32"
    zero_point: Byte = 0
    micro_kernel: str = ""
    name: str | None = None

    def spec(self) -> KernelSpec:
        return BitPack(n=self.n, c=self.c, dtype=self.dtype, zero_point=self.zero_point, kernel=self.micro_kernel)


class BMaxPool2dTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bmaxpool2d"):
    """`[[kernel]] op = "bmaxpool2d"`: input is H, W, C."""

    input: tuple[Positive, Positive, Positive]
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    batch: Positive = 1
    pad: Literal["same", "valid"] = "valid"
    micro_kernel: str = ""
    name: str | None = None

    def spec(self) -> KernelSpec:
        h, w, c = self.input
        kernel, stride = self.kernel, self.stride
        return BMaxPool2d(
            n=self.batch,
            h=h,
            w=w,
            c=c,
            kh=kernel[0],
            kw=kernel[1],
            sh=stride[0],
            sw=stride[1],
            pad=self.pad,
            kernel=self.micro_kernel,
        )


KernelTable = BConv2dTable | BGemmTable | BitPackTable | BMaxPool2dTable


class ModelTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[model]]`: a `.tflite` or `.onnx` as a whole (`model`), or its binary layers with their weights (`layers`)."""

    file: str
    name: str | None = None
    measure: Annotated[list[Literal["model", "layers"]], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["model"]
    )
    dataset: str | None = None
    """Labelled images to measure its accuracy with: a name, or the path of an .npz file or a folder."""
    resize: str | None = None
    """How images of a folder get the model's size: crop, stretch or larq-zoo; default: they have it."""
    normalize: str | None = None
    """What becomes of their values: "[-1,1]", "[0,1]", "[0,255]", "imagenet" or "mean=... std=..."."""
    images: Positive | None = None
    """How many of them, drawn with the suite's seed; default all."""
    reference_images: Positive | Literal["all"] | None = None
    """On how many of these the reference is run, or all; default what takes it about a minute, 100 at least."""
    shape: list[str] = []
    """Of inputs whose sizes are open, as `--shape`: "1x224x224x3", or "NAME=1x224x224x3"."""


class EngineTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[engine.NAME]`: the user's own engine; `binary` maps an architecture to a file, and is empty where `command`
    starts with a program that the device has."""

    command: list[str]
    binary: dict[str, str] = {}
    protocol: Literal[1, "none"] = 1
    """"none": it prints the summary of `benchmark_model`, and `command` also holds {model} and {threads}.
    Flags for inputs and outputs are appended to it."""
    files: list[str] = []
    accepts: Annotated[list[Accepts], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["op"])
    """What its `load` takes: kernel cases, plan files, `.tflite` files, `.onnx` files."""


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete suite: what the file leaves out has its default. Paths are absolute once loaded."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    engines: list[str] = []
    """Empty: the built-in ones and all that the suite declares."""
    threads: Annotated[list[Threads], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1])
    seed: Seed = 0
    invocations: Annotated[int, msgspec.Meta(ge=0, le=MOST_INVOCATIONS)] = 7
    """0: nothing is timed, only verified (and evaluated)."""
    samples: Samples = 10
    min_sample_ms: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = MIN_SAMPLE_MS
    warmup_ms: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = WARMUP_MS
    """At least; a case that takes longer to settle gets what it took."""
    tails: bool = False
    """Whether single executions are timed, for the 99th percentile."""
    deadline_ms: Annotated[float, msgspec.Meta(gt=0, le=3_600_000)] | None = None
    """How long an execution may take: how many take longer is counted."""
    starts: bool = False
    """Whether the time from a process's start to its first result is measured."""
    kernel: list[KernelTable] = []
    model: list[ModelTable] = []
    engine: dict[str, EngineTable] = {}
    verdict: VerdictTable = VerdictTable()
    gate: list[str] = []
    """The metrics that decide whether a check passes; none: all."""


KERNEL_TABLES: dict[str, type[msgspec.Struct]] = {
    "bconv2d": BConv2dTable,
    "bgemm": BGemmTable,
    "bitpack": BitPackTable,
    "bmaxpool2d": BMaxPool2dTable,
}
"""Op -> its table."""
