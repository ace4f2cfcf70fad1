"""Completion in real shells, by the scripts that are printed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.harness.bench import Bench

pytestmark = pytest.mark.timeout(60)
COMPLETE = """
source "$1"; shift
spec=$(complete -p bnnbench) || exit 9
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
function=${spec#*-F }; "${function%% *}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bench = Bench(tmp_path_factory.mktemp("completion"))
    for shell in ("bash", "zsh", "fish"):
        done = bench.run("completion", shell)
        assert done.returncode == 0, done.stderr
        bench.write(shell, done.stdout)
    return bench.folder


def in_bash(script: Path, *words: str) -> set[str]:
    """What bash would offer for the last word."""
    done = subprocess.run(
        ["bash", "--norc", "-c", COMPLETE, "bash", str(script), *words],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert not done.stderr
    return {word.strip() for word in done.stdout.splitlines()}


def test_bash_completes_commands_and_options(scripts: Path) -> None:
    script = scripts / "bash"
    assert {"run", "runs"} <= in_bash(script, "bnnbench", "ru") <= {"run", "runs"}
    assert in_bash(script, "bnnbench", "runs", "") >= {"list", "show", "rm"}
    assert in_bash(script, "bnnbench", "devices", "do") == {"doctor"}
    assert in_bash(script, "bnnbench", "run", "--inv") == {"--inventory", "--invocations"}
    assert "--wait" in in_bash(script, "bnnbench", "devices", "calibrate", "--w")
    assert in_bash(script, "bnnbench", "completion", "z") == {"zsh"}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_and_options(scripts: Path) -> None:
    def offered(line: str) -> set[str]:
        command = ["fish", "--no-config", "-c", f"source {scripts / 'fish'}; complete -C '{line}'"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return {word.split("\t")[0] for word in done.stdout.splitlines()}

    assert {"run", "runs"} <= offered("bnnbench ru")
    assert "doctor" in offered("bnnbench devices d")
    assert "--invocations" in offered("bnnbench run --inv")


def test_zsh_has_commands_and_options(scripts: Path) -> None:
    text = (scripts / "zsh").read_text()
    assert text.startswith("#compdef bnnbench")
    assert all(word in text for word in ("runs", "doctor", "--invocations", "--wait"))
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", str(scripts / "zsh")], timeout=20, check=True)


def test_install_puts_it_where_the_shell_looks(bench: Bench) -> None:
    bench.environment |= {"SHELL": "/bin/bash", "XDG_DATA_HOME": str(bench.folder / "user-home/.local/share")}
    done = bench.run("--install-completion")
    assert done.returncode == 0, done.stderr
    home = bench.folder / "user-home"
    written = [path for path in home.rglob("*") if path.is_file() and "_bnnbench()" in path.read_text()]
    assert len(written) == 1
    assert {"run", "runs"} == in_bash(written[0], "bnnbench", "ru")


def test_another_shell_is_refused(bench: Bench) -> None:
    assert bench.run("completion", "csh").returncode == 2
