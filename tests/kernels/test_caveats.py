"""What has to be said beside ratios: a row of the engine and the architecture, for every engine that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bnnbench.kernels.engines import DECLARED, ENGINES, SideEngine
from bnnbench.kernels.targets import TRIPLES

X86, ARM64 = "x86_64-linux-musl", "aarch64-linux-musl"


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_but_the_one_measured_has_its_say(name: str) -> None:
    caveat = ENGINES[name].caveat(X86)
    assert (caveat is None) == (name == "native")
    for triple in TRIPLES:
        assert len(ENGINES[name].caveat(triple) or "") < 80
        assert not (ENGINES[name].caveat(triple) or "").endswith(".")
    side = SideEngine("base", ENGINES[name], {})
    assert side.caveat(X86) == caveat


@pytest.mark.parametrize("name", [name for name in ENGINES if name.startswith("lce")])
def test_lce_has_hand_written_kernels_on_64_bit_arm_alone(name: str) -> None:
    assert "portable C++ on x86" in str(ENGINES[name].caveat(X86))
    assert "portable C++" in str(ENGINES[name].caveat("arm-linux-musleabihf"))
    assert ENGINES[name].caveat(ARM64) is None


@pytest.mark.parametrize("protocol", sorted(DECLARED))
def test_of_an_engine_that_a_suite_declares_nothing_is_known(protocol: str) -> None:
    engine = DECLARED[protocol].declared("mine", ("{binary}",), {"x86_64": Path("mine")}, (), frozenset({"tflite"}))
    assert engine.caveat(X86) is None
