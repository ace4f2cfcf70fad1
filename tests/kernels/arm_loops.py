"""The counting loops of the widest tiles on Arm, as compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bnnbench.kernels.targets import IsaLevel
from bnnbench.kernels.toolchain import FLAGS, SOURCES, level_flags

_FUNCTION = re.compile(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", re.MULTILINE)
_LOOP = re.compile(r"^(\.LBB\w+):.*\n((?:(?!\.LBB).*\n)*?)\tb\.?\w+\t\1\n", re.MULTILINE)
COUNT = re.compile(r"\tv?cnt(\.8)?\t")


def counting_loops(level: IsaLevel, folder: Path) -> list[str]:
    """Instructions of each, one loop for each form of the output; their branches are left out."""
    flags = [
        f"-mcpu={level.zig_cpu}",
        *FLAGS,
        "-I",
        "include",
        *level_flags(level),
        "-Wno-unused-command-line-argument",
    ]
    output = folder / "kernels.s"
    command = [sys.executable, "-m", "ziglang", "c++", "-target", level.triple, *flags]
    command += ["-S", "src/kernels_isa.cpp", "-o", str(output)]
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=100)
    tile = re.compile(rf"tileILN3bnn6OutputE\dELi{level.tile_pixels}ELi{level.tile_vectors}E")
    loops = []
    for name, body in _FUNCTION.findall(output.read_text()):
        if tile.search(name):
            lines = (loop.splitlines() for _, loop in _LOOP.findall(body) if COUNT.search(loop))
            loops += [
                "\n".join(re.split(r"//|@", line)[0].rstrip() for line in some if _is_code(line)) for some in lines
            ]
    return loops


def _is_code(line: str) -> bool:
    return line.startswith("\t") and not line.lstrip().startswith((".", "//", "@"))
