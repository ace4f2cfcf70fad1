"""QEMU with SME2, which Debian 12 does not have: that of a later release's backports, unpacked into the cache."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from bnnbench.kernels.cache import cache_folder
from tests.debian_packages import Unavailable, fetch

SUITE = "trixie-backports"
PROGRAM = "usr/bin/qemu-aarch64"
VECTOR_BITS = (128, 256, 512)
_LENGTHS = (128, 256, 512, 1024, 2048)
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


def sme_emulator(bits: int = VECTOR_BITS[-1]) -> list[str]:
    """Command prefix of a CPU whose vectors have up to so many bits in streaming mode, and where NEON's instructions
    trap in it as on hardware (no FA64). Skips the test where it cannot be had."""
    lengths = ",".join(f"sme{one}={'on' if one <= bits else 'off'}" for one in _LENGTHS)
    return [str(qemu()), "-cpu", f"max,{lengths},sme_fa64=off"]


def qemu() -> Path:
    """The program. Skips the test where it cannot be had."""
    try:
        folder = cache_folder() / "emulators" / SUITE
        architecture = _DEBIAN.get(platform.machine(), platform.machine())
        return fetch(folder, architecture, (SUITE,), lambda ask: ["qemu-user"], (PROGRAM,)) / PROGRAM
    except Unavailable as error:
        pytest.skip(f"QEMU with SME2 cannot be fetched: {error}")
