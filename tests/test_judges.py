"""A judge that is missing is a skip on a user's machine and a failure in CI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest

def test_without_a_judge():
    pytest.skip("sshd is not installed")

@pytest.mark.skipif(True, reason="chromium is not installed")
def test_marked():
    pass

def test_of_the_machine():
    pytest.skip("this CPU has no avx512")

@pytest.mark.xfail
def test_known():
    raise AssertionError
"""


@pytest.mark.parametrize(
    ("judges", "outcomes"),
    [("", ["3 skipped", "1 xfailed"]), ("required", ["1 failed", "1 skipped", "1 xfailed", "1 error"])],
)
def test_a_missing_judge(tmp_path: Path, judges: str, outcomes: list[str]) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "."],
        cwd=tmp_path,
        env={**os.environ, "BNNBENCH_JUDGES": judges},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert all(outcome in done.stdout for outcome in outcomes), done.stdout
    if judges:
        assert "this test was skipped: sshd is not installed" in done.stdout
        assert "this test was skipped: chromium is not installed" in done.stdout
