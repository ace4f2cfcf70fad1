"""The package as it is installed: what is in wheel and sdist, and what a type checker sees of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import bnnbench as bnn

HERE = Path(__file__).parents[2]
TYPED = HERE / "tests/typing/public_names.py"


def built(kind: str, source: Path, folder: Path) -> Path:
    """A wheel or an sdist, built by the backend itself: nothing is fetched."""
    code = f"import scikit_build_core.build as b, sys; print(b.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], cwd=source, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return folder / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the sdist unpacks to."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built("sdist", HERE, folder)) as archive:
        archive.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir())


@pytest.fixture(scope="module")
def site(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site-packages of an environment with the sdist's wheel in it, beside all that this one has."""
    folder = tmp_path_factory.mktemp("installed")
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True, timeout=60)
    site = next(environment.glob("lib/python*/site-packages"))
    (unpacked / "build/prebuilt").mkdir(parents=True)  # engines: tests/packaging has them
    with zipfile.ZipFile(built("wheel", unpacked, folder)) as wheel:
        wheel.extractall(site)  # noqa: S202 - made here
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return site


def test_the_wheel_is_a_typed_package_that_works(site: Path, tmp_path: Path) -> None:
    assert (site / "bnnbench/py.typed").is_file()
    code = "import bnnbench; print(bnnbench.__file__, bnnbench.__version__, [one.name for one in bnnbench.devices()])"
    python = site.parents[2] / "bin/python"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(str(site / "bnnbench/__init__.py")), done.stderr
    assert "'local'" in done.stdout


def test_the_sdist_holds_the_package_root_and_no_links(unpacked: Path) -> None:
    assert (unpacked / "package/bnnbench/py.typed").is_file()
    assert not (unpacked / "typings").exists()
    assert not [path for path in unpacked.rglob("*") if path.is_symlink()]


@pytest.mark.slow
def test_a_type_checker_sees_every_public_name(site: Path, tmp_path: Path) -> None:
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    python = site.parents[2] / "bin/python"
    checker = [sys.executable, "-m", "mypy", "--strict", "--config-file=mypy.ini", f"--python-executable={python}"]
    done = subprocess.run(
        [*checker, f"--cache-dir={tmp_path}", str(TYPED)],
        cwd=tmp_path,
        env={name: text for name, text in os.environ.items() if name != "MYPYPATH"},
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = TYPED.read_text()
    assert [name for name in bnn.__all__ if not re.search(rf"\b{name}\b", text)] == []
