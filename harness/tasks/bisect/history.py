"""The commits of a git repository between a good and a bad one, and a worktree to build them in."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...errors import CallError, CannotMeasure

_TIMEOUT_S = 300
_FIELD, _END = "\x1f", "\x1e"


class Commit(msgspec.Struct, frozen=True):
    """`date` is the author's, ISO 8601 without time."""

    sha: str
    subject: str
    author: str
    date: str

    @property
    def short(self) -> str:
        """As people write it."""
        return self.sha[:12]

    @property
    def text(self) -> str:
        """In a sentence."""
        return f"{self.short} ({self.subject}, {self.author}, {self.date})"


@dataclass(frozen=True, slots=True)
class History:
    """`commits` come after `good`, the oldest first; the last is the bad one. `merges`: how many of them are merges."""

    repository: Path
    good: Commit
    commits: list[Commit]
    merges: int


def read_history(folder: Path, good: str, bad: str, paths: Sequence[str] = ()) -> History:
    """By first parents, so that a merge counts as one commit, and with `paths` only commits that change these. Raises
    CallError."""
    repository = Path(git(folder, "rev-parse", "--show-toplevel").strip())
    first, last = (_resolved(repository, name) for name in (good, bad))
    if first == last:
        raise CallError(f"--good {good} and --bad {bad} are the same commit {first[:12]}; name two different ones.")
    if not _is_ancestor(repository, first, last):
        why = "it comes after it" if _is_ancestor(repository, last, first) else "their histories have parted"
        raise CallError(
            f"--good {good} is not an ancestor of --bad {bad}: {why}; name an earlier commit of its history."
        )
    scope = ["--", *paths] if paths else []
    commits = _listed(repository, "--first-parent", "--reverse", f"{first}..{last}", *scope)
    if not commits:
        raise CallError(f"no commit between --good {good} and --bad {bad} changes {', '.join(paths)}.")
    merges = git(repository, "rev-list", "--first-parent", "--merges", "--count", f"{first}..{last}", *scope)
    return History(repository, _listed(repository, "--no-walk", first)[0], commits, int(merges))


class Worktree:
    """A second checkout of the repository, at `path`, which nobody else uses; kept from commit to commit, with what
    builds leave in it, as `git bisect` does."""

    def __init__(self, repository: Path, path: Path) -> None:
        self.repository, self.path = repository, path

    def checkout(self, sha: str) -> None:
        """Raises CannotMeasure."""
        try:
            if (self.path / ".git").exists():
                git(self.path, "checkout", "--quiet", "--force", "--detach", sha)
                return
            self.remove()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            git(self.repository, "worktree", "add", "--quiet", "--force", "--detach", str(self.path), sha)
        except CallError as error:
            raise CannotMeasure(f"commit {sha[:12]} cannot be checked out: {error}") from error

    def remove(self) -> None:
        """What git knows of it, too."""
        with contextlib.suppress(CallError):
            git(self.repository, "worktree", "remove", "--force", "--force", str(self.path))
        shutil.rmtree(self.path, ignore_errors=True)
        with contextlib.suppress(CallError):
            git(self.repository, "worktree", "prune")


def git(folder: Path, *words: str) -> str:
    """What git prints. Raises CallError with its first line of complaint."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=False,
            env=environment,
        )
    except FileNotFoundError:
        raise CallError("git is not installed, and bisect needs it; install git.") from None
    except subprocess.TimeoutExpired:
        raise CallError(f"git {words[0]} did not end within {_TIMEOUT_S} s in {folder}.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it says nothing"]
        raise CallError(f"git {words[0]} failed in {folder}: {said[0].rstrip('.')}.")
    return done.stdout.decode(errors="replace")


def _resolved(repository: Path, name: str) -> str:
    if not name or name.startswith("-"):
        raise CallError(f"{name!r} is not the name of a commit; write a tag, a branch or a hash.")
    try:
        return git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except CallError:
        raise CallError(f"{name!r} is no commit of {repository}; write a tag, a branch or a hash.") from None


def _is_ancestor(repository: Path, first: str, last: str) -> bool:
    return git(repository, "merge-base", first, last).strip() == first if _related(repository, first, last) else False


def _related(repository: Path, first: str, last: str) -> bool:
    try:
        return bool(git(repository, "merge-base", first, last).strip())
    except CallError:
        return False


def _listed(repository: Path, *words: str) -> list[Commit]:
    form = f"--format=%H{_FIELD}%s{_FIELD}%an{_FIELD}%ad{_END}"
    text = git(repository, "log", "--no-show-signature", "--no-color", "--date=short", form, *words)
    rows = [row.strip("\n").split(_FIELD) for row in text.split(_END) if row.strip()]
    return [Commit(*row) for row in rows]
