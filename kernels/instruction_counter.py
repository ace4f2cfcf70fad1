"""The plugin that counts an engine's instructions in QEMU, built for this machine and cached by content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .artifacts import Progress, artifact
from .compilers import run_zig
from .errors import BuildError
from .targets import TRIPLES

SOURCE = Path(__file__).parent / "qemu_plugin/count_blocks.c"
MARKS = "BNNBENCH_MARKS=1"
"""Environment that makes an engine tell where its timed blocks are."""
INTERFACES = (1, 2)
"""Versions of QEMU's interface for plugins that the source has code for."""
_MOST_DIGITS = 18
_FLAGS = (
    "-O2",
    "-g0",
    "-s",
    "-shared",
    "-fPIC",
    "-fvisibility=hidden",
    "-Wl,--allow-shlib-undefined",
    "-x",
    "c",
    "-std=gnu11",
)


def build_counter(triple: str, interface: int, progress: Progress | None = None) -> Path:
    """The plugin for QEMUs of this machine, which is `triple`, with this version of the interface for plugins. In the
    file that it writes, lines are counts, one per timed block. Raises BuildError."""
    return built_counter(triple, interface, progress)[1]


def built_counter(triple: str, interface: int, progress: Progress | None = None) -> tuple[str, Path, str]:
    """The plugin's key, file and SHA-256. Raises BuildError."""
    target = TRIPLES[triple].counter_target if triple in TRIPLES else None
    if target is None:
        raise BuildError(f"instructions cannot be counted on {triple}: QEMU's plugins are built for 64-bit machines.")
    source, flags = SOURCE.read_bytes(), (*_FLAGS, f"-DINTERFACE={interface}")
    key = hashlib.sha256(b"\0".join([source, triple.encode(), *(flag.encode() for flag in flags)])).hexdigest()

    def make(scratch: Path) -> None:
        if progress:
            progress("building the plugin that counts instructions")
        (scratch / "count_blocks.c").write_bytes(source)
        run_zig(scratch, target, [*flags, "count_blocks.c", "-o", "plugin.so"], language="cc")

    path, sha256 = artifact("plugins", key, "plugin.so", "the plugin that counts instructions", make)
    return key, path, sha256


def instructions_per_iteration(blocks: str, more: int) -> float | None:
    """Of what the plugin wrote for a block of one iteration and one of `1 + more`; None when it is something else."""
    lines = blocks.split()
    if len(lines) != 2 or not all(line.isdecimal() and len(line) <= _MOST_DIGITS for line in lines):
        return None
    first, second = map(int, lines)
    return (second - first) / more if second > first else None
