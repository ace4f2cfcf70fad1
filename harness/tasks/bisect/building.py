"""Building a commit in the worktree, and keeping what it made."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from ...errors import CannotMeasure
from .history import Worktree
from .state import BisectState, Built

_MOST_SAID = 300
_GRACE_S = 5


def build(state: BisectState, worktree: Worktree, number: int) -> Built:
    """The engine or model of a commit, built once; one that does not build is told by its `reason`. Raises
    CannotMeasure, StoreError."""
    done = state.built(number)
    if done is None:
        done = _built(state, worktree, number)
        state.append(done)
    elif done.file is not None and _digest(state.file_of(done)) != done.sha256:
        raise CannotMeasure(f"{state.file_of(done)} is not what was built before; begin a new bisection.")
    return done


def _built(state: BisectState, worktree: Worktree, number: int) -> Built:
    plan, sha = state.plan, state.plan.commit(number).sha
    worktree.checkout(sha)
    made = worktree.path / plan.path
    kept = state.folder / "built" / sha[:12]
    kept.mkdir(exist_ok=True)
    began = time.monotonic()
    if plan.build is not None:
        # A build that leaves the file of another commit would be believed.
        if made.is_file() and not _is_tracked(worktree, plan.path):
            made.unlink()
        reason = _run(plan.build, worktree.path, kept / "build.log", plan.build_timeout_s)
        if reason:
            return Built(commit=number, seconds=time.monotonic() - began, reason=reason)
    seconds = time.monotonic() - began
    if not made.is_file():
        how = "its build does not make" if plan.build else "it has no"
        return Built(commit=number, seconds=seconds, reason=f"{how} {plan.path}")
    copy = kept / made.name
    try:
        shutil.copyfile(made, copy)
        shutil.copymode(made, copy)
    except OSError as error:
        raise CannotMeasure(f"{made} cannot be kept in {kept}: {error.strerror or error}.") from error
    relative = str(copy.relative_to(state.folder))
    return Built(commit=number, file=relative, sha256=_digest(copy), seconds=seconds)


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _is_tracked(worktree: Worktree, path: str) -> bool:
    from .history import git

    return bool(git(worktree.path, "ls-files", "--", path).strip())


def _run(command: str, folder: Path, log: Path, timeout_s: float) -> str | None:
    """Why it failed, None where it did not. All its processes end with it, also when the user interrupts."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return f"its build took longer than {timeout_s:g} s; its output is in {log}"
        finally:
            _end(process)
    if not status:
        return None
    lines = log.read_text(errors="replace").strip().splitlines()
    said = f": {lines[-1].strip()[:_MOST_SAID]}" if lines else ""
    return f"its build ended with status {status}{said}; its output is in {log}"


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group, which was started for it."""
    if process.poll() is not None:
        return
    for order in (signal.SIGTERM, signal.SIGKILL):  # the latter for those that outlive the first of the group
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, order)
            process.wait(_GRACE_S)
