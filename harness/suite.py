"""Suite files: which workloads to measure, with which engines. TOML in, `Suite` out, strictly."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.errors import KernelError
from bnnbench.kernels.ops import Act, BConv2d, BGemm, BitPack, BMaxPool2d, KernelSpec

from .errors import SuiteError

QUICKSTART = "quickstart"
_ARCHITECTURES = ("x86_64", "aarch64", "arm")

Positive = Annotated[int, msgspec.Meta(ge=1)]
Pair = tuple[Positive, Positive]


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
    name: str | None = None

    def spec(self) -> KernelSpec:
        h, w, c = self.input
        act: Act = self.act
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
        )


class BGemmTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bgemm"):
    """`[[kernel]] op = "bgemm"`."""

    m: Positive
    n: Positive
    k: Positive
    out: Literal["i32", "f32"] = "i32"
    name: str | None = None

    def spec(self) -> KernelSpec:
        return BGemm(m=self.m, n=self.n, k=self.k, out=self.out)


class BitPackTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bitpack"):
    """`[[kernel]] op = "bitpack"`: n rows of c channels."""

    n: Positive
    c: Positive
    dtype: Literal["f32", "i8"] = "f32"
    zero_point: int = 0
    name: str | None = None

    def spec(self) -> KernelSpec:
        return BitPack(n=self.n, c=self.c, dtype=self.dtype, zero_point=self.zero_point)


class BMaxPool2dTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="bmaxpool2d"):
    """`[[kernel]] op = "bmaxpool2d"`: input is H, W, C."""

    input: tuple[Positive, Positive, Positive]
    kernel: Pair = (2, 2)
    stride: Pair = (2, 2)
    batch: Positive = 1
    pad: Literal["same", "valid"] = "valid"
    name: str | None = None

    def spec(self) -> KernelSpec:
        h, w, c = self.input
        kernel, stride = self.kernel, self.stride
        return BMaxPool2d(
            n=self.batch, h=h, w=w, c=c, kh=kernel[0], kw=kernel[1], sh=stride[0], sw=stride[1], pad=self.pad
        )


KernelTable = BConv2dTable | BGemmTable | BitPackTable | BMaxPool2dTable


class ModelTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[model]]`: every binary layer of a `.tflite` becomes a kernel case with its real weights."""

    file: str
    name: str | None = None


class EngineTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[engine.NAME]`: the user's own engine; `binary` maps an architecture to a file."""

    command: list[str]
    binary: dict[str, str]
    protocol: Literal[1] = 1
    files: list[str] = []


class VerdictTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[verdict]`: kept for comparisons; a run alone gives no verdict."""

    floor: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.01
    margin: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.02


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A complete suite: what the file leaves out has its default. Paths are absolute once loaded."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    engines: Annotated[list[str], msgspec.Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["native", "numba"]
    )
    threads: Annotated[list[Positive], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1])
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    invocations: Positive = 7
    samples: Positive = 10
    min_sample_ms: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 5.0
    kernel: list[KernelTable] = []
    model: list[ModelTable] = []
    engine: dict[str, EngineTable] = {}
    verdict: VerdictTable = VerdictTable()


def load_suites(paths: Sequence[Path]) -> Suite:
    """Suite files and model files as one suite; none of them means the quickstart suite. Raises SuiteError."""
    if not paths:
        return parse_suite(files(__package__).joinpath("suites", f"{QUICKSTART}.toml").read_text(), Path(QUICKSTART))
    models = [path for path in paths if path.suffix == ".tflite"]
    suites = [_read(path) for path in paths if path.suffix != ".tflite"]
    if models:
        tables = [ModelTable(file=str(_existing(path))) for path in models]
        suites.append(Suite(name=" ".join(path.stem for path in models), model=tables))
    return _merged(suites)


def parse_suite(text: str, path: Path) -> Suite:
    """One suite file's text; `path` is where relative paths start and what errors name. Raises SuiteError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{path} is not valid TOML: {error}.") from None
    try:
        suite = msgspec.convert(document, Suite)
    except msgspec.ValidationError as error:
        raise SuiteError(f"{path}: {_reworded(str(error), document)}.") from None
    if not suite.kernel and not suite.model:
        raise SuiteError(f"{path} names nothing to measure; add a [[kernel]] or a [[model]] table.")
    for number, table in enumerate(suite.kernel, 1):
        try:
            table.spec()
        except KernelError as error:
            raise SuiteError(f"{path}: kernel {number}: {error}") from None
    _check_engines(suite, path)
    folder = path.resolve().parent
    return msgspec.structs.replace(
        suite,
        model=[msgspec.structs.replace(table, file=str(_existing(folder / table.file))) for table in suite.model],
        engine={name: _with_paths(table, folder) for name, table in suite.engine.items()},
    )


