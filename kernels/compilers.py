"""The compilers that engines are built with: which versions, and how zig is called."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .cache import private_folder
from .errors import BuildError


@dataclass(frozen=True, slots=True)
class Compilers:
    """Their versions, which are part of what identifies a build."""

    zig: str
    numba: str
    llvmlite: str


def installed() -> Compilers | None:
    """None where nothing can be built, because zig is missing."""
    found = _version("ziglang")
    return None if found is None else Compilers(found, _version("numba") or "", _version("llvmlite") or "")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def run_zig(scratch: Path, triple: str, arguments: list[str], language: str = "c++") -> None:
    """Calls the compiler in a folder. Raises BuildError with its last lines."""
    zig_cache = private_folder("zig")
    environment = dict(os.environ)
    environment["ZIG_GLOBAL_CACHE_DIR"] = str(zig_cache)
    environment["ZIG_LOCAL_CACHE_DIR"] = str(zig_cache / "local")
    run([sys.executable, "-m", "ziglang", language, "-target", triple, *arguments], scratch, environment)


def run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Runs a compiler in a folder. Raises BuildError with its last lines."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:])
        raise BuildError(f"a compiler failed ({' '.join(command[1:4])} …): {last}")
