"""The Debian packages that the emulated boards are made of."""

from __future__ import annotations

import re
from pathlib import Path

from tests.debian_packages import Ask, Unavailable
from tests.debian_packages import fetch as fetch_packages

PACKAGES = (
    "busybox-static", "dropbear-bin", "openssh-sftp-server", "toybox", "mksh", "libtomcrypt1", "libtommath1",
    "libcrypt1", "libc6", "zlib1g", "libgmp10", "libselinux1", "libpcre2-8-0", "libssl3", "libprotobuf32",
    "libbrotli1", "liblz4-1", "libzstd1", "libstdc++6", "libgcc-s1", "libsystemd0", "libcap2", "libgcrypt20",
    "libgpg-error0", "liblzma5",
)  # fmt: skip
BACKPORTS = ("adbd", "android-libbase", "android-libboringssl", "android-libcutils", "android-liblog")
RELEASE = "bookworm"


def fetch(folder: Path) -> Path:
    """The packages' folder, unpacked ones in `<folder>/root`. Fetched once. Raises Unavailable."""
    suites = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-backports")
    return fetch_packages(folder, "arm64", suites, _wanted)


def _wanted(ask: Ask) -> list[str]:
    kernel = re.search(r"Depends: (linux-image-\d\S+)", ask("depends", "linux-image-arm64"))
    if kernel is None:
        raise Unavailable("the Debian archive has no arm64 kernel")
    return [kernel[1], *PACKAGES, *(f"{name}/{RELEASE}-backports" for name in BACKPORTS)]
