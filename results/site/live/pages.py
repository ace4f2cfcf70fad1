"""The pages of a store as it is now: rendered when they are asked for, and kept until what they show changes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bnnbench.results.site.build import plan, renderer
from bnnbench.results.site.page import Page, Planned, WholePage
from bnnbench.results.site.pages.compare import planned_pair
from bnnbench.results.site.render import SiteRenderer
from bnnbench.results.site.source import Asked, Source, Watch, read_source
from bnnbench.results.site.state import State
from bnnbench.results.site.static_files import static_files
from bnnbench.results.store.parts import index_folder
from bnnbench.results.store.runs import Store

LIVE_SCRIPTS = ("live.js",)
_LOOK_EVERY_S = 1.0
_MOST_UNFINISHED = 50
_MOST_BYTES = 256 << 20
"""Of rendered pages that are kept."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page as it is sent. `is_whole`: it has its own style and script inside, as the report of a run. `tag` changes
    with its content."""

    html: bytes
    tag: str
    is_whole: bool = False


class WaitingError(Exception):
    """A page is not rendered now, because something is timed on this machine, and was not rendered before."""


class LivePages:
    """The pages of a store; every method may be called by any number of threads."""

    def __init__(
        self, store: Store, asked: Asked, is_timed_here: Callable[[], bool], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`is_timed_here` says whether a benchmark is timed on this machine: then nothing new is rendered."""
        self._store, self._asked, self._is_timed_here, self._clock = store, asked, is_timed_here, clock
        self._lock = threading.RLock()
        self._kept: OrderedDict[str, tuple[str, Rendered]] = OrderedDict()
        self._kept_bytes = 0
        self._looked = -_LOOK_EVERY_S
        self._token: object = None
        self._source: Source | None = None
        self._planned: dict[str, Planned] = {}
        self._renderer: SiteRenderer | None = None
        self.static: Mapping[str, bytes] = static_files()

    def refresh(self, watch: Watch = lambda *_: None) -> None:
        """Looks what changed in the store, at most once a second; while something is timed here, not at all. Raises
        StoreError."""
        with self._lock:
            moment = self._clock()
            if moment - self._looked < _LOOK_EVERY_S or self._is_timed_here():
                return
            self._looked = moment
            folders, begun = self._folders_token(), time.time_ns()
            if (folders, self._unfinished_token()) == self._token:
                return
            source = read_source(self._store, self._known(), self._asked, datetime.now(UTC), watch)
            self._planned = {planned.path: planned for _, planned in plan(source)}
            self._renderer = renderer(source, LIVE_SCRIPTS, live=True)
            self._source = source
            unfinished = self._unfinished_token()
            # A run that ended while it was read may have been read before its end.
            self._token = None if max(unfinished, default=0) >= begun else (folders, unfinished)

    def page(self, path: str) -> Rendered | None:
        """The page at a path of the site; None where there is none. Raises WaitingError, StoreError."""
        with self._lock:
            self.refresh()
            if self._source is None or self._renderer is None:
                raise WaitingError
            planned = self._planned.get(path) or planned_pair(self._source, path)
            if planned is None:
                return None
            kept = self._kept.get(path)
            if kept is not None and kept[0] == planned.made_of:
                self._kept.move_to_end(path)
                return kept[1]
            if self._is_timed_here():
                if kept is None:
                    raise WaitingError
                return kept[1]
            page = planned.make()
            return None if page is None else self._keep(path, planned.made_of, page, self._renderer)

    def _keep(self, path: str, made_of: str, page: Page | WholePage, made_by: SiteRenderer) -> Rendered:
        html = page.html(made_by).encode("utf-8", "replace")
        rendered = Rendered(html, made_of, isinstance(page, WholePage))
        old = self._kept.pop(path, None)
        self._kept_bytes += len(html) - (0 if old is None else len(old[1].html))
        self._kept[path] = (made_of, rendered)
        while self._kept_bytes > _MOST_BYTES and len(self._kept) > 1:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._kept_bytes -= len(dropped.html)
        return rendered

    def _known(self) -> State | None:
        source = self._source
        if source is None:
            return None
        return State(runs=dict(source.fingerprints), cases=list(source.cases.values()), kept=source.kept)

    def _folders_token(self) -> tuple[int, ...]:
        """Changes with runs that come and go, baselines, alerts and calibrations."""
        folders = [self._store.runs_path, index_folder(self._store.path)]
        for name in ("baselines", "alerts", "devices"):
            folder = self._store.path / name
            folders += [folder, *(sorted(folder.iterdir()) if name != "alerts" and folder.is_dir() else [])]
        return tuple(map(_changed_ns, folders))

    def _unfinished_token(self) -> tuple[int, ...]:
        """Changes when a run ends, because files are added to its folder then; how far it is, events say."""
        lines = [] if self._source is None else [line for line in self._source.runs if line.state != "complete"]
        return tuple(_changed_ns(self._store.runs_path / line.run_id) for line in lines[:_MOST_UNFINISHED])


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
