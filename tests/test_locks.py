"""What is installed is listed with its hashes, in lists that fit what is asked for and name no place to get it from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bnnbench.kernels.engines.installation import RUNTIMES

ROOT = Path(__file__).parents[1]
LISTS = [*sorted((ROOT / "requirements").glob("*.txt")), *(runtime.lock for runtime in RUNTIMES.values())]


def locked(path: Path) -> dict[str, list[str]]:
    """Name -> versions, several where markers tell them apart."""
    found: dict[str, list[str]] = {}
    for entry in path.read_text().replace("\\\n", " ").splitlines():
        requirement, *hashes = entry.split("--hash=sha256:")
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==([^ ;]+)( ;.*)?", requirement.strip())
        assert match, entry[:80]
        assert hashes, f"{match[1]} has no hash"
        assert all(re.fullmatch(r"[0-9a-f]{64}", one.strip()) for one in hashes)
        found.setdefault(canonicalize_name(match[1]), []).append(match[2])
    return found


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.stem)
def test_every_package_has_its_version_and_hashes_and_no_address(path: Path) -> None:
    assert locked(path)
    assert "://" not in path.read_text()
    assert "index-url" not in path.read_text()


def test_the_tools_fit_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [
        *project["project"]["dependencies"],
        *extras["build"],
        *extras["dev"],
        *project["build-system"]["requires"],
    ]
    versions = locked(ROOT / "requirements/dev.txt")
    for requirement in map(Requirement, wanted):
        there = versions[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version in there), f"{requirement}: make lock"


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_runtimes_fit_their_pins(name: str) -> None:
    versions = locked(RUNTIMES[name].lock)
    for package in RUNTIMES[name].packages:
        wanted, _, version = package.partition("==")
        assert versions[canonicalize_name(wanted)] == [version], "make lock"
