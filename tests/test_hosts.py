"""macOS and Windows as hosts: what is imported and called there, by a stand-in (`foreign_host.py`) and by typeshed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDIN = ROOT / "tests/foreign_host.py"
REFUSED = {
    "macos": "no engine can be built for this host (Darwin arm64): engines run on Linux and Android; measure a device "
    "over SSH or adb: bnnbench devices add NAME ADDRESS.",
    "windows": "no engine can be built for this host (Windows AMD64): engines run on Linux and Android; measure a "
    "device over SSH: bnnbench devices add NAME ssh://USER@HOST, or work in WSL.",
}
STARTS_PROGRAMS = {f"typings/bnnbench/devices/transport/{name}.py" for name in ("bounded", "local", "ssh_proxy")}
"""For local, qemu and adb devices and a ProxyCommand, all of which are refused on Windows before these are used."""


@pytest.mark.parametrize("system", REFUSED)
def test_all_is_imported_stores_are_read_and_written_and_this_machine_is_refused(system: str, tmp_path: Path) -> None:
    run = "20261129-064700-80c7c7"
    shutil.copytree(ROOT / "tests/docs/frozen/0.1.0", tmp_path / "runs" / run)
    statuses = {
        f"export {run} --format pytest-benchmark -o theirs.json": 0,
        "import theirs.json": 0,
        "runs list": 0,
        f"runs show {run}": 0,
        f"runs rm {run} --yes": 0,
        "devices add pi4 ssh://127.0.0.1:1": 3,
        "devices list": 0,
        "run --device local": 3,
        "run --device qemu://cortex-a72": 3,
    }
    if system == "windows":
        statuses["devices add phone adb://0A1B2C3D"] = 3
    done = subprocess.run(
        [sys.executable, STANDIN, system, *" : ".join(statuses).split()],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), "USER": "ann"},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "cannot be imported" not in done.stdout
    assert done.stdout.splitlines()[-1].split()[1:] == [str(status) for status in statuses.values()], done.stderr
    pi, *here = [line.removeprefix("bnnbench: ") for line in done.stderr.splitlines() if line.startswith("bnnbench: ")]
    assert "port 1) cannot be reached: Connection refused" in pi
    phone = ["Device 'phone': Android devices are not reached from Windows itself; work in WSL."]
    assert here == [REFUSED[system]] * 2 + (phone if system == "windows" else [])
    assert len(list((tmp_path / "runs").glob("*/measurements.parquet"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("platform", "but"), [("darwin", set()), ("win32", STARTS_PROGRAMS)])
def test_nothing_is_used_that_the_system_lacks(platform: str, but: set[str], tmp_path: Path) -> None:
    """Judged by typeshed, which knows what the standard library has on each system."""
    words = [sys.executable, "-m", "mypy", "--platform", platform, "--cache-dir", tmp_path, "--no-error-summary"]
    done = subprocess.run(
        [*words, "typings/bnnbench"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert not done.stderr
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == but, done.stdout
