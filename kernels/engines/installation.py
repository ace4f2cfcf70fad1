"""Runtimes of others in virtual environments of their own, for `bnnbench engines install`."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..cache import cache_folder, private_folder, require_private
from ..errors import BuildError

_INSTALL_S = 1800
_CHECK_S = 60
_DRIVER = Path(__file__).parent / "drivers" / "tflite_driver.py"
_LOCKS = Path(__file__).parent / "locks"
_UNREACHABLE = (
    *("NewConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ProxyError", "NameResolutionError"),
    *("Max retries exceeded", "Temporary failure in name resolution", "Connection refused", "Network is unreachable"),
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """What goes into the environment, pinned: the first package is the runtime, the others what it needs. All that
    these need is in `lock`, each with the hashes of its files (`make lock` renews it).

    `pythons`: versions that there are wheels for, best first; `machines` likewise, of Linux with glibc.
    """

    name: str
    packages: tuple[str, ...]
    pythons: tuple[str, ...]
    machines: tuple[str, ...]
    size: str
    otherwise: str
    """What to do on a machine without wheels."""
    check: tuple[str, ...] = ()
    """Arguments of its Python that show that it works; default: the driver starts."""

    @property
    def lock(self) -> Path:
        """A requirements file for pip."""
        return _LOCKS / f"{self.name}.txt"


RUNTIMES = {
    runtime.name: runtime
    for runtime in (
        Runtime(
            "lce",
            ("larq-compute-engine==0.16.0", "numpy==1.26.4", "flatbuffers==25.12.19", "tqdm==4.70.1"),
            pythons=("3.11", "3.12", "3.10"),
            machines=("x86_64",),
            size="100 MB",
            otherwise='measure it with lce_benchmark_model, as an [engine.NAME] with protocol = "none"',
        ),
        Runtime(
            "litert",
            (
                *("ai-edge-litert==2.3.0", "numpy==2.4.6", "flatbuffers==25.12.19", "protobuf==7.36.2"),
                *("ml_dtypes==0.6.0", "backports.strenum==1.2.8", "tqdm==4.70.1", "typing_extensions==4.16.0"),
            ),
            pythons=("3.12", "3.11", "3.13"),
            machines=("x86_64", "aarch64"),
            size="50 MB",
            otherwise='measure it with benchmark_model, as an [engine.NAME] with protocol = "none"',
        ),
        Runtime(
            "onnxruntime",
            ("onnxruntime==1.32.0", "numpy==2.4.6", "flatbuffers==25.12.19", "packaging==26.4", "protobuf==7.36.2"),
            pythons=("3.12", "3.11", "3.13"),
            machines=("x86_64", "aarch64"),
            size="40 MB",
            otherwise="measure it as an [engine.NAME] of your own",
        ),
        # No engine: what models are trained and converted with, see examples/fashion_mnist.
        Runtime(
            "larq",
            (
                *("larq==0.14.0", "larq-compute-engine==0.16.0", "tensorflow==2.15.1", "keras==2.15.0"),
                *("numpy==1.26.4", "protobuf==3.20.3", "flatbuffers==25.12.19", "setuptools==80.9.0"),
            ),
            pythons=("3.11", "3.10"),
            machines=("x86_64",),
            size="600 MB",
            otherwise="train on another machine; the models that it makes are the same",
            check=("-c", "import larq, larq_compute_engine"),
        ),
    )
}


def folder_of(runtime: Runtime) -> Path:
    """Where its environment is, or would be: another one for other versions of anything in it."""
    digest = hashlib.sha256("\n".join(runtime.packages).encode() + runtime.lock.read_bytes()).hexdigest()
    return cache_folder().absolute() / "runtimes" / f"{runtime.packages[0].replace('==', '-')}-{digest[:8]}"


def installed(name: str) -> Path | None:
    """The environment's Python; None when it is not there, or not whole.

    Raises BuildError when somebody else could have changed it.
    """
    folder = folder_of(RUNTIMES[name])
    python = folder / "bin/python"
    if not ((folder / "ready").exists() and python.exists()):
        return None
    require_private(folder / "ready")
    require_private(python.parent)  # the Python itself may be another's, as this one may
    return python


def install(name: str, tell: Callable[[str], None]) -> Path:
    """Makes the environment, unless it is there, and returns its Python. One at a time, others wait.

    What was cut off is made again. Raises BuildError.
    """
    from filelock import FileLock

    runtime = RUNTIMES[name]
    if (ready := installed(name)) is not None:
        return ready
    _check_machine(runtime)
    folder = folder_of(runtime)
    try:
        private_folder("runtimes")
        with FileLock(folder.parent / ".lock"):
            if (ready := installed(name)) is not None:
                return ready
            shutil.rmtree(folder, ignore_errors=True)
            _make(runtime, folder, tell)
    except OSError as error:
        raise BuildError(f"engine '{name}' cannot be installed in {folder}: {error.strerror or error}.") from error
    return folder / "bin/python"


def _make(runtime: Runtime, folder: Path, tell: Callable[[str], None]) -> None:
    python = _find_python(runtime)
    tell(f"making an environment of {python} in {folder}")
    # At its final place, for an environment holds its own path: `ready` is what makes it whole.
    _run([python, "-m", "venv", str(folder)], "make a virtual environment")
    tell(f"installing {runtime.packages[0].replace('==', ' ')} (about {runtime.size} to download)")
    own = str(folder / "bin/python")
    pip = [own, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:"]
    locked = ["--no-deps", "--require-hashes", "-r", str(runtime.lock)]
    _run([*pip, *locked], f"install {runtime.packages[0]}")
    check = runtime.check or ("-I", str(_DRIVER), "--runtime", runtime.name)
    _run([own, *check], f"start {runtime.packages[0]}", _CHECK_S)
    (folder / "ready").write_text("\n".join(runtime.packages) + "\n")


def _check_machine(runtime: Runtime) -> None:
    machine, libc = platform.machine(), platform.libc_ver()[0]
    if sys.platform == "linux" and machine in runtime.machines and libc == "glibc":
        return
    here = f"{machine} {platform.system()}" + ("" if libc == "glibc" or sys.platform != "linux" else " without glibc")
    raise BuildError(
        f"engine '{runtime.name}' is published for {' and '.join(runtime.machines)} Linux with glibc, "
        f"and this is {here}; {runtime.otherwise}."
    )


def _find_python(runtime: Runtime) -> str:
    """This Python when it will do, else one on PATH that really starts (a version manager's stand-in may not)."""
    if f"{sys.version_info.major}.{sys.version_info.minor}" in runtime.pythons:
        return sys.executable
    for version in runtime.pythons:
        found = shutil.which(f"python{version}")
        if found and _says([found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]) == version:
            return found
    raise BuildError(
        f"engine '{runtime.name}' needs Python {' or '.join(runtime.pythons)}, and none is on PATH; "
        f"install python{runtime.pythons[0]} with its venv module."
    )


def _says(command: list[str]) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_CHECK_S, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _run(command: list[str], what: str, limit_s: int = _INSTALL_S) -> None:
    # What the user's own Python is made to look at is none of this one's business.
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"it took over {limit_s // 60} minutes to {what}; try again with a faster network.") from None
    if done.returncode:
        raise BuildError(f"could not {what}: {_reason(done.stdout + done.stderr)}")


def _reason(output: str) -> str:
    """The cause in what venv or pip print, with what to do."""
    if "No space left on device" in output:
        return "the disk is full; free some space, or set BNNBENCH_CACHE to a folder on another one."
    if "ensurepip is not" in output:
        return "this Python is without ensurepip; install its venv module (python3-venv on Debian)."
    if any(sign in output for sign in _UNREACHABLE):
        return "the package index cannot be reached; check the network, and do it again."
    lines = [line.strip() for line in output.splitlines() if line.strip() and not line.startswith("WARNING")]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["it does not say why"])[-1]
