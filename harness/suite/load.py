"""Suite files: which workloads to measure, with which engines. TOML in, `Suite` out, strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from bnnbench.devices.closest import closest, there_is_no
from bnnbench.kernels.engines import ENGINES
from bnnbench.kernels.errors import DatasetError, KernelError
from bnnbench.kernels.models.datasets import DATASETS, require_preparation
from bnnbench.kernels.models.formats import looks_like_model
from bnnbench.kernels.models.shipped import shipped_models
from bnnbench.results.store.reading import UnreadableError, read_regular, text_of

from ..errors import CallError, SuiteError
from .own_engine import wrong_engine, wrong_name
from .pairs import PairError, with_pairs
from .shape_words import shapes_of
from .tables import EngineTable, ModelTable, Suite
from .verdict_tables import VerdictError, require_sense, with_verdict
from .wording import not_toml, reworded

QUICKSTART = "quickstart"
HEALTH = "health"
DEFAULT_ENGINES = ("native", "numba")
"""The native engine, and the readable reference beside it; what one of them cannot run is a skip with its reason."""
MOST_BYTES = 2**33
"""That one execution of a kernel case reads and writes."""
_SETTINGS = (
    *("engines", "threads", "seed", "invocations", "samples", "min_sample_ms", "warmup_ms"),
    *("tails", "deadline_ms", "starts", "verdict", "gate"),
)
"""In which suites that are measured together must agree."""
_DEEP_KEY = re.compile(r"(?:[\w-]+\s*\.\s*){60}")


def load_suites(paths: Sequence[Path], layers: bool = False, shapes: Sequence[str] = ()) -> Suite:
    """Suite files and model files as one suite; none of them means the quickstart suite. Raises SuiteError, CallError.

    `layers`: of the model files also every binary layer by itself. `shapes` are of the model files' inputs.
    """
    shapes_of(shapes)
    if not paths:
        return shipped_suite(QUICKSTART)
    shipped = shipped_models()
    models = [path for path in paths if str(path) in shipped or looks_like_model(path)]
    suites = [_read(path) for path in paths if path not in models]
    if models:
        measure: list[Literal["model", "layers"]] = ["model", "layers"] if layers else ["model"]
        located_files = [str(model_path(str(path), Path())) for path in models]
        tables = [ModelTable(file=file, measure=measure, shape=list(shapes)) for file in located_files]
        settings = suites[0] if suites else Suite(name="", engines=list(DEFAULT_ENGINES))
        name = " ".join(path.stem for path in models)
        suites.append(msgspec.structs.replace(settings, name=name, model=tables, kernel=[], engine={}))
    return _merged(suites)


def shipped_suite(name: str) -> Suite:
    """A suite that is part of bnnbench: `QUICKSTART` or `HEALTH`."""
    return parse_suite(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"), Path(name))


def parse_suite(text: str, path: Path) -> Suite:
    """One suite file's text; `path` is where relative paths start and what errors name. Raises SuiteError."""
    if _DEEP_KEY.search(text):  # which tomllib reads in quadratic time
        raise SuiteError(f"{path} is nested too deeply to be a suite.")
    try:
        document = tomllib.loads(text)
    except RecursionError:
        raise SuiteError(f"{path} is nested too deeply to be a suite.") from None
    except tomllib.TOMLDecodeError as error:
        raise SuiteError(f"{path} is not valid TOML: {not_toml(str(error), text)}.") from None
    except ValueError:
        raise SuiteError(f"{path} holds a number with too many digits.") from None
    return _from_document(document, path)


def _from_document(document: dict[str, Any], path: Path) -> Suite:
    try:
        document = with_verdict(with_pairs(document))
        suite = msgspec.convert(document, Suite)
    except PairError as error:
        raise SuiteError(f"{path}: {error}.") from None
    except (RecursionError, OverflowError):
        raise SuiteError(f"{path} is nested too deeply, or holds numbers too large, to be a suite.") from None
    except msgspec.ValidationError as error:
        words = reworded(str(error), document).replace("verdict.metric.", "verdict.")
        raise SuiteError(f"{path}: {words}.") from None
    if not suite.kernel and not suite.model:
        raise SuiteError(f"{path} names nothing to measure; add a [[kernel]] or a [[model]] table.")
    for number, table in enumerate(suite.kernel, 1):
        try:
            moved = table.spec().bytes_moved
        except KernelError as error:
            raise SuiteError(f"{path}: kernel {number}: {error}") from None
        if moved > MOST_BYTES:
            raise SuiteError(
                f"{path}: kernel {number} moves {moved:,} bytes, and at most {MOST_BYTES:,} are measured; make it "
                "smaller."
            )
    _check_engines(suite, path)
    if document.get("gate") == []:
        raise SuiteError(f"{path}: gate names no metric; leave it out, and every metric is a gate.")
    try:
        require_sense(suite.gate, suite.verdict)
    except VerdictError as error:
        raise SuiteError(f"{path}: {error}.") from None
    folder = path.resolve().parent
    return msgspec.structs.replace(
        suite,
        engines=list(dict.fromkeys(suite.engines)) or [*DEFAULT_ENGINES, *suite.engine],
        threads=list(dict.fromkeys(suite.threads)),
        model=[located(table, folder) for table in suite.model],
        engine={name: _with_paths(name, table, folder) for name, table in suite.engine.items()},
    )


