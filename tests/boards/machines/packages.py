"""Debian packages for arm64, fetched into a cache by an apt of our own: no root is needed, and the machine's
own apt is not touched.

Where packages come from is read from the machine's own apt sources.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

PACKAGES = (
    "busybox-static", "dropbear-bin", "openssh-sftp-server", "toybox", "mksh", "libtomcrypt1", "libtommath1",
    "libcrypt1", "libc6", "zlib1g", "libgmp10", "libselinux1", "libpcre2-8-0", "libssl3", "libprotobuf32",
    "libbrotli1", "liblz4-1", "libzstd1", "libstdc++6", "libgcc-s1", "libsystemd0", "libcap2", "libgcrypt20",
    "libgpg-error0", "liblzma5",
)  # fmt: skip
BACKPORTS = ("adbd", "android-libbase", "android-libboringssl", "android-libcutils", "android-liblog")
RELEASE = "bookworm"
_TIMEOUT_S = 600


class Unavailable(Exception):  # noqa: N818 - names a state
    """The packages cannot be had here; the sentence is a test's reason for being skipped."""


def fetch(folder: Path) -> Path:
    """The packages' folder, unpacked ones in `<folder>/root`. Fetched once. Raises Unavailable."""
    unpacked = folder / "root"
    if (folder / "complete").exists():
        return unpacked
    debs = folder / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "APT_CONFIG": str(private_apt(folder)), "LC_ALL": "C"}
    run_apt(["apt-get", "-qq", "update"], debs, environment)
    told = run_apt(["apt-cache", "depends", "linux-image-arm64"], debs, environment)
    kernel = re.search(r"Depends: (linux-image-\d\S+)", told)
    if kernel is None:
        raise Unavailable("the Debian archive has no arm64 kernel")
    wanted = [kernel[1], *PACKAGES, *(f"{name}/{RELEASE}-backports" for name in BACKPORTS)]
    run_apt(["apt-get", "-qq", "download", *wanted], debs, environment)
    for deb in sorted(debs.glob("*.deb")):
        run_apt(["dpkg-deb", "-x", str(deb), str(unpacked)], debs, environment)
        deb.unlink()
    (folder / "complete").touch()
    return unpacked


def private_apt(folder: Path) -> Path:
    """A configuration for arm64 whose state, cache and sources are in `folder`."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/preferences.d"):
        (folder / "apt" / name).mkdir(parents=True, exist_ok=True)
    (folder / "apt/state/status").touch()
    uri, keyring = _archive()
    suites = (RELEASE, f"{RELEASE}-updates", f"{RELEASE}-backports")
    lines = [f"deb [arch=arm64 signed-by={keyring}] {uri} {suite} main\n" for suite in suites]
    (folder / "apt/etc/sources.list").write_text("".join(lines))
    config = folder / "apt/apt.conf"
    config.write_text(
        f'APT::Architecture "arm64"; APT::Architectures {{ "arm64"; }};\n'
        f'Dir::State "{folder}/apt/state"; Dir::State::status "{folder}/apt/state/status";\n'
        f'Dir::Cache "{folder}/apt/cache"; Dir::Etc "{folder}/apt/etc";\n'
        + ('APT::Sandbox::User "root";\n' if os.getuid() == 0 else "")
    )
    return config


def _archive() -> tuple[str, str]:
    """URI and keyring of the Debian archive that this machine itself uses."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    if not Path(keyring).is_file():
        raise Unavailable("this machine is no Debian: its archive's keys are missing")
    etc = Path("/etc/apt")
    for file in (etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))):
        text = file.read_text() if file.is_file() else ""
        for uri in re.findall(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(\S+/debian)/?(?:\s|$)", text, re.MULTILINE):
            return uri, keyring
    raise Unavailable("no Debian archive is among this machine's apt sources")


def run_apt(argv: list[str], folder: Path, environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]} could not be run: {error}") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(argv[:3])} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout
