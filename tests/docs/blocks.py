"""The fenced blocks of the project's Markdown: what kind each is, and what its marker says.

A marker is a comment in the line above a block: `<!-- example: run -->`, `slow` (executed by the slow tests),
`run by tests/x.py`, or `not run, REASON`. Blocks of commands must have one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]
LANGUAGES = ("sh", "toml", "json", "python", "text")
_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
_MARKER = re.compile(r"<!-- example: (.+) -->$")
_RUN = re.compile(r"run|slow|(run by) (tests/\S+\.py)|(not run), (.+)")


class MarkerError(ValueError):
    """A marker or a fence that is not one of those above."""


@dataclass(frozen=True)
class Block:
    """A fenced block. `line` is that of its fence, from 1."""

    document: Path
    line: int
    language: str
    text: str
    marker: str | None

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @cached_property
    def how(self) -> str | None:
        """`run`, `slow`, `run by`, `not run`, or None without a marker. Raises MarkerError."""
        if self.marker is None:
            return None
        match = _RUN.fullmatch(self.marker)
        if match is None:
            raise MarkerError(f"{self.place}: unknown marker {self.marker!r}")
        return match[1] or match[3] or match[0]

    @property
    def runner(self) -> Path | None:
        """The test module that a marker `run by` names."""
        return ROOT / (self.marker or "").removeprefix("run by ") if self.how == "run by" else None

    @property
    def commands(self) -> list[str]:
        """Of a block of commands its lines, those that end in a backslash joined with the next."""
        return [line for line in self.text.replace("\\\n", " ").splitlines() if line.split("#")[0].strip()]


def blocks_of(document: Path, text: str | None = None) -> Iterator[Block]:
    """Raises MarkerError for a fence without end, or a marker that no block follows."""
    lines = (document.read_text(encoding="utf-8") if text is None else text).splitlines()
    marker, at = None, 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None:
            if marker is not None:
                raise MarkerError(f"{document.name}:{at}: no block follows the marker")
            found = _MARKER.match(lines[at])
            marker = found[1] if found else None
            at += 1
            continue
        indent, ticks, language = fence.groups()
        start = at
        while (at := at + 1) < len(lines) and lines[at].strip() != ticks:
            pass
        if at == len(lines):
            raise MarkerError(f"{document.name}:{start + 1}: the block does not end")
        body = "".join(line.removeprefix(indent) + "\n" for line in lines[start + 1 : at])
        yield Block(document, start + 1, language.strip(), body, marker)
        marker, at = None, at + 1


BLOCKS = [block for document in DOCUMENTS if document.exists() for block in blocks_of(document)]


def spans_of(document: Path) -> list[str]:
    """Code within sentences that begins with `bnnbench `."""
    prose = re.sub(r"^```.*?^```$", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose) if span.startswith("bnnbench ")]
