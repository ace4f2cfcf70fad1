"""Builds engines: C++ and Numba objects, linked by zig into static binaries for any device, cached by content.

A build's key is the SHA-256 of everything it is made of: sources, flags, compiler versions. The same key is the same
binary, byte for byte, on any machine; `hello` of the engine says it as `build`. Nothing is built twice: the cache
folder (`BNNBENCH_CACHE`, else the user's cache folder) is shared by all projects and safe for parallel builds. Before
a binary is used, it is compared with the SHA-256 that was noted when it was built.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .artifacts import Progress as Progress
from .artifacts import artifact
from .cache import cache_folder
from .compilers import Compilers, installed, run, run_zig
from .errors import BuildError
from .numba_aot.targets import NumbaTarget, numba_target
from .prebuilt import manifest
from .sources import FLAGS, RECIPES, Object, objects_of, source_files
from .targets import TRIPLES

_LINK_FLAGS = ("-O3", "-fno-sanitize=all", "-nostdlib++", "-static", "-s")
_FIRST_BUILD_S = 50
LAYOUTS = 3
"""Other orders in which a wheel's native engines are linked too, for `devices calibrate`."""


@dataclass(frozen=True, slots=True)
class EngineBuild:
    """A built engine: `isa` is None when one binary holds all levels; `build` is the key, `sha256` the file's."""

    engine: str
    triple: str
    isa: str | None
    build: str
    sha256: str
    path: Path


def build_native(triple: str, progress: Progress | None = None, layout: int = 0) -> EngineBuild:
    """The C++ engine with every ISA level of `triple`; another `layout` links the same objects in another order. Raises
    BuildError."""
    return build("native", triple, None, progress, layout)


def build_numba(triple: str, isa: str, progress: Progress | None = None) -> EngineBuild:
    """The Numba reference kernels for one ISA level, behind the same protocol loop. Raises BuildError."""
    return build("numba", triple, isa, progress)


def build(engine: str, triple: str, isa: str | None, progress: Progress | None = None, layout: int = 0) -> EngineBuild:
    """An engine of `sources.RECIPES`; `isa` is the level of one that has a binary for each. Raises BuildError."""
    objects = objects_of(engine, triple, isa)
    if layout:
        random.Random(layout).shuffle(objects)  # noqa: S311 - an order
    return _build(engine, triple, isa, _numba_of(engine, triple, isa), objects, progress)


def build_key(engine: str, triple: str, isa: str | None) -> str:
    """The key that `build` would give the engine; builds nothing. Raises BuildError."""
    return _key_of(engine, triple, _numba_of(engine, triple, isa), objects_of(engine, triple, isa))


def _numba_of(engine: str, triple: str, isa: str | None) -> NumbaTarget | None:
    return numba_target(triple, isa) if isa and RECIPES[engine].is_reference else None


def _reference_files() -> dict[str, bytes]:
    """What a Numba object is made of."""
    here = Path(__file__).parent
    folders = (here / "reference", here / "numba_aot")
    return {path.relative_to(here).as_posix(): path.read_bytes() for f in folders for path in sorted(f.glob("*.py"))}


def _key(recipe: dict[str, object], files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for name, content in sorted(files.items()):
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _key_of(engine: str, triple: str, numba: NumbaTarget | None, objects: list[Object]) -> str:
    compilers = _compilers(engine, triple)
    recipe: dict[str, object] = {
        "engine": engine,
        "triple": triple,
        "version": _package_version(),
        "zig": compilers.zig,
        "flags": [*FLAGS, *_LINK_FLAGS],
        "objects": [[o.file, o.cpu or TRIPLES[triple].zig_cpu, *o.flags] for o in objects],
    }
    files = dict(source_files())
    if numba is not None:
        recipe["numba"] = [compilers.numba, compilers.llvmlite, *astuple(numba)]
        files |= _reference_files()
    return _key(recipe, files)


def _build(
    engine: str,
    triple: str,
    isa: str | None,
    numba: NumbaTarget | None,
    objects: list[Object],
    progress: Progress | None,
) -> EngineBuild:
    key = _key_of(engine, triple, numba, objects)
    what = f"the engine {engine} for {isa or triple}"

    def make(scratch: Path) -> None:
        warm = cache_folder() / "zig" / ".warm" / triple
        if progress:
            hint = "" if warm.exists() else f" (the first for {triple} takes about {_FIRST_BUILD_S} s)"
            progress(f"building {what}{hint}")
        _compile_and_link(scratch, key, triple, numba, objects)
        warm.parent.mkdir(parents=True, exist_ok=True)
        warm.touch()

    path, sha256 = artifact("engines", key, "engine", what, make)
    return EngineBuild(engine, triple, isa, key, sha256, path)


def _compilers(engine: str, triple: str) -> Compilers:
    """Those that are installed; else those that made the engines of the wheel. Raises BuildError."""
    found = installed()
    if found is None and (wheel := manifest()) is not None:
        found = wheel.compilers
    if found is None:
        raise BuildError(
            f"the engine {engine} for {triple} does not come with this installation, and building it needs zig: "
            "pip install 'bnnbench[build]'."
        )
    return found


def _compile_and_link(scratch: Path, key: str, triple: str, numba: NumbaTarget | None, objects: list[Object]) -> None:
    # Relative paths from one working folder: no path of this machine gets into an object.
    for name, content in source_files().items():  # what the key is made of, whatever lies there by now
        (scratch / name).parent.mkdir(exist_ok=True)
        (scratch / name).write_bytes(content)
    names = [o.file for o in objects]
    if numba is not None:
        _compile_numba(scratch, numba)
        names.append("reference.o")
    identity = (f'-DBNN_BUILD="{key}"', f'-DBNN_VERSION="{_package_version()}"')

    def compile_one(o: Object) -> None:
        cpu = o.cpu or TRIPLES[triple].zig_cpu
        source = f"{o.source}.cpp"
        run_zig(
            scratch,
            triple,
            [f"-mcpu={cpu}", *FLAGS, "-I.", *identity, *o.flags, "-c", source, "-o", o.file],
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, objects))
    run_zig(scratch, triple, [f"-mcpu={TRIPLES[triple].zig_cpu}", *_LINK_FLAGS, *names, "-o", "engine"])


def _package_version() -> str:
    try:
        return version("bnnbench")
    except PackageNotFoundError:
        return "0"


def _compile_numba(scratch: Path, target: NumbaTarget) -> None:
    # A process of its own: Numba compiles for one processor per process.
    arguments = ["--triple", target.llvm_triple, "--cpu", target.llvm_cpu, f"--features={target.features}"]
    outputs = ["-o", "reference.o", "--header", "backend/reference.h"]
    run([sys.executable, "-m", "bnnbench.kernels.numba_aot", *arguments, *outputs], scratch, dict(os.environ))
