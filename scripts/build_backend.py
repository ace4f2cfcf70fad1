"""How wheels of bnnbench are built: scikit-build-core, after the engines were built into `build/prebuilt`.

The sdist and a checkout build the same wheel: with the compilers that the extra `build` pins, engines are the same
bytes everywhere. Editable installs carry no engines; they build what they need.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from scikit_build_core.build import (
    build_editable as build_editable,
)
from scikit_build_core.build import (
    build_sdist as build_sdist,
)
from scikit_build_core.build import build_wheel as _build_wheel
from scikit_build_core.build import (
    get_requires_for_build_editable as get_requires_for_build_editable,
)
from scikit_build_core.build import (
    get_requires_for_build_sdist as get_requires_for_build_sdist,
)
from scikit_build_core.build import (
    get_requires_for_build_wheel as _get_requires_for_build_wheel,
)
from scikit_build_core.build import (
    prepare_metadata_for_build_editable as prepare_metadata_for_build_editable,
)
from scikit_build_core.build import (
    prepare_metadata_for_build_wheel as prepare_metadata_for_build_wheel,
)

ROOT = Path(__file__).resolve().parent.parent
PREBUILT = ROOT / "build" / "prebuilt"
"""pyproject.toml puts it into the wheel."""
IMPORTED = ("filelock", "msgspec", "numpy", "platformdirs")
"""What `bnnbench.kernels.prebuild` imports beside the compilers."""

DATED = "315619200"
"""The date of every file of a wheel, 1980-01-02, unless SOURCE_DATE_EPOCH says otherwise: the same bytes every time."""

Settings = dict[str, "list[str] | str"] | None


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    imported = [line for line in project["dependencies"] if line.startswith(IMPORTED)]
    return [*_get_requires_for_build_wheel(config_settings), *project["optional-dependencies"]["build"], *imported]


def build_wheel(wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None) -> str:
    os.environ.setdefault("SOURCE_DATE_EPOCH", DATED)
    shutil.rmtree(PREBUILT, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        # What the compilers import, and nothing that is installed: the version of the metadata, the code from here.
        prepare_metadata_for_build_wheel(folder, config_settings)
        package = Path(folder) / "bnnbench"
        package.mkdir()
        (package / "kernels").symlink_to(ROOT / "kernels")
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-m", "bnnbench.kernels.prebuild", str(PREBUILT)]
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return str(_build_wheel(wheel_directory, config_settings, metadata_directory))
