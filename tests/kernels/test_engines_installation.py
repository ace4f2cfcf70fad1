"""Installing runtimes: with a stand-in of Python and pip for what goes wrong, and once really (slow)."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bnnbench.kernels.engines import installation
from bnnbench.kernels.engines.installation import RUNTIMES, folder_of, install, installed
from bnnbench.kernels.errors import BuildError

# Makes environments of itself; FAKE says what goes wrong, `calls` what was asked.
STAND_IN = """#!/bin/sh
echo "$1 $2 $3" >> "$CALLS"
case "$1 $2" in
  -c*) if [ "$FAKE" = broken ]; then echo "pyenv: python9.9: command not found" >&2; exit 127; fi; echo 9.9 ;;
  "-m venv")
    if [ "$FAKE" = venv ]; then
      printf 'not created because ensurepip is not\\navailable\\n\\nFailing command: x\\n'; exit 1
    fi
    [ -e "$3" ] && exit 9
    mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip")
    case "$FAKE" in
      network) echo "WARNING: Retrying after NewConnectionError('<x>: Failed to establish a new connection')" >&2
               echo "ERROR: Could not find a version that satisfies it (from versions: none)" >&2
               echo "ERROR: No matching distribution found for it" >&2; exit 1 ;;
      none)    echo "ERROR: No matching distribution found for it" >&2
               echo "WARNING: there is a newer pip" >&2; exit 1 ;;
      full)    echo "ERROR: Could not install packages: [Errno 28] No space left on device" >&2; exit 1 ;;
      mute)    exit 1 ;;
    esac ;;
  -I*) if [ "$FAKE" = import ]; then echo "it does not work in python: libc is too old" >&2; exit 1; fi ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A runtime `lce` that needs Python 9.9, which the stand-in is; nothing else is on PATH but the system."""
    python = tmp_path / "bin/python9.9"
    python.parent.mkdir()
    python.write_text(STAND_IN)
    python.chmod(0o755)
    monkeypatch.setenv("PATH", f"{python.parent}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path / "cache"))
    runtime = replace(RUNTIMES["lce"], pythons=("9.9",), machines=(platform.machine(),))
    monkeypatch.setitem(RUNTIMES, "lce", runtime)
    monkeypatch.setattr(installation.platform, "libc_ver", lambda: ("glibc", "2.36"))
    return monkeypatch


def silent(_: str) -> None:
    """Takes progress lines."""


def test_an_installation_is_made_once(fake: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[str] = []
    assert installed("lce") is None
    python = install("lce", told.append)
    assert python == installed("lce") == folder_of(RUNTIMES["lce"]) / "bin/python"
    assert any("python9.9" in line for line in told)
    assert any("larq-compute-engine 0.16.0" in line for line in told)
    calls = (tmp_path / "calls").read_text()
    assert install("lce", told.append) == python
    assert (tmp_path / "calls").read_text() == calls
    assert "-m pip install" in calls
    assert "tflite_driver.py" in calls  # it was really started


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("broken", "needs Python 9.9, and none is on PATH; install python9.9"),
        ("venv", "could not make a virtual environment: this Python is without ensurepip; .*python3-venv"),
        ("network", "could not install larq-compute-engine==0.16.0: the package index cannot be reached"),
        ("none", "No matching distribution found for it$"),
        ("full", "the disk is full; free some space"),
        ("mute", "it does not say why"),
        ("import", "could not start larq-compute-engine==0.16.0: it does not work in python: libc is too old"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_can_be_done_again(
    fake: pytest.MonkeyPatch, what: str, reason: str
) -> None:
    fake.setenv("FAKE", what)
    with pytest.raises(BuildError, match=reason) as caught:
        install("lce", silent)
    assert "\n" not in str(caught.value)
    assert installed("lce") is None
    fake.setenv("FAKE", "")
    assert install("lce", silent) == installed("lce")


def test_what_was_cut_off_is_made_again(fake: pytest.MonkeyPatch) -> None:
    rest = folder_of(RUNTIMES["lce"]) / "bin"
    rest.mkdir(parents=True)
    (rest / "python").write_text("half of it")
    assert installed("lce") is None
    assert install("lce", silent).read_text() == STAND_IN


def test_an_environment_that_another_user_could_change_is_not_used(fake: pytest.MonkeyPatch) -> None:
    python = install("lce", silent)
    assert folder_of(RUNTIMES["lce"]).parent.stat().st_mode & 0o777 == 0o700
    folder_of(RUNTIMES["lce"]).chmod(0o777)
    with pytest.raises(BuildError, match="can be written by every user"):
        install("lce", silent)
    folder_of(RUNTIMES["lce"]).chmod(0o755)
    assert installed("lce") == python


def test_an_environment_whose_python_has_gone_is_made_again(fake: pytest.MonkeyPatch) -> None:
    install("lce", silent).unlink()
    assert installed("lce") is None
    assert install("lce", silent).exists()


def test_two_at_once_make_one(fake: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(lambda _: install("lce", silent), range(4)))) == 1
    assert (tmp_path / "calls").read_text().count("-m venv") == 1


def test_other_versions_are_another_environment(fake: pytest.MonkeyPatch) -> None:
    install("lce", silent)
    fake.setitem(RUNTIMES, "lce", replace(RUNTIMES["lce"], packages=("larq-compute-engine==0.16.0", "numpy==1.26.3")))
    assert installed("lce") is None


def test_a_relative_cache_folder_is_found_from_anywhere(
    fake: pytest.MonkeyPatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake.setenv("BNNBENCH_CACHE", "near")
    assert install("lce", silent).is_absolute()


def test_a_cache_that_cannot_be_written(fake: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fake.setenv("BNNBENCH_CACHE", str(tmp_path / "file"))
    with pytest.raises(BuildError, match=r"cannot be installed in .*: Not a directory"):
        install("lce", silent)


@pytest.mark.parametrize(
    ("machine", "libc", "system", "here"),
    [
        ("aarch64", "glibc", "linux", "this is aarch64 Linux;"),
        ("x86_64", "", "linux", "this is x86_64 Linux without glibc;"),
        ("x86_64", "", "darwin", "this is x86_64 "),
    ],
)
def test_machines_without_wheels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: str, libc: str, system: str, here: str
) -> None:
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(installation.platform, "machine", lambda: machine)
    monkeypatch.setattr(installation.platform, "libc_ver", lambda: (libc, ""))
    monkeypatch.setattr(installation.sys, "platform", system)
    with pytest.raises(BuildError, match=f"published for x86_64 Linux with glibc, and {here}.*lce_benchmark_model"):
        install("lce", silent)


def test_everything_is_pinned() -> None:
    for runtime in RUNTIMES.values():
        assert all(package.count("==") == 1 for package in runtime.packages)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", RUNTIMES)
def test_really(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    python = install(name, silent)
    driver = Path(installation.__file__).parent / "drivers/tflite_driver.py"
    done = subprocess.run(
        [python, "-I", driver, "--runtime", name], input=b"hello\n", capture_output=True, timeout=60, check=True
    )
    assert json.loads(done.stdout)["version"] == RUNTIMES[name].packages[0].split("==")[1]


@pytest.mark.slow
@pytest.mark.skipif(
    f"{sys.version_info.major}.{sys.version_info.minor}" not in RUNTIMES["lce"].pythons, reason="another Python"
)
def test_really_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BNNBENCH_CACHE", str(tmp_path))
    for key, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(key, value)
    for key in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(BuildError, match="the package index cannot be reached"):
        install("lce", silent)
    assert installed("lce") is None
