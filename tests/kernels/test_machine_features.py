"""What the engine asks of a CPU: by the kernel's names, from the same rows that choose the level in Python."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from engine_process import HOST, EngineProcess, hello, mismatches, runner
from sweep import sweep

from bnnbench.kernels import sources
from bnnbench.kernels.compilers import run_zig
from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.errors import BuildError
from bnnbench.kernels.sources import level_lists, levels_of
from bnnbench.kernels.targets import DEFAULT_TRIPLES, ISA_LEVELS, TRIPLES, IsaLevel, Triple
from bnnbench.kernels.toolchain import build_native

PROGRAM = """
#include <stdio.h>
#include "base/isa.h"
int main(int count, char** lists) {
  if (count < 2) for (const auto& feature : bnn::arch::kFeatures) puts(feature.name);
  for (int i = 1; i < count; ++i) printf("%d %d\\n", bnn::knows_features(lists[i]), bnn::machine_has(lists[i]));
}
"""
Ask = Callable[..., list[str]]


@pytest.fixture(scope="module", params=DEFAULT_TRIPLES)
def triple(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def ask(triple: str, tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Without arguments the names the engine knows; else for each list whether it knows it, and has it."""
    prefix = runner(triple)
    if prefix is None:
        pytest.skip(f"qemu-user-static is not installed, which runs {triple} here")
    folder = tmp_path_factory.mktemp("features")
    (folder / "program.cpp").write_text(PROGRAM)
    cpu = f"-mcpu={TRIPLES[triple].zig_cpu}"
    for name, source in {"program.o": "program.cpp", "isa.o": str(sources.SOURCES / "base/isa.cpp")}.items():
        run_zig(folder, triple, [cpu, *sources.FLAGS, f"-I{sources.SOURCES}", "-c", source, "-o", name])
    # As the engine is linked, so that zig has its libraries.
    link = ["-O3", "-fno-sanitize=all", "-nostdlib++", "-static", "-s"]
    run_zig(folder, triple, [cpu, *link, "program.o", "isa.o", "-o", "program"])

    def run(*lists: str) -> list[str]:
        command = [*prefix, str(folder / "program"), *lists]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()

    return run


def test_features_are_those_of_the_kernel(triple: str, ask: Ask) -> None:
    names = ask()
    assert len(set(names)) == len(names)
    for level in levels_of(triple):
        assert set(level.features) <= set(names), level
    if triple == HOST:
        shown = Path("/proc/cpuinfo").read_text().split()
        assert [f"1 {int(name in shown)}" for name in names] == ask(*names)
        best = NumbaEngine().isa_for(triple, frozenset(shown))
        fits = [level.isa for level in levels_of(triple) if ask(" ".join(level.features)) == ["1 1"]]
        assert best == fits[-1]


def test_what_is_not_known_is_not_there(triple: str, ask: Ask) -> None:
    known = next(level.features[0] for level in levels_of(triple) if level.features)
    lists = ["mmx_of_tomorrow", f"{known} mmx_of_tomorrow", f"{known}2x", known[:-1], f"{known}  {known}", f" {known}"]
    assert ask(*lists) == ["0 0"] * len(lists)
    assert ask("") == ["1 1"]


def test_a_level_with_an_unknown_feature_is_no_engine(triple: str, tmp_path: Path) -> None:
    """The build says where the row is missing."""
    (least, *others) = levels_of(triple)
    levels = [*others, replace(least, features=(*least.features, "mmx_of_tomorrow"))]
    flags = [f"-mcpu={TRIPLES[triple].zig_cpu}", *sources.FLAGS, f"-I{sources.SOURCES}", *level_lists(levels)]
    source = str(sources.SOURCES / "backend/native.cpp")
    with pytest.raises(BuildError, match=r"targets.py names a feature that base/arch_\*.h has no row for"):
        run_zig(tmp_path, triple, [*flags, "-c", source, "-o", "native.o"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_new_triple_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An architecture that nothing here knows, with one level: it builds, runs and is right."""
    emulator = shutil.which("qemu-loongarch64-static")
    if emulator is None:
        pytest.skip("qemu-loongarch64-static is not installed (package qemu-user-static)")
    new = Triple("loongarch64-linux-musl", "loongarch64", "generic_la64", "loongarch64-linux-musl")
    # Without vector registers some loops stay loops.
    flags = ("-Wno-pass-failed",)
    level = IsaLevel(new.name, "la64", new.zig_cpu, 16, 2, 2, "bytes", "generic-la64", flags=flags)
    monkeypatch.setitem(TRIPLES, new.name, new)
    monkeypatch.setattr(sources, "ISA_LEVELS", (*ISA_LEVELS, level))
    with EngineProcess([emulator, build_native(new.name).path], tmp_path) as engine:
        assert hello(engine).isas == ["la64"]
        assert mismatches(engine, sweep()) == []


def test_an_architecture_without_a_header_of_its_own_compiles(tmp_path: Path) -> None:
    """Only what is in base/ knows of architectures; the rest of the engine is portable."""
    for source in sorted(sources.SOURCES.glob("base/*.cpp")):
        flags = [*sources.FLAGS, f"-I{sources.SOURCES}"]
        run_zig(tmp_path, "loongarch64-linux-musl", [*flags, "-c", str(source), "-o", "other.o"])


def test_only_base_and_level_know_of_architectures() -> None:
    for path, content in sources.source_files().items():
        asks = b"__x86_64__" in content or b"__aarch64__" in content or b"__arm__" in content
        assert not asks or path == "base/arch.h" or path.startswith("level/"), path


def test_levels_stand_least_first() -> None:
    for triple in TRIPLES:
        levels = [level for level in ISA_LEVELS if level.triple == triple]
        for lesser, level in pairwise(levels):
            assert set(lesser.features) < set(level.features)


def test_the_best_level_is_chosen_by_all_its_features() -> None:
    avx2, avx512 = (next(level for level in ISA_LEVELS if level.isa == isa) for isa in ("avx2", "avx512"))
    choose = NumbaEngine().isa_for
    assert choose(avx2.triple, frozenset(avx512.features)) == "avx512"
    assert choose(avx2.triple, frozenset(avx2.features)) == "avx2"
    assert choose(avx2.triple, frozenset(avx2.features) - {"abm"}) == "x86-64"
    assert choose("arm-linux-musleabihf", frozenset()) is None
