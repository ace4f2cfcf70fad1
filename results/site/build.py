"""Building a site: which pages there are, which of them changed, and writing those."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from warnings import warn

from bnnbench.results.errors import StoreError, StoreWarning, store_error
from bnnbench.results.site.lab_state import LabState
from bnnbench.results.site.page import Planned, digest
from bnnbench.results.site.pages import PAGES, kind
from bnnbench.results.site.render import GENERATOR, Link, SiteRenderer
from bnnbench.results.site.source import Asked, Source, Watch, read_source
from bnnbench.results.site.state import STATE, State, Written, read_state, write_state
from bnnbench.results.site.static_files import FOLDER, static_files
from bnnbench.results.store.atomic import write_atomically
from bnnbench.results.store.parts import each_looked_at_once
from bnnbench.results.store.place import require_store
from bnnbench.results.store.run_columns import DERIVATION
from bnnbench.results.store.runs import Store

_SAVE_EVERY_S = 20.0
_CODE = Path(__file__).parent


@dataclass(slots=True)
class Built:
    """What a build came to: pages that were written, removed, and those that stayed as they were; `first` is the page
    to open."""

    first: Path
    runs: int = 0
    cases: int = 0
    written: int = 0
    removed: int = 0
    kept: int = 0
    written_bytes: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)


def build(
    store: Store,
    out: Path,
    asked: Asked | None = None,
    *,
    now: datetime | None = None,
    watch: Watch = lambda what, done, of: None,
    lab: LabState | None = None,
) -> Built:
    """Writes the pages of a store into a folder, only those that changed since the last time; with `lab` also that of a
    lab.

    Warns (StoreWarning) of runs and pages that are left out. Raises StoreError when there is no such store, or the
    folder can't be written or has other files in the place of pages.
    """
    asked = asked or Asked()
    require_store(store.path)
    known = read_state(out)
    code = code_version()
    stamp = digest(asked, store.place, lab is not None)  # all pages have a link to that of the lab
    is_same = known is not None and known.version == code and known.asked == stamp
    state = State(version=code, asked=stamp, files=dict(known.files) if known is not None else {})
    with each_looked_at_once():
        source = read_source(store, known if is_same else None, asked, now, watch)
        source.lab = lab
        return _Writing(out, state, is_same).all(source)


def plan(source: Source) -> Iterator[tuple[str, Planned]]:
    """All pages that a site has now, each with the name of its kind."""
    for name in PAGES:
        for planned in kind(name).plan(source):
            yield name, planned


def renderer(source: Source, scripts: tuple[str, ...] = (), *, live: bool = False) -> SiteRenderer:
    """What makes text of the pages of this source; `scripts` are loaded by every page, and with `live` they may connect
    to the server that the page is from."""
    kinds = [kind(name) for name in PAGES]
    nav = [Link(found.title, found.path) for found in kinds if found.path and found.is_there(source)]
    return SiteRenderer(nav, source.store.place, source.now, scripts, live=live)


def code_version() -> str:
    """A digest of what pages are made by: after an update all are made again."""
    files = sorted(path for path in _CODE.rglob("*") if path.suffix in (".py", ".html"))
    return digest(version("bnnbench"), DERIVATION, *(path.read_text(encoding="utf-8") for path in files))


class _Writing:
    """One build into a folder."""

    def __init__(self, out: Path, state: State, is_same: bool) -> None:
        self._out, self._state, self._is_same = out, state, is_same
        self._folders: set[Path] = set()
        self._saved = time.monotonic()
        self._built = Built(out / "index.html")

    def all(self, source: Source) -> Built:
        pages = list(plan(source))
        shared = static_files()
        paths = {*shared, *(planned.path for _, planned in pages)}
        self._refuse_foreign(paths)
        for path, content in shared.items():
            self._write_if_new(path, hashlib.sha256(content).hexdigest(), content)
        made = renderer(source)
        for number, (name, planned) in enumerate(pages):
            source.watch("pages", number, len(pages))
            if not self._stands(planned):
                page = planned.make()
                if page is None:
                    paths.discard(planned.path)
                    continue
                self._write(planned.path, planned.made_of, page.html(made).encode("utf-8", "replace"))
                self._built.by_kind[name] = self._built.by_kind.get(name, 0) + 1
                self._save(source, only_files=True)
            else:
                self._built.kept += 1
        source.watch("pages", len(pages), len(pages))
        self._remove_others(paths)
        self._built.runs, self._built.cases = len(source.runs), len(source.cases)
        self._save(source)
        return self._built

    def _stands(self, planned: Planned) -> bool:
        written = self._state.files.get(planned.path)
        return (
            self._is_same
            and written is not None
            and written.made_of == planned.made_of
            and self._is_there(planned.path, written)
        )

    def _is_there(self, path: str, written: Written) -> bool:
        """Whether a file has the size that it had: pages are not synced, so a power cut may leave them empty."""
        try:
            return (self._out / path).stat().st_size == written.size
        except OSError:
            return False

    def _write_if_new(self, path: str, made_of: str, content: bytes) -> None:
        written = self._state.files.get(path)
        if written is None or written.sha256 != made_of or not self._is_there(path, written):
            self._write(path, made_of, content)
            self._built.written -= 1

    def _write(self, path: str, made_of: str, content: bytes) -> None:
        target = self._out / path
        if target.parent not in self._folders:
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise store_error(error, target.parent) from error
            self._folders.add(target.parent)
        write_atomically(target, content, durable=False)
        self._state.files[path] = Written(made_of, hashlib.sha256(content).hexdigest(), len(content))
        self._built.written += 1
        self._built.written_bytes += len(content)

    def _save(self, source: Source, only_files: bool = False) -> None:
        """Now and then only which files were written, so that a build that is cut off knows its own files."""
        if only_files:
            if time.monotonic() - self._saved < _SAVE_EVERY_S:
                return
            write_state(self._out, State(files=self._state.files))
            self._saved = time.monotonic()
            return
        self._state.runs = dict(source.fingerprints)
        self._state.cases = list(source.cases.values())
        self._state.kept = source.kept
        write_state(self._out, self._state)

    def _refuse_foreign(self, paths: set[str]) -> None:
        """Raises StoreError where a file that this program did not write is in the place of a page."""
        for path in sorted(paths - self._state.files.keys()):
            target = self._out / path
            if target.exists() and not self._is_own(path):
                raise StoreError(
                    f"{target} is there already and no page of bnnbench: move it away, or name another folder with -o"
                )

    def _remove_others(self, paths: set[str]) -> None:
        """Pages of what is gone; a file that somebody changed stays."""
        for path in sorted(self._state.files.keys() - paths):
            target, written = self._out / path, self._state.files.pop(path)
            try:
                content = target.read_bytes()
            except OSError:
                continue
            if hashlib.sha256(content).hexdigest() != written.sha256:
                warn(StoreWarning(f"{target} is no page of the site any more; it was changed and stays"), stacklevel=4)
                continue
            try:
                target.unlink()
            except OSError as error:
                raise store_error(error, target) from error
            self._built.removed += 1
            with suppress(OSError):  # others may have files there
                target.parent.rmdir()

    def _is_own(self, path: str) -> bool:
        """Whether a file that is in no state was written by this program: by its mark, of shared files that of one."""
        marked = self._out / (f"{FOLDER}/site.css" if path.startswith(f"{FOLDER}/") else path)
        try:
            with marked.open("rb") as file:
                return GENERATOR.encode() in file.read(2048)
        except OSError:
            return False


__all__ = ["STATE", "Built", "build", "plan", "renderer"]
