"""Runtimes of others in virtual environments of their own, for `bnnbench engines install`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import BuildError
from ..toolchain import cache_folder

_INSTALL_S = 1800


@dataclass(frozen=True, slots=True)
class Runtime:
    """What goes into the environment. `pythons`: versions that there are wheels for, best first."""

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]
    size: str


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime("lce", ("larq-compute-engine==0.16.0", "numpy<2", "flatbuffers", "tqdm"), ("3.11", "3.10"), "100 MB"),
        Runtime("litert", ("ai-edge-litert==2.3.0", "numpy"), ("3.12", "3.11", "3.13", "3.10"), "150 MB"),
    )
}


def folder_of(runtime: Runtime) -> Path:
    """Where its environment is, or would be: another one for other versions."""
    pins = "-".join(package.replace("==", "-") for package in runtime.packages if "==" in package)
    return cache_folder() / "runtimes" / pins


def installed(name: str) -> Path | None:
    """The environment's Python; None when it is not there, or not whole."""
    folder = folder_of(RUNTIMES[name])
    return folder / "bin/python" if (folder / "ready").exists() else None


def install(name: str, tell: Callable[[str], None]) -> Path:
    """Makes the environment, unless it is there, and returns its Python. Raises BuildError."""
    runtime = RUNTIMES[name]
    ready = installed(name)
    if ready is not None:
        return ready
    folder = folder_of(runtime)
    python = _python(runtime)
    tell(f"installing {', '.join(runtime.packages)} into {folder} (about {runtime.size} to download)")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            shutil.rmtree(folder)  # what was cut off
        # At its final place: an environment holds its own path. Ready only when `ready` is there.
        _run([python, "-m", "venv", str(folder)], "make a virtual environment")
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *runtime.packages], f"install {runtime.packages[0]}")
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(" ".join(runtime.packages).encode())
        Path(file.name).rename(folder / "ready")
    except OSError as error:
        raise BuildError(f"engine '{name}' cannot be installed in {folder}: {error.strerror or error}.") from error
    return folder / "bin/python"


def _python(runtime: Runtime) -> str:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if own in runtime.pythons:
        return sys.executable
    for version in runtime.pythons:
        found = shutil.which(f"python{version}")
        if found:
            return found
    versions = " or ".join(runtime.pythons)
    raise BuildError(
        f"engine '{runtime.name}' needs Python {versions}, and none is on PATH; install python{versions[:4]}."
    )


def _run(command: list[str], what: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=False, env=environment)
    except subprocess.TimeoutExpired:
        raise BuildError(
            f"it took over {_INSTALL_S // 60} minutes to {what}; try again with a faster network."
        ) from None
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).strip().splitlines() if not line.startswith("WARNING")]
        raise BuildError(f"could not {what}: {said[-1].removeprefix('ERROR: ') if said else 'pip says nothing'}")
