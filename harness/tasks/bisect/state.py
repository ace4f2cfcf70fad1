"""What is kept of a bisection, so that it goes on after an interrupt or a crash: what was asked, what was built, and
what was measured.

    <store>/bisects/<id>/bisect.json      what was asked, signed: its build command is run
    <store>/bisects/<id>/steps.jsonl      a line per build and comparison, only ever appended to, fsynced
    <store>/bisects/<id>/built/<sha>/     the engine or model of a commit, and the output of its build
    <store>/bisects/<id>/worktree         removed at the end
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import filelock
import msgspec

from bnnbench.results.errors import StoreError, store_error
from bnnbench.results.printable import shorten
from bnnbench.results.statistics.between import Between
from bnnbench.results.store.atomic import sync_folder, write_atomically
from bnnbench.results.store.run_id import is_run_id
from bnnbench.results.store.signature import is_signed, sign

from ...errors import CallError
from .history import Commit

_PLAN, _STEPS = "bisect.json", "steps.jsonl"


class BisectPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked. `engine` is None where models are compared; `path` is the engine's or the model's, relative to
    the repository; `files` are the suites, absolute. Commits are after `good`, the oldest first."""

    schema: int = 1
    id: str
    created: str
    repository: str
    good: Commit
    commits: list[Commit]
    build: str | None
    engine: str | None
    path: str
    metric: str
    files: list[str]
    device: str
    inventory: str | None = None
    threads: list[int] | None = None
    filter: str | None = None
    build_timeout_s: float = 1800.0
    smallest: float | None = None
    """The smallest step that is looked for, a ratio minus 1; None: by the floor of the metric."""

    def commit(self, number: int) -> Commit:
        """0 is the good one."""
        return self.commits[number - 1] if number else self.good


class Built(msgspec.Struct, frozen=True, kw_only=True, tag="built"):
    """A commit was built, or not: then `reason` says why. `file` is relative to the bisection's folder."""

    commit: int
    file: str | None = None
    sha256: str | None = None
    seconds: float = 0.0
    reason: str | None = None


class Begun(msgspec.Struct, frozen=True, kw_only=True, tag="begun"):
    """A comparison begins: `head` with `base`, of one `case` or of all. `of` is the commit that it is about, `between`
    how pairs are judged, None where no pairs are measured."""

    number: int
    base: int
    head: int
    of: int
    between: Between | None = None
    case: str | None = None
    is_direct: bool = False
    created: str


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Of a case: differences of pairs (logarithms, head over base), or the figures of both sides; or why there are
    none, and on which side."""

    differences: list[float] = []
    base: float | None = None
    head: float | None = None
    reason: str | None = None
    side: str | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True, tag="compared"):
    """The end of the comparison `number`: the run, and what it gave, by case."""

    number: int
    run: str
    cases: dict[str, Figures]


Step = Built | Begun | Compared


class BisectState:
    """The folder of one bisection, which one process writes to."""

    def __init__(self, folder: Path, plan: BisectPlan, steps: list[Step]) -> None:
        self.folder, self.plan, self.steps = folder, plan, steps
        self._lock = filelock.FileLock(folder / "steps.lock", timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except filelock.Timeout as error:
            raise StoreError(f"bisection {plan.id} is going on in another process: wait for its end") from error

    @classmethod
    def create(cls, store: Path, plan: BisectPlan) -> BisectState:
        """A new one. Raises StoreError."""
        folder = bisects_path(store) / plan.id
        try:
            (folder / "built").mkdir(parents=True)
            (folder / _STEPS).touch()
        except OSError as error:
            raise store_error(error, folder) from error
        write_atomically(folder / _PLAN, msgspec.json.format(msgspec.json.encode(plan), indent=1))
        sign(folder / _PLAN)
        return cls(folder, plan, [])

    @classmethod
    def open(cls, store: Path, selector: str, trusts: bool = False) -> BisectState:
        """One to go on with: its id, or `latest`. Raises StoreError, CallError for one from elsewhere."""
        folder = bisects_path(store) / _chosen(store, selector)
        try:
            plan = msgspec.json.decode((folder / _PLAN).read_bytes(), type=BisectPlan)
        except OSError as error:
            raise store_error(error, folder / _PLAN) from error
        except msgspec.MsgspecError as error:
            raise StoreError(f"{folder / _PLAN} is damaged, or of another version of bnnbench ({error})") from error
        if not (trusts or is_signed(folder / _PLAN)):
            runs = f"run `{shorten(plan.build, 2000)}`" if plan.build else f"use {shorten(plan.path, 120)}"
            raise CallError(
                f"bisection {plan.id} was not made here by you, and to go on with it would {runs}; read "
                f"{folder / _PLAN}, then add --trust."
            )
        return cls(folder, plan, _read(folder / _STEPS))

    def append(self, step: Step) -> None:
        """Survives a crash from here on. Raises StoreError."""
        path = self.folder / _STEPS
        try:
            with path.open("ab") as file:
                file.write(msgspec.json.encode(step) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise store_error(error, path) from error
        self.steps.append(step)

    def built(self, commit: int) -> Built | None:
        """None where it was not tried yet."""
        return next((step for step in self.steps if isinstance(step, Built) and step.commit == commit), None)

    def file_of(self, built: Built) -> Path:
        """Absolute."""
        return (self.folder / str(built.file)).resolve()

    @property
    def pending(self) -> Begun | None:
        """The comparison that has begun and not ended."""
        ended = {step.number for step in self.steps if isinstance(step, Compared)}
        return next((step for step in self.steps if isinstance(step, Begun) and step.number not in ended), None)

    @property
    def comparisons(self) -> Sequence[tuple[Begun, Compared]]:
        """Those that ended, in their order."""
        ended = {step.number: step for step in self.steps if isinstance(step, Compared)}
        return [(step, ended[step.number]) for step in self.steps if isinstance(step, Begun) and step.number in ended]

    def close(self) -> None:
        """Lets other processes go on with it."""
        self._lock.release()


def bisects_path(store: Path) -> Path:
    """Where a store has its bisections, as it has its baselines."""
    return store / "bisects"


def _chosen(store: Path, selector: str) -> str:
    folder = bisects_path(store)
    names = sorted(path.name for path in folder.iterdir() if (path / _PLAN).is_file()) if folder.is_dir() else []
    if not names:
        raise StoreError(f"there is no bisection in {folder}: begin one with --good and --bad")
    if selector == "latest":
        return names[-1]
    if selector not in names or not is_run_id(selector):
        raise StoreError(f"there is no bisection {selector!r} in {folder}: it has {', '.join(names[-4:])}")
    return selector


def _read(path: Path) -> list[Step]:
    """Whole lines; the one that a crash cut short is cut off."""
    steps: list[Step] = []
    try:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
            sync_folder(path.parent)
    except OSError as error:
        raise store_error(error, path) from error
    for number, line in enumerate(content[:whole].splitlines(), 1):
        try:
            steps.append(msgspec.json.decode(line, type=Step))
        except msgspec.MsgspecError as error:
            raise StoreError(f"{path}, line {number}, is damaged ({error}): begin a new bisection") from error
    return steps
