"""QEMU with SME2 and with all of RISC-V's vectors, which Debian 12 does not have: that of a later release's backports,
unpacked into the cache.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from bnnbench.kernels.cache import cache_folder
from tests.debian_packages import Unavailable, fetch

SUITE = "trixie-backports"
PROGRAMS = {one: f"usr/bin/qemu-{one}" for one in ("aarch64", "riscv64")}
VECTOR_BITS = (128, 256, 512)
_LENGTHS = (128, 256, 512, 1024, 2048)
_DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}


def sme_emulator(bits: int = VECTOR_BITS[-1]) -> list[str]:
    """Command prefix of a CPU whose vectors have up to so many bits in streaming mode, and where NEON's instructions
    trap in it as on hardware (no FA64). Skips the test where it cannot be had."""
    lengths = ",".join(f"sme{one}={'on' if one <= bits else 'off'}" for one in _LENGTHS)
    return [str(qemu("aarch64")), "-cpu", f"max,{lengths},sme_fa64=off"]


def riscv_emulator(bits: int = 0) -> list[str]:
    """Command prefix of a RISC-V CPU whose vectors have so many bits; 0: it has none. Skips the test where it cannot be
    had."""
    return [str(qemu("riscv64")), "-cpu", f"rv64,v=true,vext_spec=v1.0,vlen={bits}" if bits else "rv64,v=false"]


def qemu(architecture: str) -> Path:
    """The program for an architecture. Skips the test where it cannot be had."""
    try:
        folder = cache_folder() / "emulators" / SUITE
        here = _DEBIAN.get(platform.machine(), platform.machine())
        root = fetch(folder, here, (SUITE,), lambda ask: ["qemu-user"], tuple(PROGRAMS.values()))
    except Unavailable as error:
        pytest.skip(f"QEMU with SME2 cannot be fetched: {error}")
    return root / PROGRAMS[architecture]
