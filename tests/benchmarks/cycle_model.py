"""What llvm-mca says a tile costs: for ISA levels that this machine cannot run.

A call of a tile is written out as the straight line of instructions that one execution takes, branches and all, and
handed to llvm-mca. Caches, mispredicted branches and the copy into the padded image are outside the model.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from bnnbench.kernels import sources
from bnnbench.kernels.ops import BConv2d
from bnnbench.kernels.targets import BINARY_GEMM, ISA_LEVELS, IsaLevel

LLVM_MCA = "llvm-mca-22"
CPU = "sapphirerapids"
_CALLS = 20
_FLOAT_OUTPUT = 1


def is_available() -> bool:
    return shutil.which(LLVM_MCA) is not None


def expected_share(isa: str, spec: BConv2d, folder: Path) -> float:
    """Share of the popcount roof that the tiles of a convolution reach, all cycles counted."""
    level = next(level for level in ISA_LEVELS if level.isa == isa)
    functions = _functions(level, folder)
    pixels, words = spec.out_h * spec.out_w, spec.kh * spec.kw * spec.c // 32
    tiles = -(-pixels // level.tile_pixels)
    low, higher = divmod(pixels, tiles)
    taken = sum(
        count * _cycles(tuple(_trace(functions[f"{height}x{vectors}"], words)))
        for vectors in _blocks(spec.oc, level)
        for height, count in ((low, tiles - higher), (low + 1, higher))
        if count
    )
    chains = 8
    roof = _cycles(tuple(_loop(functions["roof"]))) / chains  # of one product: a vector of words
    products = pixels * words * spec.oc * 4 / level.vector_bytes
    return products * roof / taken


def _blocks(channels: int, level: IsaLevel) -> list[int]:
    """Vectors of each block of channels, as the engine cuts them."""
    lanes, found = level.vector_bytes // 4, []
    while channels > 0:
        vectors = 1
        while vectors < level.tile_vectors and vectors * lanes < channels:
            vectors *= 2
        found.append(vectors)
        channels -= vectors * lanes
    return found


def _functions(level: IsaLevel, folder: Path) -> dict[str, list[str]]:
    """The assembly of the float tiles by height and vectors, and of the roof's loop."""
    output = folder / f"{level.isa}.s"
    if not output.exists():
        arguments = [f"-mcpu={level.zig_cpu}", *sources.FLAGS, "-I", ".", *sources.level_flags(level, BINARY_GEMM)]
        command = [sys.executable, "-m", "ziglang", "c++", "-target", level.triple, *arguments]
        # zig adds a -c of its own, which -S leaves unused.
        command += ["-Wno-unused-command-line-argument", "-S", "level/binary_gemm.cpp", "-o", str(output)]
        subprocess.run(command, cwd=sources.SOURCES, check=True, capture_output=True, timeout=300)
    found: dict[str, list[str]] = {}
    for name, body in re.findall(r"^(_Z\w+):.*\n((?:.*\n)*?)\.Lfunc_end", output.read_text(), re.MULTILINE):
        tile = re.search(rf"tileILN3bnn6OutputE{_FLOAT_OUTPUT}ELi(\d)ELi(\d)E", name)
        key = f"{tile[1]}x{tile[2]}" if tile else "roof" if "popcount_roof" in name else None
        if key:
            found[key] = [line for line in (_clean(line) for line in body.splitlines()) if line]
    return found


def _clean(line: str) -> str:
    """An instruction or a label; nothing for directives and comments."""
    text = line.split("#")[0].strip()
    return "" if text.startswith(".") and not text.endswith(":") else text


def _loop(lines: list[str]) -> list[str]:
    """The instructions of the roof's only loop."""
    end = next(i for i, line in enumerate(lines) if line.startswith("j") and f"{line.split()[1]}:" in lines[:i])
    start = lines.index(f"{lines[end].split()[1]}:")
    return [line for line in lines[start + 1 : end + 1] if not line.endswith(":")]


def _trace(lines: list[str], words: int) -> list[str]:
    """One execution of a tile without borders and activation: `words` rounds of the loop that counts."""
    inner = _inner_loop(lines)
    path: list[str] = []
    at, rounds = 0, 0
    while lines[at] != "retq":
        line = lines[at]
        at += 1
        if line.endswith(":"):
            continue
        path.append(line)
        if not line.startswith("j"):
            continue
        target = line.split()[1]
        if target == inner:
            rounds += 1
            taken = rounds < words
        elif path[-2].startswith("cmpb"):  # gemm.clamps is false
            taken = line.startswith("jne")
        elif path[-2].startswith("testq") and not line.startswith("jle"):  # gemm.pixel_border is null
            taken = line.startswith("je")
        else:  # guards against no words
            taken = line.startswith("jmp")
        if taken:
            at = lines.index(f"{target}:")
    assert rounds == words
    return path


def _inner_loop(lines: list[str]) -> str:
    """Label of the loop that counts bits."""
    for i, line in enumerate(lines):
        if line.startswith("j") and (label := line.split()[1]) + ":" in lines[:i]:
            body = lines[lines.index(f"{label}:") : i]
            if any("popcnt" in one for one in body):
                return label
    raise AssertionError("no loop with popcounts")


@cache
def _cycles(instructions: tuple[str, ...]) -> float:
    """Of one of many calls in a row."""
    return cycles("\n".join(instructions), "x86_64", CPU, _CALLS)


def cycles(instructions: str, architecture: str, cpu: str, rounds: int) -> float:
    """What llvm-mca says that one of so many rounds takes."""
    done = subprocess.run(
        [LLVM_MCA, f"-mtriple={architecture}", f"-mcpu={cpu}", f"-iterations={rounds}"],
        input=instructions,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    total = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    assert total is not None
    return int(total[1]) / rounds
