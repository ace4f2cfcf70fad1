"""Real git repositories with a known culprit: engines that replay recorded noise, and models."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.harness.bench import Bench
from tests.harness.replaying import ENGINE, NOISE, RECORDING

MAKE = """#!/bin/sh
# Makes the engine of this commit.
set -e
mkdir -p build
python=$(cat python)
{ echo "#!$python -S"; sed "s/^SETTINGS: dict.*/SETTINGS: dict[str, float] = $(cat settings)/" engine.py; } > build/mine
chmod +x build/mine
"""
BROKEN = "#!/bin/sh\necho 'mine.c:7: error: expected a semicolon' >&2\nexit 2\n"


def git(folder: Path, *words: str) -> str:
    """As a user who has no settings of their own."""
    author = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "init.defaultBranch=main", *words],
        env={**os.environ, **author, "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


_WHO = {"NAME": "Ada", "EMAIL": "ada@example.org", "DATE": "2026-02-03T04:05:06Z"}


def commit(bench: Bench, subject: str, files: Mapping[str, str | bytes]) -> str:
    """A commit of these files; its hash."""
    for name, content in files.items():
        path = bench.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if name.endswith(".sh"):
            path.chmod(0o755)
        git(bench.folder, "add", "-f", name)
    git(bench.folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(bench.folder, "rev-parse", "HEAD")


def engine_history(
    bench: Bench,
    factors: Mapping[int, float],
    broken: frozenset[int] = frozenset(),
    crashing: frozenset[int] = frozenset(),
) -> list[str]:
    """16 commits after the tag `v1`; from commit `n` on the engine takes `factors[n]` times as long. Those of `broken`
    do not build, the engines of `crashing` crash while they are timed. The hashes; the suite is replay.toml."""
    git(bench.folder, "init", "-q")
    (bench.folder / "replay").mkdir()
    command = f'["{{binary}}", "{bench.folder / "replay"}", "{RECORDING}"]'
    bench.write(
        "replay.toml",
        'name = "replay"\nwarmup_ms = 1\nmin_sample_ms = 1\nengines = ["mine"]\n'
        '[[kernel]]\nop = "bgemm"\nm = 1\nn = 4\nk = 32\n'
        f'[engine.mine]\ncommand = {command}\nbinary = {{ x86_64 = "engine.py", aarch64 = "engine.py" }}\n',
    )
    first = {"engine.py": ENGINE.read_text(), "make.sh": MAKE, "python": sys.executable, "settings": _settings(0, 1.0)}
    hashes, factor = [commit(bench, "begin", first)], 1.0
    git(bench.folder, "tag", "v1")
    for number in range(1, 17):
        factor *= factors.get(number, 1.0)
        script = BROKEN if number in broken else MAKE
        more = {"dies_at": 4.0} if number in crashing else {}
        files = {"make.sh": script, "settings": _settings(number, factor, **more)}
        hashes.append(commit(bench, f"change {number}", files))
    return hashes


def _settings(number: int, factor: float, **more: float) -> str:
    return str({"noise": NOISE, "factor": factor, "commit": number, **more})
