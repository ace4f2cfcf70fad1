"""The counting loops of the widest tiles on 64-bit Arm, as compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from bnnbench.kernels.targets import ISA_LEVELS
from bnnbench.kernels.toolchain import FLAGS, SOURCES, level_flags

_FUNCTION = re.compile(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", re.MULTILINE)
_LOOP = re.compile(r"^(\.LBB\w+):.*\n((?:(?!\.LBB).*\n)*?)\tb\.\w+\t\1\n", re.MULTILINE)
COUNT = "\tcnt\t"


def counting_loops(isa: str, folder: Path) -> list[str]:
    """Instructions of each, one loop for each form of the output; their branches are left out."""
    level = next(one for one in ISA_LEVELS if one.isa == isa and one.triple.startswith("aarch64"))
    flags = [
        f"-mcpu={level.zig_cpu}",
        *FLAGS,
        "-I",
        "include",
        *level_flags(level),
        "-Wno-unused-command-line-argument",
    ]
    output = folder / f"{isa}.s"
    command = [sys.executable, "-m", "ziglang", "c++", "-target", level.triple, *flags]
    command += ["-S", "src/kernels_isa.cpp", "-o", str(output)]
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=100)
    tile = re.compile(rf"tileILN3bnn6OutputE\dELi{level.tile_pixels}ELi{level.tile_vectors}E")
    loops = []
    for name, body in _FUNCTION.findall(output.read_text()):
        if tile.search(name):
            lines = (loop.splitlines() for _, loop in _LOOP.findall(body) if COUNT in loop)
            loops += ["\n".join(line.split("//")[0].rstrip() for line in some if _is_code(line)) for some in lines]
    return loops


def _is_code(line: str) -> bool:
    return line.startswith("\t") and not line.lstrip().startswith((".", "//"))
