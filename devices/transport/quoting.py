"""Writing an argument list so that a login shell hands it on unchanged."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

# Shells whose quoting is not POSIX's; a name that is not here is taken for a POSIX shell.
FOREIGN_SHELLS = frozenset({"csh", "tcsh", "fish", "nu", "xonsh", "elvish", "pwsh", "rc"})

# `sh` stays the parent, so that a signal's death is status 128+n and not a channel without a status.
_KEEP_STATUS = '"$@"; exit $?'
_IN_FOLDER = 'cd "$1" || exit 126; shift; "$@"; exit $?'
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 /._=:,-")


def command_line(argv: Sequence[str], *, cwd: str | None = None, foreign: bool = False) -> str:
    """One shell command that runs `argv`, in folder `cwd`; every value reaches the program as it is.

    With `foreign`, it holds no character that csh or fish reads differently from sh. Raises ValueError for
    what no command line can hold.
    """
    if not argv or any("\0" in argument for argument in argv):
        raise ValueError(f"not a command: {list(argv)!r}")
    if argv[0].startswith("-"):
        raise ValueError(f"a program's name must not start with '-': {argv[0]!r}")
    before = [_KEEP_STATUS, "sh"] if cwd is None else [_IN_FOLDER, "sh", cwd]
    line = shlex.join(["exec", "sh", "-c", *before, *argv])
    return _armour(line) if foreign else line


def _armour(line: str) -> str:
    """`line` as octal escapes, which mean the same between single quotes in sh, csh and fish."""
    octal = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in line.encode())
    return f"""exec sh -c 'eval "$(printf %b "$1")"' sh '{octal}'"""