def suite_of_one(workload: str | Path | Mapping[str, Any], engine: str, invocations: int) -> Suite:
    """A model by its file or shipped name, or a `[[kernel]]` table as in a suite, by itself. Raises SuiteError."""
    if isinstance(workload, Mapping):
        document = {"name": str(workload.get("name", workload.get("op", ""))), "kernel": [dict(workload)]}
        suite = _from_document({**document, "engines": [engine]}, Path("device_benchmark"))
    else:
        suite = load_suites([Path(workload)])
    return msgspec.structs.replace(suite, engines=[engine], invocations=invocations)


def _read(path: Path) -> Suite:
    try:
        return parse_suite(text_of(read_regular(path)), path)
    except UnreadableError as error:
        raise SuiteError(f"{path} is not a suite: {error}, or give a model (.tflite or .onnx).") from None
    except FileNotFoundError:
        raise SuiteError(_missing(path)) from None
    except OSError as error:
        raise SuiteError(
            f"{path} cannot be read: {error.strerror}; give a suite .toml or a model (.tflite or .onnx)."
        ) from None


def located(table: ModelTable, folder: Path) -> ModelTable:
    """With absolute paths; names of what is shipped stay names."""
    dataset = table.dataset
    if table.images is not None and dataset is None:
        raise SuiteError(f"the model {table.file} has images = {table.images} and no dataset; name one.")
    if table.reference_images is not None and dataset is None:
        raise SuiteError(f"the model {table.file} has reference_images and no dataset; name one.")
    for key, value in (("resize", table.resize), ("normalize", table.normalize)):
        if value is not None and dataset is None:
            raise SuiteError(f"the model {table.file} has {key} = {value!r} and no dataset; name one.")
    try:
        shapes_of(table.shape)
    except CallError as error:
        raise SuiteError(f"the model {table.file}: {str(error).replace('--shape', 'shape')}") from None
    try:
        require_preparation(table.resize, table.normalize)
    except DatasetError as error:
        raise SuiteError(f"the model {table.file}: {error}") from None
    if dataset is not None and dataset not in DATASETS:
        path = (folder / dataset).resolve()
        if not path.exists():
            raise SuiteError(
                f"{there_is_no('dataset', dataset, DATASETS)}, and your own by the path of an .npz file or a folder."
            )
        dataset = str(path)
    return msgspec.structs.replace(table, file=str(model_path(table.file, folder)), dataset=dataset)


def model_path(text: str, folder: Path) -> Path:
    """A model file by its path from `folder`, or a shipped one by its name. SuiteError."""
    path = folder / text
    if path.is_file():
        return path.resolve()
    shipped = shipped_models()
    if text in shipped:
        return shipped[text]
    if path.is_dir():  # which says what it is when it is read
        return path.resolve()
    raise SuiteError(_missing(path))


def _missing(path: Path) -> str:
    """A file that does not exist; who means a shipped model writes its name alone."""
    shipped = shipped_models()
    near = closest(path.stem, shipped)
    return f"{path} does not exist{near}; correct the path, or name a shipped model: {', '.join(shipped)}."


def _merged(suites: list[Suite]) -> Suite:
    first = suites[0]
    for other in suites[1:]:
        for key in _SETTINGS:
            if getattr(first, key) != getattr(other, key):
                raise SuiteError(
                    f"the suites {first.name} and {other.name} disagree on {key}; measure them one at a time."
                )
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
        if wrong := wrong_name(name):
            raise SuiteError(f"{path}: {wrong}.")
        if wrong := wrong_engine(suite.engine[name]):
            raise SuiteError(f"{path}: [engine.{name}] {wrong}.")
    for name in suite.engines:
        if name not in known:
            raise SuiteError(f"{path}: unknown engine {name!r}{closest(name, known)}; there are {', '.join(known)}.")


def _with_paths(name: str, table: EngineTable, folder: Path) -> EngineTable:
    binary = {architecture: str(folder / file) for architecture, file in table.binary.items()}
    files = [str(folder / file) for file in table.files]
    for file in [*binary.values(), *files]:
        if not Path(file).is_file():
            raise SuiteError(f"[engine.{name}]: the file {file} does not exist; build it, or correct the path.")
    return msgspec.structs.replace(table, binary=binary, files=files)
