"""What `ssh` itself would use for a host: the answer of `ssh -G`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.transport.ssh_tokens import has_account

_OLDEST: Final = (6, 8)  # the first with -G
_FORKING: Final = (8, 7)  # the first with ForkAfterAuthentication
_VERSION: Final = re.compile(r"OpenSSH(?:_for_Windows)?_(\d+)\.(\d+)")
_ANSWER_S: Final = 30.0  # `Match exec` runs commands, and canonicalisation asks name servers
_WORDS_MAX: Final = 400
_MAY_BE_NONE: Final = frozenset({"proxyjump", "proxycommand", "knownhostscommand", "connecttimeout"})
_LISTS: Final = ("userknownhostsfile", "globalknownhostsfile")
_PATHS: Final = ("IdentityFile", "CertificateFile", "IdentityAgent", "UserKnownHostsFile", "RevokedHostKeys")


@dataclass(frozen=True, slots=True)
class Settings:
    """Keywords in lower case, each with its values in order; those in `expanded` have had their tokens replaced."""

    values: Mapping[str, tuple[str, ...]]
    expanded: frozenset[str] = frozenset()

    def all(self, keyword: str) -> tuple[str, ...]:
        """Every value of a keyword that may have several."""
        return self.values.get(keyword, ())

    def one(self, keyword: str) -> str | None:
        """A keyword's value; None where it has none, or where ssh takes its `none` so."""
        value = next(iter(self.all(keyword)), None)
        return None if value and keyword in _MAY_BE_NONE and value.lower() == "none" else value


class SshConfig(Protocol):
    """A user's configuration of ssh."""

    @property
    def path(self) -> Path | None:
        """The file to read instead of ssh's usual ones."""

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        """What holds for `host` when `user` and `port` are asked for. Raises InventoryError."""


@dataclass(frozen=True, slots=True)
class OpenSsh:
    """Asks the `ssh` that is installed."""

    program: str
    path: Path | None = None

    def settings(self, host: str, user: str | None, port: int | None) -> Settings:
        argv = [self.program, *_config_words(self.path), *(["-l", user] if user else [])]
        argv += ["-p", str(port)] if port else []
        if _version(self.program) >= _FORKING:  # which is refused without a command, even for -G
            argv += ["-o", "ForkAfterAuthentication=no"]
        status, output, errors = _answer([*argv, "-G", "--", host], host)
        if status != 0:
            lines = [line.strip().rstrip(".") for line in errors.split("\n")]
            message = "; ".join(line for line in lines if line and "terminating," not in line)[:_WORDS_MAX]
            raise InventoryError(
                f"ssh cannot read its configuration for host {host!r}: {message or f'status {status}'}; "
                "correct that file."
            )
        values: dict[str, tuple[str, ...]] = {}
        for line in output.split("\n"):
            keyword, _, value = line.partition(" ")
            values[keyword.lower()] = (*values.get(keyword.lower(), ()), value)
        for keyword in _LISTS:
            if keyword in values:
                values[keyword] = _file_names(host, keyword, values[keyword][0])
        return Settings(values, _expanded(self.program))


def _file_names(host: str, keyword: str, text: str) -> tuple[str, ...]:
    """The files of a line in which ssh prints several without quotes. Raises InventoryError when it is not clear."""
    names = re.split(r" (?=[/~%$])", text)
    relative = names[0][:1] not in "/~%$" and any(" " in name for name in names)
    if relative or any(Path(f"{first} {second}").exists() for first, second in pairwise(names)):
        raise InventoryError(
            f"~/.ssh/config, host {host!r}: {keyword} {text!r} is ambiguous; write full names without spaces."
        )
    return tuple(names)


def openssh(path: Path | None = None) -> OpenSsh | None:
    """The OpenSSH client that is installed here, reading `path`; None where there is none that tells its settings."""
    program = shutil.which("ssh")
    if program is None or not has_account() or _version(program) < _OLDEST:
        return None
    return OpenSsh(program, path)


def _config_words(path: Path | None) -> list[str]:
    if path is None:
        return []
    return ["-F", str(path) if path.exists() else "none"]


@cache
def _version(program: str) -> tuple[int, int]:
    """Its version; 0.0 for what is not OpenSSH, as dropbear's `ssh`, which would connect when asked for -G."""
    _, output, errors = _answer([program, "-V"], "")
    match = _VERSION.search(output + errors)
    return (int(match[1]), int(match[2])) if match else (0, 0)


@cache
def _expanded(program: str) -> frozenset[str]:
    """The keywords whose tokens are replaced in what it prints, which differs between versions."""
    options = [word for keyword in _PATHS for word in ("-o", f"{keyword}=/%%")]
    _, output, _ = _answer([program, "-F", "none", *options, "-G", "--", "host"], "host")
    return frozenset(line.partition(" ")[0] for line in output.split("\n") if line.endswith(" /%"))


def _answer(argv: list[str], host: str) -> tuple[int, str, str]:
    """Status, stdout and stderr of an `ssh` that connects to nothing. Raises InventoryError."""
    # A group of its own, which ends with it: `Match exec` may have started anything.
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True)
    except OSError as error:
        raise InventoryError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    with process:
        try:
            output, errors = process.communicate(timeout=_ANSWER_S)
        except subprocess.TimeoutExpired:
            if sys.platform == "win32":
                process.kill()
            else:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            raise InventoryError(
                f"`ssh -G {host}` was not done after {_ANSWER_S:g} s; look for `Match exec` in ~/.ssh/config."
            ) from None
    # File names are bytes; ssh prints them as they are.
    return process.returncode, os.fsdecode(output), os.fsdecode(errors)
