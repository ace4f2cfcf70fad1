"""The list of contents of the documentation, which only `make docs` reads otherwise, and what a merge left behind."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_contents_once() -> None:
    listed = re.findall(r"^ +- (?:[^:#]+: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed) == sorted(set(listed))
    assert pages <= set(listed)
    assert [name for name in listed if name not in pages and not (ROOT / name).is_file()] == []


def test_no_file_has_the_marks_of_a_merge() -> None:
    command = ["git", "grep", "-nIE", "^(<{7} |>{7} )", "--", "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
