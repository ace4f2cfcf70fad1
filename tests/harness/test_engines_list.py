"""What there is to run, as listed."""

from __future__ import annotations

import json
import platform
from pathlib import Path

from bnnbench.kernels.engines.numba import NumbaEngine
from bnnbench.kernels.targets import ISA_LEVELS, micro_kernels
from bnnbench.results import load
from tests.harness.bench import Bench


def test_every_micro_kernel_is_listed(bench: Bench) -> None:
    done = bench.run("engines", "list", "--kernels", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {(row["triple"], row["isa"]) for row in rows} == {(level.triple, level.isa) for level in ISA_LEVELS}
    for level in ISA_LEVELS:
        here = [row for row in rows if (row["triple"], row["isa"]) == (level.triple, level.isa)]
        assert {op for row in here for op in row["ops"]} == {"bconv2d", "bgemm", "bitpack", "bmaxpool2d"}
        widest = level.tile_vectors * level.vector_bytes // 4
        assert f"{level.tile_pixels}x{widest}" in [row["tile"] for row in here]
    assert "6x64" in bench.run("engines", "list", "--kernels").stdout


def test_engines_and_their_states(bench: Bench) -> None:
    rows = json.loads(bench.run("engines", "list", "--json").stdout)
    assert {"native", "numba", "lce"} <= {row["name"] for row in rows}
    assert "built for" in bench.run("engines", "list").stdout


def test_a_suite_forces_micro_kernels_by_name(bench: Bench) -> None:
    """Every level that this machine has, at every width; what it has not is refused with what it has."""
    features = frozenset(Path("/proc/cpuinfo").read_text().split())
    triple = f"{platform.machine()}-linux-musl"
    best = NumbaEngine().isa_for(triple, features)
    levels = [level for level in ISA_LEVELS if level.triple == triple]
    usable = levels[: [level.isa for level in levels].index(str(best)) + 1]
    kernels = [one for level in usable for one in micro_kernels(level)]
    shapes = {
        "bconv2d": "input = [6, 6, 64]\nfilters = 48",
        "bgemm": "m = 5\nn = 40\nk = 70",
        "bitpack": "n = 5\nc = 70",
        "bmaxpool2d": "input = [8, 8, 64]",
    }
    tables = [
        f'[[kernel]]\nop = "{op}"\n{shapes[op]}\nmicro_kernel = "{one.name}"' for one in kernels for op in one.ops
    ]
    tables.append(f'[[kernel]]\nop = "bgemm"\n{shapes["bgemm"]}\nmicro_kernel = "sse9-1x1"')
    head = 'name = "forced"\nengines = ["native"]\ninvocations = 1\nsamples = 3\nmin_sample_ms = 1\n'
    bench.write("forced.toml", head + "\n".join(tables))
    frame = load(bench.measure("forced.toml", status=3))
    refused = frame.workload.str.endswith("sse9-1x1")
    assert frame[refused].reason.str.contains(f"no micro-kernel 'sse9-1x1' for bgemm; it has {kernels[0].name}").all()
    assert refused.sum() == 1
    assert len(frame) == len(tables)
    assert set(frame[~refused].status) == {"ok"}
    assert {one.name for one in kernels} == {name.split()[-1] for name in frame[~refused].workload}
