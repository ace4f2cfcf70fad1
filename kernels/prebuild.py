"""Builds all that a wheel carries: `python -m bnnbench.kernels.prebuild FOLDER` (see `prebuilt`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .compilers import installed
from .errors import BuildError
from .instruction_counter import INTERFACES, built_counter
from .prebuilt import MANIFEST, Manifest, PrebuiltFile
from .sources import RECIPES, levels_for
from .targets import DEFAULT_TRIPLES, TRIPLES
from .toolchain import LAYOUTS, Progress, build, build_native


def prebuild(folder: Path, progress: Progress) -> Manifest:
    """Writes every engine and plugin, and the manifest, into a new folder. Raises BuildError, OSError."""
    compilers = installed()
    if compilers is None:
        raise BuildError("building engines needs zig: pip install 'bnnbench[build]'.")
    folder.mkdir(parents=True)
    files = {}
    for key, name, what, path, sha256 in _built(progress):
        (folder / name).write_bytes(path.read_bytes())
        files[key] = PrebuiltFile(name, sha256, what)
    manifest = Manifest(compilers, dict(sorted(files.items())))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    return manifest


def _built(progress: Progress) -> Iterator[tuple[str, str, str, Path, str]]:
    """Key, file name, description, path, SHA-256 of each."""
    for engine in RECIPES:
        for triple in DEFAULT_TRIPLES:
            for isa in levels_for(engine, triple):
                done = build(engine, triple, isa, progress)
                name = "-".join(filter(None, ("engine", engine, triple, isa)))
                what = f"engine {engine} for {triple}{f', {isa}' if isa else ''}"
                yield done.build, name, what, done.path, done.sha256
    for triple in DEFAULT_TRIPLES:
        for layout in range(1, LAYOUTS + 1):
            done = build_native(triple, progress, layout)
            what = f"engine native for {triple}, link order {layout}"
            yield done.build, f"engine-native-{triple}-{layout}", what, done.path, done.sha256
    for triple, row in TRIPLES.items():
        if row.counter_target is not None:
            for interface in INTERFACES:
                name = f"count-instructions-{triple}-{interface}.so"
                what = f"plugin that counts instructions in QEMU on {triple}, interface {interface}"
                key, path, sha256 = built_counter(triple, interface, progress)
                yield key, name, what, path, sha256


if __name__ == "__main__":
    prebuild(Path(sys.argv[1]), lambda line: print(line, file=sys.stderr, flush=True))
