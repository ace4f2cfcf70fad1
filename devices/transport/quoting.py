"""Writing an argument list so that a login shell hands it on unchanged, whichever shell that is."""

from __future__ import annotations

import shlex
import string
from collections.abc import Sequence
from typing import Final

from bnnbench.devices.transport.marks import Mark

# What means itself between single quotes in sh, csh and fish.
_PLAIN: Final = frozenset(string.printable[:95].encode()) - frozenset(b"'\\!")

# Before all else: options, functions and start files that a bash called `sh` takes from its environment, and would hand
# on. In its POSIX mode no function replaces a special builtin like `set`, `unset` or `eval`.
_CLEAN: Final = (
    "set +euxfvC; case ${BASH_VERSION+x} in x) export -n SHELLOPTS BASHOPTS; unset -f compgen; "
    "unset -f $(compgen -A function); esac; unset BASH_ENV ENV CDPATH; "
)


def command_line(argv: Sequence[str], mark: Mark, *, cwd: str | None = None) -> str:
    """One shell command that runs `argv`, in folder `cwd`, between its marks; every value reaches the program as it is.

    A command that cannot be started has status 126 or 127. Raises ValueError for what no command line can hold.
    """
    # `sh` stays the parent, so that a signal's death is status 128+n.
    run = '"$@"; set -- $?'
    if cwd is not None:
        run = f"if cd {shlex.quote(cwd)}; then {run}; else set -- 126; fi"
    return armoured(f"set -- {shlex.join(checked(argv))}; {mark.begin}; {run}; {mark.end}; exit $1")


def checked(argv: Sequence[str]) -> Sequence[str]:
    """`argv`, which a command line can hold. Raises ValueError."""
    if not argv or any("\0" in argument for argument in argv):
        raise ValueError(f"not a command: {list(argv)!r}")
    if argv[0].startswith("-"):
        raise ValueError(f"a program's name must not start with '-': {argv[0]!r}")
    return argv


def armoured(script: str) -> str:
    """A command that runs a script in `sh`, which the login shell sees as one word without anything to replace."""
    octal = "".join(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in script.encode())
    return f"""exec sh -c '{_CLEAN}eval "$(printf %b "$1")"' sh '{octal}'"""
