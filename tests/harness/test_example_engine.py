"""The example of a user's own engine really runs. Commands that documents quote are tested in tests/docs."""

from __future__ import annotations

import shutil
from pathlib import Path

from bnnbench.results import load
from tests.harness.bench import Bench

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_engine"


def test_example_is_proven_and_compared_with_native(bench: Bench) -> None:
    frame = load(bench.measure(EXAMPLE / "suite.toml")).set_index(["workload", "engine"])
    product = frame.loc["bgemm 16x24x200"]
    assert list(product["status"]) == ["ok", "ok"]
    assert product.loc["native", "latency_ns"] * 10 < product.loc["mine", "latency_ns"]
    pooling = frame.loc["bmaxpool2d 8x8x64 2x2 s2"]
    assert pooling.loc["native", "status"] == "ok"
    assert pooling.loc["mine", "status"] == "skipped"
    assert pooling.loc["mine", "reason"] == "the engine says that it has no op bmaxpool2d"


def test_example_with_a_wrong_bit_is_caught(bench: Bench) -> None:
    """What the example computes is really looked at."""
    shutil.copytree(EXAMPLE, bench.folder / "own")
    engine = bench.folder / "own" / "my_engine.py"
    right = engine.read_text()
    assert "k - 2 * bin(" in right
    engine.write_text(right.replace("k - 2 * bin(", "k - 1 * bin("))
    frame = load(bench.measure(bench.folder / "own" / "suite.toml", "--engine", "mine", status=3))
    assert list(frame["status"]) == ["wrong_output", "skipped"]


def test_protocol_document_shows_the_example() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    assert f"```python\n{(EXAMPLE / 'my_engine.py').read_text()}```" in text
