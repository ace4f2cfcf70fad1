"""Pages as HTML, by the templates; every string of a store is treated as hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnnbench.results import quantity
from bnnbench.results.charts import style
from bnnbench.results.printable import harmless, shorten
from bnnbench.results.site.page import MOST_NAME, Page, WholePage, root_of

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
GENERATOR = "bnnbench site"
"""In a `meta` of every page: what has it was written by this program."""


_CONTROLS = re.compile(r"(\\\\)|\\u00[01][0-9a-f]|\\[bf]")
"""Control characters, which JSON has as escapes; what follows an escaped backslash is none."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation: its title, and the path of its page."""

    title: str
    path: str


class SiteRenderer:
    """Makes pages of one site: its navigation, the name of its store, and when it was made."""

    def __init__(
        self, nav: Sequence[Link], store: str, made: datetime, scripts: Sequence[str] = (), *, live: bool = False
    ) -> None:
        """`scripts` are loaded by every page; with `live` they may connect to the server that the page is from."""
        self._environment = _environment()
        self._common: dict[str, Any] = {
            "nav": nav,
            "store": shorten(store, MOST_NAME),
            "made": made,
            "scripts": list(scripts),
            "generator": GENERATOR,
            "live": live,
        }

    def page(self, page: Page) -> str:
        """The HTML of a page."""
        data = {**page.data, **({"specs": page.specs} if page.specs else {})}
        context = {**self._common, **page.context, "page": page, "root": root_of(page.path)}
        context["blocks"] = {name: json_block(value) for name, value in data.items()}
        return harmless(self._environment.get_template(page.template).render(context))

    def whole(self, page: WholePage) -> str:
        """The HTML of a page that is finished but for the link back."""
        return harmless(page.text(f"{root_of(page.path)}index.html"))


def json_block(value: Any) -> Markup:
    """JSON for a `<script type="application/json">`: no text in it ends the element or begins a comment."""
    from markupsafe import Markup

    # Not as escapes, so that what steers the direction of writing is seen, and taken out.
    text = harmless(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    text = _CONTROLS.sub(lambda found: found[1] or "?", text)
    # As < in JSON is only ever part of a string, where an escape means the same.
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704


def name(text: object) -> str:
    """A name of a store for people: shortened in its middle, printable."""
    return shorten(str(text), MOST_NAME)


def figure(value: float | None, unit: str) -> str:
    """A case's figure with its unit; empty for none."""
    if value is None:
        return ""
    return quantity.duration(value) if unit == "ns" else f"{quantity.count(value)} instructions"


def ranged(text: str) -> Markup:
    """`224 µs (224-226)`, which may be broken only before its interval."""
    from markupsafe import Markup

    value, bracket, interval = text.partition(" (")
    if not bracket:
        return Markup('<span class="nowrap">{}</span>').format(value)
    return Markup('<span><span class="nowrap">{}</span> <span class="range">({}</span></span>').format(value, interval)


def day(moment: str) -> str:
    """ISO 8601 as `2026-01-31 14:25`; other text as it is."""
    return moment[:16].replace("T", " ") if moment[:4].isdigit() else name(moment)


def _environment() -> Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": name,
        "day": day,
        "figure": figure,
        "ranged": ranged,
        "signed": lambda share: f"{share * 100:+.1f} %",
        "percent": quantity.percentage,
        "gops": lambda gops: "" if gops is None else quantity.rate(gops),
    }
    return environment


def colours_css() -> str:
    """The chart colours as custom properties, for light and dark; `site.css` has the rest."""
    light, dark = style.variables()
    return f":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
