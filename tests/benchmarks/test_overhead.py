"""What measuring costs over a real SSH server on loopback: `pytest -m speed tests/benchmarks/test_overhead.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.devices.sshd import LoopbackSsh
from tests.harness.bench import Bench

pytestmark = [pytest.mark.speed, pytest.mark.timeout(900)]

MOST_NS = 60e6
LEAST_SHARE = 0.70


def forty_cases() -> str:
    """Twenty convolutions, each on both engines, with default settings."""
    channels = ((32, 32), (64, 64), (128, 64), (64, 128), (256, 64))
    tables = [
        f'[[kernel]]\nop = "bconv2d"\ninput = [{size}, {size}, {c}]\nfilters = {filters}\n'
        for size in (7, 14, 28, 56)
        for c, filters in channels
    ]
    return 'name = "forty"\n' + "".join(tables)


def test_forty_cases_over_ssh(tmp_path: Path) -> None:
    bench, server = Bench(tmp_path, forked=False), LoopbackSsh(tmp_path)
    try:
        bench.add_device(server.spec("board"))
        done = bench.run(
            "run", bench.write("forty.toml", forty_cases()), "-d", "board", "--store", "store", timeout=800
        )
        assert done.returncode == 0, done.stderr
    finally:
        server.stop()
    run = bench.store.run("latest")
    assert len(run.record.cases) == 40
    assert run.end is not None
    figures = run.end.overhead["board"]
    each, share = figures["per_invocation_ns_median"], figures["run_share"]
    assert each is not None
    assert share is not None
    print(f"\n{each / 1e6:.1f} ms per invocation outside timed runs, {share:.0%} of the time inside them")
    assert each <= MOST_NS
    assert share >= LEAST_SHARE
