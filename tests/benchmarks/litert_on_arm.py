"""Instructions that LiteRT takes for an inference on 64-bit Arm, counted in QEMU: Debian's Python for arm64 with the
aarch64 wheels, fetched once.

LiteRT chooses its kernels by /proc/cpuinfo and crashes without an Arm one: a mount namespace binds one, for which root
is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from bnnbench.kernels.cache import cache_folder
from bnnbench.kernels.instruction_counter import build_counter, instructions_per_iteration
from tests.debian_packages import Unavailable, fetch
from tests.kernels.engine_process import HOST

DEBIAN = (
    "libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libexpat1", "libffi8", "libpython3.11-minimal",
    "libpython3.11-stdlib", "python3.11-minimal",
)  # fmt: skip
WHEELS = ("ai-edge-litert==2.3.0", "numpy==2.4.6", "flatbuffers==25.12.19", "tqdm", "typing_extensions")
PARTS = {"cortex-a72": ("0xd08", ""), "cortex-a76": ("0xd0b", " atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp")}
"""Of QEMU's CPUs: the number that Arm gave them, and what they have beyond Armv8.0."""
_SCRIPT = Path(__file__).with_name("litert_inferences.py")
_TIMEOUT_S = 900


def prepare() -> tuple[Path, Path]:
    """Folders of Debian's files and of the Python packages. Raises Unavailable."""
    if os.getuid() != 0 or not all(map(shutil.which, ("unshare", "mount", "qemu-aarch64"))):
        raise Unavailable("it takes root, unshare, mount and qemu-aarch64 (Debian: qemu-user)")
    folder = cache_folder() / "litert-aarch64"
    root = fetch(folder, "arm64", ("bookworm", "bookworm-updates"), lambda _: DEBIAN)
    site = folder / "site"
    with FileLock(folder / ".lock"):
        if not site.exists():
            _install(folder / "unpacked")
            (folder / "unpacked").rename(site)
    return root, site


def _install(site: Path) -> None:
    platforms = [f"--platform=manylinux_2_{minor}_aarch64" for minor in (17, 27, 28)]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", *platforms]
    done = subprocess.run(
        [*pip, "--python-version=3.11", "--upgrade", "--target", str(site), *WHEELS],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise Unavailable(f"pip could not fetch LiteRT for aarch64: {(done.stderr.strip().splitlines() or ['?'])[-1]}")


def instructions(model: Path, cpu: str, folder: Path) -> float:
    """Of one inference of a `.tflite` file by one thread; `folder` is for files. Raises Unavailable."""
    root, site = prepare()
    part, features = PARTS[cpu]
    (folder / "cpuinfo").write_text(
        f"processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid{features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x0\nCPU part\t: {part}\nCPU revision\t: 3\n"
    )
    plugin = f"file={build_counter(HOST, 1)},out={folder / 'litert-blocks'}"
    python = [str(root / "usr/bin/python3.11"), "-S", str(_SCRIPT), str(site), str(model)]
    emulator = ["qemu-aarch64", "-cpu", cpu, "-plugin", plugin, "-L", str(root)]
    inside = f'mount --bind {folder / "cpuinfo"} /proc/cpuinfo && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", inside, "sh", *emulator, *python],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = instructions_per_iteration((folder / "litert-blocks").read_text(), 1)
    assert found is not None
    return found