def _read(path: Path) -> Suite:
    try:
        return parse_suite(path.read_text("utf-8"), path)
    except UnicodeDecodeError:
        raise SuiteError(
            f"{path} is not UTF-8 text, so it is no suite; give a suite .toml or a model .tflite."
        ) from None
    except OSError as error:
        raise SuiteError(f"{path} cannot be read: {error.strerror}; give a suite .toml or a model .tflite.") from None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise SuiteError(f"the model {path} does not exist; correct the path.")
    return path.resolve()


def _merged(suites: list[Suite]) -> Suite:
    first = suites[0]
    for other in suites[1:]:
        for name in first.engine.keys() & other.engine.keys():
            if first.engine[name] != other.engine[name]:
                raise SuiteError(f"the suites disagree on [engine.{name}]; measure them one at a time.")
        first = msgspec.structs.replace(
            first,
            name=f"{first.name} + {other.name}",
            kernel=first.kernel + other.kernel,
            model=first.model + other.model,
            engine={**first.engine, **other.engine},
        )
    return first


def _check_engines(suite: Suite, path: Path) -> None:
    known = [*ENGINES, *suite.engine]
    for name in suite.engine:
        if name in ENGINES:
            raise SuiteError(f"{path}: [engine.{name}] has the name of a built-in engine; choose another.")
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise SuiteError(f"{path}: engine name {name!r} may hold letters, digits, '.', '_' and '-' only.")
        for architecture in suite.engine[name].binary:
            if architecture not in _ARCHITECTURES:
                hint = _closest(architecture, _ARCHITECTURES)
                raise SuiteError(f"{path}: [engine.{name}] binary: unknown architecture {architecture!r}{hint}.")
    for name in suite.engines:
        if name not in known:
            raise SuiteError(f"{path}: unknown engine {name!r}{_closest(name, known)}; there are {', '.join(known)}.")


def _with_paths(table: EngineTable, folder: Path) -> EngineTable:
    return msgspec.structs.replace(
        table,
        binary={architecture: str(folder / file) for architecture, file in table.binary.items()},
        files=[str(folder / file) for file in table.files],
    )


def _closest(wrong: str, right: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong, right, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<place>.*)`)?")
_AT = re.compile(r"(?P<what>.*?) - at `(?:key in )?\$(?P<place>.*)`", re.DOTALL)
_TABLES: dict[str, type[msgspec.Struct]] = {
    table.__struct_config__.tag: table  # type: ignore[misc]
    for table in (BConv2dTable, BGemmTable, BitPackTable, BMaxPool2dTable)
}


def _reworded(message: str, document: dict[str, object]) -> str:
    """The validator's message with the place in TOML's words and, for an unknown key, the right one."""
    if unknown := _UNKNOWN.fullmatch(message):
        place = unknown["place"] or ""
        return f"unknown key {unknown['key']!r}{_place(place)}{_closest(unknown['key'], _keys_at(place, document))}"
    if at := _AT.fullmatch(message):
        return f"{at['what'][0].lower()}{at['what'][1:].replace('`', chr(39))}{_place(at['place'])}"
    return message[0].lower() + message[1:].replace("`", "'")


def _place(path: str) -> str:
    words = path.strip(".").replace("[...]", "").split(".") if path.strip(".") else []
    if not words:
        return ""
    text = re.sub(r"\[(\d+)\]", lambda match: f" {int(match[1]) + 1}", ".".join(words))
    return f" in {text}"


def _keys_at(place: str, document: dict[str, object]) -> list[str]:
    if match := re.fullmatch(r"\.kernel\[(\d+)\]", place):
        tables = document["kernel"]
        op = tables[int(match[1])].get("op") if isinstance(tables, list) else None
        return list(_TABLES[op].__struct_fields__) if op in _TABLES else []
    kinds = {".model": ModelTable, ".engine": EngineTable, ".verdict": VerdictTable}
    for start, table in kinds.items():
        if place.startswith(start):
            return list(table.__struct_fields__)
    return list(Suite.__struct_fields__)
