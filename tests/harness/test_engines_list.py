"""What there is to run, as listed."""

from __future__ import annotations

import json

from bnnbench.kernels.targets import ISA_LEVELS
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
