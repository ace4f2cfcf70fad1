"""Debian packages of any suite and architecture, fetched into a cache by an apt of our own: no root is needed, and the
machine's own apt is not touched.

Where packages come from is read from the machine's own apt sources.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

_TIMEOUT_S = 600
Ask = Callable[[str, str], str]
"""A question to apt-cache, such as ("depends", NAME), and what it said."""


class Unavailable(Exception):  # noqa: N818 - names a state
    """The packages cannot be had here; the sentence is a test's reason for being skipped."""


def fetch(
    folder: Path,
    architecture: str,
    suites: Sequence[str],
    wanted: Callable[[Ask], Sequence[str]],
    only: Sequence[str] = (),
) -> Path:
    """The folder that the packages are unpacked in, `<folder>/root`. Fetched once, also by several processes at once.

    `wanted` says which, as `apt-get download` takes them; `only` some of their files, all when empty. Raises
    Unavailable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / "root"
    with FileLock(folder / ".lock"):
        if (folder / "complete").exists():
            return unpacked
        debs = folder / "debs"
        debs.mkdir(exist_ok=True)
        environment = {**os.environ, "APT_CONFIG": str(_private_apt(folder, architecture, suites)), "LC_ALL": "C"}

        def run(*argv: str) -> str:
            return _run(argv, debs, environment)

        run("apt-get", "-qq", "update")
        run("apt-get", "-qq", "download", *wanted(lambda verb, name: run("apt-cache", verb, name)))
        for deb in sorted(debs.glob("*.deb")):
            if only:
                _extract(deb, only, unpacked)
            else:
                run("dpkg-deb", "-x", str(deb), str(unpacked))
            deb.unlink()
        (folder / "complete").touch()
    return unpacked


def _private_apt(folder: Path, architecture: str, suites: Sequence[str]) -> Path:
    """A configuration whose state, cache and sources are in `folder`."""
    for name in (
        "state/lists/partial", "cache/archives/partial", "etc/apt.conf.d", "etc/sources.list.d", "etc/preferences.d"
    ):  # fmt: skip
        (folder / "apt" / name).mkdir(parents=True, exist_ok=True)
    (folder / "apt/state/status").touch()
    uri, keyring = _archive()
    lines = [f"deb [arch={architecture} signed-by={keyring}] {uri} {suite} main\n" for suite in suites]
    (folder / "apt/etc/sources.list").write_text("".join(lines))
    config = folder / "apt/apt.conf"
    config.write_text(
        f'APT::Architecture "{architecture}"; APT::Architectures {{ "{architecture}"; }};\n'
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


def _extract(deb: Path, names: Sequence[str], folder: Path) -> None:
    """Files of a package by their paths, such as `usr/bin/qemu-aarch64`."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as archive:
        assert archive.stdout is not None
        with tarfile.open(fileobj=archive.stdout, mode="r|") as members:
            for member in members:
                if member.name.removeprefix("./") in names:
                    members.extract(member, folder, filter="data")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise Unavailable(f"{deb.name} has no {', '.join(missing)}")


def _run(argv: Sequence[str], folder: Path, environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{argv[0]} could not be run: {error}") from None
    if done.returncode != 0:
        raise Unavailable(f"{' '.join(argv[:3])} failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return done.stdout
