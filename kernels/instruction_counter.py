"""The plugin that counts an engine's instructions in QEMU, built for this machine and cached by content."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from .cache import cache_folder, is_noted, note_digest, private_folder, verified
from .errors import BuildError
from .targets import TRIPLES
from .toolchain import Progress, run_zig

SOURCE = Path(__file__).parent / "qemu_plugin/count_blocks.c"
MARKS = "BNNBENCH_MARKS=1"
"""Environment that makes an engine tell where its timed blocks are."""
_MOST_DIGITS = 18
_FLAGS = ("-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-Wl,--allow-shlib-undefined", "-x", "c", "-std=gnu11")


def build_counter(triple: str, progress: Progress | None = None) -> Path:
    """`triple` is this machine's own. The file's lines, one per block, are counts. Raises BuildError."""
    target = TRIPLES[triple].counter_target if triple in TRIPLES else None
    if target is None:
        raise BuildError(f"instructions cannot be counted on {triple}: QEMU's plugins are built for 64-bit machines.")
    source = SOURCE.read_bytes()
    key = hashlib.sha256(b"\0".join([source, triple.encode(), *(flag.encode() for flag in _FLAGS)])).hexdigest()[:24]
    path = cache_folder() / "plugins" / f"{key}.so"
    if not is_noted(path):
        if progress:
            progress("building the plugin that counts instructions")
        with tempfile.TemporaryDirectory(dir=private_folder("plugins")) as scratch:
            (Path(scratch) / "count_blocks.c").write_bytes(source)
            run_zig(Path(scratch), target, [*_FLAGS, "count_blocks.c", "-o", "plugin.so"], language="cc")
            built = Path(scratch) / path.name
            (Path(scratch) / "plugin.so").rename(built)
            note_digest(built)
            for file in sorted(Path(scratch).glob(f"{path.name}*")):  # the digest last: it makes the file whole
                file.rename(path.with_name(file.name))
    verified(path)
    return path


def instructions_per_iteration(blocks: str, more: int) -> float | None:
    """Of what the plugin wrote for a block of one iteration and one of `1 + more`; None when it is something else."""
    lines = blocks.split()
    if len(lines) != 2 or not all(line.isdecimal() and len(line) <= _MOST_DIGITS for line in lines):
        return None
    first, second = map(int, lines)
    return (second - first) / more if second > first else None
