"""The counting loops of the widest tiles on Arm, as compiled."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import deque
from functools import cache
from pathlib import Path

from bnnbench.kernels.sources import FLAGS, SOURCES, level_flags
from bnnbench.kernels.targets import BINARY_GEMM, IsaLevel

_FUNCTION = re.compile(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", re.MULTILINE)
_LOOP = re.compile(r"^(\.LBB\w+):.*\n((?:(?!\.LBB).*\n)*?)\tb\.?\w+\t\1\n", re.MULTILINE)
_TARGET = re.compile(r"^\t(?:b|b\.\w+|cbn?z|tbn?z)\t.*?(\.LBB\w+)$")
COUNT = re.compile(r"\tv?cnt(\.8)?\t")


def counting_loops(level: IsaLevel, folder: Path) -> list[str]:
    """Instructions of each, one loop for each form of the output; their branches are left out."""
    loops = []
    for body in _tiles(level, folder):
        lines = (loop.splitlines() for _, loop in _LOOP.findall(body) if COUNT.search(loop))
        loops += ["\n".join(_bare(line) for line in some if _is_code(line)) for some in lines]
    return loops


def segment(level: IsaLevel, words: int, folder: Path) -> str:
    """Instructions from one segment of so many words to the next, in the order they are executed, in the first form of
    the output on 64-bit Arm. Branches that are not taken are left out, taken ones jump to the next instruction."""
    body = _tiles(level, folder)[0]
    lines = [_bare(line) for line in body.splitlines() if _is_code(line) or line.startswith(".LBB")]
    place = {line.rstrip(":"): at for at, line in enumerate(lines) if line.startswith(".LBB")}
    counts = level.tile_pixels * level.tile_vectors * words
    last = max(at for at, line in enumerate(lines) if COUNT.search(line))
    head = min(place[to] for at, to in _branches(lines) if place[to] < at and _ends(lines, place, place[to], last))
    # The shortest way round with as many counts: what goes on inside of a segment takes as few turns as it can.
    ways: deque[tuple[int, int, tuple[int, ...]]] = deque([(head, 0, ())])
    seen = {(head, 0)}
    while ways:
        at, counted, way = ways.popleft()
        if at == head and way:
            if counted == counts:
                return "\n".join(lines[one] for one in way)
            continue
        line = lines[at]
        counted += bool(COUNT.search(line))
        target = _TARGET.search(line)
        following = [at + 1] if not target or line.split()[0] != "b" else []
        following += [place[target[1]]] if target else []
        for then in following:
            if (then, counted) not in seen and counted <= counts and then < len(lines):
                if then != head:
                    seen.add((then, counted))
                ways.append((then, counted, way if target or line.startswith(".LBB") else (*way, at)))
    raise AssertionError(f"no way round a segment of {words} words")


def _branches(lines: list[str]) -> list[tuple[int, str]]:
    return [(at, found[1]) for at, line in enumerate(lines) if (found := _TARGET.search(line))]


def _ends(lines: list[str], place: dict[str, int], label: int, last: int) -> bool:
    """Whether the block of a label may leave the loops that count: it is the segments' own."""
    block = lines[label + 1 :]
    block = block[: next((i for i, line in enumerate(block) if line.startswith(".LBB")), len(block))]
    return any(place[found[1]] > last for line in block if (found := _TARGET.search(line)))


@cache
def _tiles(level: IsaLevel, folder: Path) -> list[str]:
    """The functions of the widest tile, one for each form of the output."""
    flags = [
        f"-mcpu={level.zig_cpu}",
        *FLAGS,
        "-I",
        ".",
        *level_flags(level, BINARY_GEMM),
        "-Wno-unused-command-line-argument",
    ]
    output = folder / "kernels.s"
    command = [sys.executable, "-m", "ziglang", "c++", "-target", level.triple, *flags]
    command += ["-S", "level/binary_gemm.cpp", "-o", str(output)]
    subprocess.run(command, cwd=SOURCES, check=True, capture_output=True, timeout=100)
    tile = re.compile(rf"tileILN3bnn6OutputE\dELi{level.tile_pixels}ELi{level.tile_vectors}E")
    return [body for name, body in _FUNCTION.findall(output.read_text()) if tile.search(name)]


def _bare(line: str) -> str:
    """Without its comment."""
    return re.split(r"//|@", line)[0].rstrip()


def _is_code(line: str) -> bool:
    return line.startswith("\t") and not line.lstrip().startswith((".", "//", "@"))
