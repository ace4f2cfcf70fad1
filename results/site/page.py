"""A page of the site: what it shows, without how it looks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

MOST_NAME = 120
"""Characters of a name that a page shows; a device's name may have 10,000."""
_SLUG = 40


class Renderer(Protocol):
    """What makes text of pages; see `render.py`."""

    def page(self, page: Page) -> str:
        """The HTML of a page."""

    def whole(self, page: WholePage) -> str:
        """The HTML of a page that is finished but for the link back."""


@dataclass(frozen=True, slots=True)
class Page:
    """`path` is relative to the site, with `/`. `template` gets `context`. `specs` are Vega-Lite specifications by the
    id of their chart (`charts.html`), `data` further JSON by its id; `contents` are ids and titles of sections.
    `scripts` are further files of `static/` that the page loads."""

    path: str
    template: str
    title: str
    context: Mapping[str, Any] = field(default_factory=dict)
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    contents: Sequence[tuple[str, str]] = ()
    scripts: Sequence[str] = ()

    def html(self, renderer: Renderer) -> str:
        """Its text."""
        return renderer.page(self)


@dataclass(frozen=True, slots=True)
class WholePage:
    """A page that is whole without the site, such as the report of a run: `text` gets the address of the overview."""

    path: str
    text: Callable[[str], str]

    def html(self, renderer: Renderer) -> str:
        """Its text."""
        return renderer.whole(self)


@dataclass(frozen=True, slots=True)
class Planned:
    """A page that belongs to the site. It is made, by `make`, only where `made_of` differs from that of the last time:
    a digest of all that the page shows. `make` may return None where it turns out that the page can't be made; it warns
    (StoreWarning) then."""

    path: str
    made_of: str
    make: Callable[[], Page | WholePage | None]


@cache
def slug(*names: str) -> str:
    """A file's name for things that have any names: readable letters, and a digest that tells them apart."""
    text = "-".join(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in names if name)
    return f"{text[:_SLUG].strip('-') or 'x'}-{digest(*names)[:10]}"


def digest(*parts: object) -> str:
    """Of values with a text of their own; the same parts give the same digest."""
    found = hashlib.sha256()
    for part in parts:
        text = str(part).encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(text) + text)
    return found.hexdigest()[:32]


def root_of(path: str) -> str:
    """From a page back to the site: empty, or `../` for each folder."""
    return "../" * path.count("/")
