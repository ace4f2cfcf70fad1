"""A triple is a row of the kernels and a row of the devices, which know nothing of each other: the two agree."""

from __future__ import annotations

from bnnbench.devices.platforms import ABIS, BY_TRIPLE, EMULATED, PLATFORMS, WIDER
from bnnbench.harness.suite.own_engine import _ARCHITECTURES
from bnnbench.kernels.targets import ISA_LEVELS, TRIPLES


def test_both_tables_have_the_same_triples() -> None:
    assert {name: row.architecture for name, row in TRIPLES.items()} == {
        name: row.architecture for name, row in BY_TRIPLE.items()
    }
    assert {level.triple for level in ISA_LEVELS} == set(TRIPLES)
    assert set(_ARCHITECTURES) == {row.architecture for row in TRIPLES.values()}


def test_platforms_are_told_apart() -> None:
    for column in ("architecture", "elf_machine"):
        assert len({getattr(row, column) for row in PLATFORMS}) == len(PLATFORMS)
    words = [word for row in PLATFORMS for word in row.uname]
    assert len(set(words)) == len(words)
    assert {row.narrow for row in PLATFORMS if row.narrow} <= {row.architecture for row in PLATFORMS}
    assert all(wide.bits == 64 for wide in WIDER.values())


def test_what_an_inventory_can_ask_for() -> None:
    assert ABIS == ("aarch64", "arm")
    assert EMULATED == ("aarch64", "arm")
    assert set(ABIS) | set(EMULATED) <= {row.architecture for row in TRIPLES.values()}


def test_emulated_features_are_those_that_levels_ask_for() -> None:
    for row in PLATFORMS:
        asked = {feature for level in ISA_LEVELS if level.triple == row.triple for feature in level.features}
        assert set(row.features_of) <= asked
