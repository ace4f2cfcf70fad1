"""The whole-model kernels of every ISA level against plain loops in C++, on this CPU or emulated."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engine_process import HOST, runner

from bnnbench.kernels.cache import cache_folder
from bnnbench.kernels.sources import FLAGS, SOURCES, level_flags, level_lists, sources_in
from bnnbench.kernels.targets import DEFAULT_TRIPLES, ISA_LEVELS, TRIPLES

SEEDS = (1, 2)
COMPILE_SECONDS = 300
RUN_SECONDS = 100
LACKS_ISA = 77


@pytest.fixture(scope="module", params=DEFAULT_TRIPLES)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    """A triple, and the command that tests its levels: one binary with all of them, as the engine is."""
    triple = str(request.param)
    prefix = runner(triple)
    if prefix is None:
        pytest.skip(f"qemu-user-static is not installed, which runs {triple} here")
    folder = tmp_path_factory.mktemp("model_kernels")
    levels = [level for level in ISA_LEVELS if level.triple == triple]
    test = Path(__file__).with_name("model_kernels_test.cpp")
    least = TRIPLES[triple].zig_cpu
    integers = test.with_name("integer_kernels_test.cpp")
    sources = [(test, least, level_lists(levels)), (integers, least, ()), (SOURCES / "base/isa.cpp", least, ())]
    sources += [
        (SOURCES / f"{name}.cpp", level.zig_cpu, level_flags(level, name))
        for level in levels
        for name in (*sources_in(level.folder), *level.sources)
    ]

    def compile_one(index: int) -> str:
        source, cpu, defines = sources[index]
        output = folder / f"{index}.o"
        flags = [f"-mcpu={cpu}", *FLAGS, f"-I{SOURCES}", *defines]
        zig(triple, [*flags, "-c", str(source), "-o", str(output)])
        return str(output)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, range(len(sources))))
    link = [f"-mcpu={least}", "-O3", "-fno-sanitize=all", "-nostdlib++", "-static", "-s"]
    zig(triple, [*link, *objects, "-o", str(folder / "program")])
    return triple, [*prefix, str(folder / "program")]


def zig(triple: str, arguments: list[str]) -> None:
    cache = cache_folder() / "zig"
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(cache), "ZIG_LOCAL_CACHE_DIR": str(cache / "local")}
    command = [sys.executable, "-m", "ziglang", "c++", "-target", triple, *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(600)
def test_kernels_equal_plain_loops(program: tuple[str, list[str]], subtests: pytest.Subtests) -> None:
    triple, command = program
    tested = 0
    for level in (level for level in ISA_LEVELS if level.triple == triple):
        for seed in SEEDS:
            with subtests.test(isa=level.isa, seed=seed):
                arguments = [*command, level.isa, str(seed)]
                done = subprocess.run(arguments, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
                if done.returncode == LACKS_ISA:
                    continue
                assert (done.returncode, done.stderr) == (0, ""), done.stdout
                assert int(done.stdout.split()[0]) > 1_000_000
                tested += 1
    if triple == HOST:
        assert tested  # the baseline runs everywhere
