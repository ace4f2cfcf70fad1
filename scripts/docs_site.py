"""Hooks of MkDocs (mkdocs.yml): files of the repository that pages link to become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LINKED = re.compile(r"\]\(((?:\.\./)*examples/[\w./-]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages at the root of the repository, and the examples that a page links to."""
    from mkdocs.structure.files import File

    linked: set[str] = set()
    for text in [path.read_text() for path in [*(ROOT / "docs").rglob("*.md"), *(ROOT / name for name in PAGES)]]:
        linked |= {link.replace("../", "") for link in LINKED.findall(text)}
    for name in [*PAGES, *sorted(linked)]:
        if (ROOT / name).is_file():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Makes links between docs/ and the root of the repository links within the site. Shapes in tables, such as
    f32[n][c], are not references."""
    name = page.file.src_uri
    lines = [_shapes(line) if line.startswith("|") else line for line in markdown.splitlines()]
    markdown = "\n".join(lines)
    if name in PAGES:
        return markdown.replace("](docs/", "](")
    depth = name.count("/")
    return markdown.replace("](" + "../" * (depth + 1), "](" + "../" * depth)


def _shapes(row: str) -> str:
    parts = row.split("`")  # every second one is code, where a backslash would be shown
    return "`".join(
        part if number % 2 else re.sub(r"(?<=\w)\[", r"\\[", part).replace("][", "]\\[")
        for number, part in enumerate(parts)
    )
