"""The wheel that `make wheel` made: what is in it, and that it measures where there is no compiler and no network."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bnnbench.kernels.prebuilt import Manifest
from bnnbench.kernels.sources import RECIPES, levels_for
from bnnbench.kernels.targets import DEFAULT_TRIPLES
from bnnbench.kernels.toolchain import LAYOUTS, build, build_native

pytestmark = pytest.mark.wheel

HERE = Path(__file__).parents[2]
PREBUILT = "bnnbench/kernels/prebuilt/"
MOST_BYTES, MOST_ENGINE_BYTES = 15_000_000, 4_000_000
INSTALL_S, RUN_S = 300, 600


@pytest.fixture(scope="module")
def wheel() -> Path:
    found = sorted((HERE / "dist").glob("*.whl"))
    assert len(found) == 1, "make wheel first: it makes dist/"
    return found[0]


@pytest.fixture(scope="module")
def archive(wheel: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel)


@pytest.fixture(scope="module")
def manifest(archive: zipfile.ZipFile) -> Manifest:
    import msgspec

    return msgspec.json.decode(archive.read(f"{PREBUILT}manifest.json"), type=Manifest)


def test_it_is_for_every_platform_and_small(wheel: Path, archive: zipfile.ZipFile) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    assert wheel.stat().st_size < MOST_BYTES
    assert sum(one.compress_size for one in archive.infolist() if PREBUILT in one.filename) < MOST_ENGINE_BYTES


def test_it_holds_every_file_of_the_packages_and_nothing_else(archive: zipfile.ZipFile) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "harness", "devices", "kernels", "results", "package/bnnbench"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    sources = {"bnnbench/" + name.removeprefix("package/bnnbench/") for name in listed if name}
    held = {name for name in archive.namelist() if ".dist-info/" not in name and not name.startswith(PREBUILT)}
    assert held == sources


def test_every_engine_is_the_one_that_is_built_here(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    held = {key: file.sha256 for key, file in manifest.files.items()}
    for engine in RECIPES:
        for triple in DEFAULT_TRIPLES:
            for isa in levels_for(engine, triple):
                here = build(engine, triple, isa)
                assert held[here.build] == here.sha256, (engine, triple, isa)
    for triple in DEFAULT_TRIPLES:
        here = build_native(triple, layout=LAYOUTS)
        assert held[here.build] == here.sha256
    assert {f"{PREBUILT}{file.file}" for file in manifest.files.values()} | {f"{PREBUILT}manifest.json"} == {
        name for name in archive.namelist() if name.startswith(PREBUILT)
    }
    for file in manifest.files.values():
        content = archive.read(PREBUILT + file.file)
        assert hashlib.sha256(content).hexdigest() == file.sha256, file.file
        assert str(Path.home()).encode() not in content


def test_the_bill_of_materials_lists_what_it_carries(wheel: Path, manifest: Manifest) -> None:
    bill = json.loads(wheel.with_suffix(".cdx.json").read_text())
    listed = {one["name"]: one for one in bill["components"]}
    for file in manifest.files.values():
        assert listed[PREBUILT + file.file]["hashes"] == [{"alg": "SHA-256", "content": file.sha256}]
    whole = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": whole}]
    assert {"musl", "numpy", "paramiko"} <= set(listed)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, sys.executable, tmp_path_factory.mktemp("installed"))


def install(wheel: Path, base: str, folder: Path) -> Path:
    """The program of an environment with the wheel alone: its packages come from a folder, without any index."""
    python = folder / "environment/bin/python"
    subprocess.run([base, "-m", "venv", folder / "environment"], check=True, timeout=INSTALL_S)
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    packages = folder / "packages"
    subprocess.run([*pip, "download", "--dest", packages, wheel], check=True, timeout=INSTALL_S)
    command = [*pip, "install", "--no-index", "--find-links", packages, wheel]
    subprocess.run(without_network(command), check=True, timeout=INSTALL_S)
    listed = subprocess.run([*pip, "list"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert "ziglang" not in listed
    return python.with_name("bnnbench")


SSH_CONFIG = Path("/etc/ssh/ssh_config")


def without_network(command: list[str | Path], ssh_config: Path | None = None) -> list[str]:
    """The command in an empty network namespace, where only loopback is there; `ssh_config` is the system's there."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are not installed")
    bind = f"mount --bind {shlex.quote(str(ssh_config))} {SSH_CONFIG} && " if ssh_config else ""
    script = f'ip link set lo up && {bind}exec "$@"'
    # Nobody becomes root who was not: an sshd of root drops its groups, which a user's namespace does not permit.
    user = [] if os.getuid() == 0 else ["--map-current-user", "--keep-caps"]
    return ["unshare", *user, "--net", "--mount", "sh", "-c", script, "sh", *map(str, command)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("device", ["local", "ssh", "qemu://cortex-a72"])
def test_it_measures_without_a_compiler_and_without_a_network(installed: Path, device: str, tmp_path: Path) -> None:
    assert_it_measures(installed, device, tmp_path)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_it_measures_with_every_python_that_is_here(wheel: Path, version: str, tmp_path: Path) -> None:
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("another Python than that of the tests above is meant")
    python = shutil.which(f"python{version}")
    # A version manager's stand-in may be on PATH without anything behind it.
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False, timeout=60).returncode:
        pytest.skip(f"another Python is not here: no python{version} on PATH starts")
    assert_it_measures(install(wheel, python, tmp_path), "local", tmp_path)


def assert_it_measures(installed: Path, device: str, tmp_path: Path) -> None:
    script = Path(__file__).with_name("in_an_empty_network.py")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BNNBENCH_", "PYTHON"))}
    environment |= {"HOME": str(tmp_path), "BNNBENCH_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        without_network([sys.executable, script, installed, device, tmp_path]),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "building" not in done.stderr
    run = json.loads(done.stdout)
    assert run["outcome"] == "complete"
    # ok: its output was what it must be, and it was measured.
    assert {case["engine"]: case["status"] for case in run["cases"]}["native"] == "ok"


@pytest.mark.timeout(900)
def test_a_newcomer_follows_the_readme(installed: Path, tmp_path: Path) -> None:
    """From the installed wheel to a chart of two models of one's own, measured on an SSH device."""
    config = tmp_path / "ssh_config"
    config.write_text("")
    if not SSH_CONFIG.exists():
        pytest.skip("openssh-client is not installed")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BNNBENCH_", "PYTHON"))}
    environment |= {"HOME": str(tmp_path), "BNNBENCH_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(HERE)}
    done = subprocess.run(
        without_network([sys.executable, Path(__file__).with_name("newcomer.py"), installed, tmp_path, config], config),
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "pareto.pdf" in done.stdout.splitlines()[-1].split()
