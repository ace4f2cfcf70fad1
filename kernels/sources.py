"""What engines are compiled from: the folders of `native/`, which of them an engine takes, and with which flags.

Every `.cpp` of a folder is compiled, those of an ISA level's folder once per level; a new source only has to lie in its
folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .errors import BuildError
from .targets import ISA_LEVELS, TRIPLES, IsaLevel

SOURCES = Path(__file__).parent / "native"
FLAGS = (
    "-std=c++20",
    "-O3",
    "-ffp-contract=off",  # a fused multiply-add would round otherwise than the reference
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-sanitize=all",
    "-fno-threadsafe-statics",
    "-fno-asynchronous-unwind-tables",
    "-g0",
    "-Wall",
    "-Wextra",
    "-Wcomma",
    "-Werror",
)
"""Of every compilation."""
_SMALL: tuple[str, ...] = ("-Os",)  # nothing there is timed; small is quick to push
_SHARED = {"base": _SMALL, "op": _SMALL, "measure": _SMALL, "process": _SMALL}


@dataclass(frozen=True, slots=True)
class Object:
    """One compilation of a source, a path below `native/` without its suffix; `cpu` None is the triple's least."""

    source: str
    flags: tuple[str, ...]
    cpu: str | None = None
    suffix: str = ""

    @property
    def file(self) -> str:
        return f"{self.source.replace('/', '-')}{'-' + self.suffix if self.suffix else ''}.o"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an engine is compiled from. `folders` maps folders to flags beyond those of the whole build, in the order in
    which they are linked: what runs together lies together, so that fewer pages are read in. Its backend is
    `backend/<engine>.cpp`, linked before all others. One binary holds all ISA levels of a triple, or one when
    `is_of_one_level`.

    `is_reference`: Numba compiles the kernels of `kernels/reference` into it.
    """

    folders: Mapping[str, tuple[str, ...]]
    is_of_one_level: bool = False
    is_reference: bool = False


RECIPES: Mapping[str, Recipe] = {
    "native": Recipe({**_SHARED, "convolution": (), "plan": _SMALL, "model": ()}),
    "numba": Recipe(_SHARED, is_of_one_level=True, is_reference=True),
}
"""By the engine's name."""


def objects_of(engine: str, triple: str, isa: str | None = None) -> list[Object]:
    """All of an engine but what Numba compiles; `isa` is the level of one that has a binary for each. Raises
    BuildError."""
    recipe, isas = RECIPES[engine], isas_of(engine, triple)
    levels = {level.isa: level for level in levels_of(triple) if level.isa in isas}
    objects = [Object(source, flags) for folder, flags in recipe.folders.items() for source in sources_in(folder)]
    backend = f"backend/{engine}"
    if recipe.is_of_one_level:
        if isa not in levels:
            raise BuildError(f"{triple} has no ISA level '{isa}'; it has {', '.join(levels)}.")
        features = " ".join(levels[isa].features)
        return [Object(backend, (f'-DBNN_ISA_NAME="{isa}"', f'-DBNN_ISA_FEATURES="{features}"')), *objects]
    per_level = [
        Object(source, level_flags(level, source), level.zig_cpu, level.isa)
        for level in levels.values()
        for source in (*sources_in(level.folder), *level.sources)
    ]
    return [Object(backend, level_lists(list(levels.values()))), *objects, *per_level]


def levels_for(engine: str, triple: str) -> list[str | None]:
    """What `isa` of `objects_of` can be: a binary for each. Raises BuildError."""
    return [*isas_of(engine, triple)] if RECIPES[engine].is_of_one_level else [None]


def isas_of(engine: str, triple: str) -> list[str]:
    """The ISA levels that an engine has on a triple, least first. Raises BuildError."""
    own = RECIPES[engine].is_of_one_level
    return [level.isa for level in levels_of(triple) if level.others is None or not own]


def levels_of(triple: str) -> Sequence[IsaLevel]:
    """Least first. Raises BuildError for a triple that nothing is built for."""
    if triple not in TRIPLES:
        raise BuildError(f"no engine can be built for '{triple}'; the targets are {', '.join(TRIPLES)}.")
    return [level for level in ISA_LEVELS if level.triple == triple]


def level_lists(levels: Sequence[IsaLevel]) -> tuple[str, ...]:
    """The symbols of all levels' rows, for the files that choose one, and the features that they ask for."""
    features = dict.fromkeys(feature for level in levels for feature in level.features)
    rows = ", ".join(f"{_symbol(level)}_level" for level in levels)
    return f"-DBNN_LEVELS={rows}", f'-DBNN_ALL_FEATURES="{" ".join(features)}"'


def level_flags(level: IsaLevel, source: str) -> tuple[str, ...]:
    """What one ISA level's compilation of a source of `level/` has beyond the flags of the whole build."""
    return (
        "-fno-unroll-loops",  # tiles are unrolled by hand; more would only make the binary larger
        f"-DBNN_LEVEL_SYMBOL={_symbol(level)}",
        f'-DBNN_ISA_NAME="{level.isa}"',
        f'-DBNN_ISA_FEATURES="{" ".join(level.features)}"',
        f"-DBNN_VECTOR_BYTES={level.vector_bytes}",
        f"-DBNN_TILE_PIXELS={level.tile_pixels}",
        f"-DBNN_TILE_VECTORS={level.tile_vectors}",
        f"-DBNN_COUNTS_{level.counts.upper().replace(' ', '_')}=1",
        *([] if level.others is None else [f"-DBNN_OTHERS={_symbol_of(level.others)}"]),
        *level.flags,
        *level.source_flags.get(source, ()),
    )


@cache
def source_files() -> dict[str, bytes]:
    """The engine's C++ sources by their path in `native/`. Raises BuildError."""
    files = {path.relative_to(SOURCES).as_posix(): path.read_bytes() for path in sorted(SOURCES.glob("*/*"))}
    if not files:
        raise BuildError(f"the engine's sources are missing from {SOURCES}; install bnnbench again.")
    return files


def sources_in(folder: str) -> list[str]:
    """The `.cpp` files of a folder, as `Object` names them."""
    return [path[: -len(".cpp")] for path in source_files() if path.startswith(f"{folder}/") and path.endswith(".cpp")]


def _symbol(level: IsaLevel) -> str:
    return _symbol_of(level.isa)


def _symbol_of(isa: str) -> str:
    return "bnn_" + isa.replace("-", "_")
