"""What `~`, `%h`, `${VAR}` and their like stand for in ssh_config(5)."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bnnbench.devices.errors import InventoryError

if sys.platform != "win32":
    import pwd

_TOKEN: Final = re.compile(r"%(.?)|\$\{([^}]*)\}", re.DOTALL)
HOST_NAME: Final = "h"
COMMAND: Final = "hnpr"
FILE: Final = "CLdhiklnpru"


def home(user: str | None = None) -> str:
    """The user's home folder as ssh has it: by the password database, whatever $HOME says. Raises KeyError."""
    if sys.platform != "win32":
        return pwd.getpwnam(user).pw_dir if user else pwd.getpwuid(os.getuid()).pw_dir
    if user:
        raise KeyError(user)
    return str(Path.home())


def has_account() -> bool:
    """Whether the password database knows who runs this; ssh does nothing for others."""
    try:
        home()
    except KeyError:
        return False
    return True


def own_home() -> str:
    """The home folder, by $HOME where the password database knows nothing."""
    return home() if has_account() else str(Path.home())


def own_name() -> str:
    """The local user's name."""
    if sys.platform != "win32":
        return pwd.getpwuid(os.getuid()).pw_name if has_account() else os.environ.get("USER", str(os.getuid()))
    return getpass.getuser()


def own_number() -> str:
    """The local user's number, 0 where users have none."""
    if sys.platform != "win32":
        return str(os.getuid())
    return "0"


def tilde(path: str) -> str:
    """`path` with `~` or `~user` at its start replaced. Raises InventoryError for a user that does not exist."""
    if not path.startswith("~"):
        return path
    user, slash, rest = path[1:].partition("/")
    try:
        return (home(user) if user else own_home()) + slash + rest
    except KeyError:
        raise InventoryError(f"~/.ssh/config: {path!r} names a user that does not exist here.") from None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the tokens mean for one connection. `original` is what the user typed for `host`."""

    host: str
    original: str
    port: int
    user: str
    key_alias: str | None = None
    jump: str | None = None

    def path(self, keyword: str, text: str) -> str:
        """A file's name, with all that its keyword takes replaced. Raises InventoryError."""
        return self.expand(keyword, tilde(text), FILE, variables=True)

    def expand(self, keyword: str, text: str, taken: str, *, variables: bool = False) -> str:
        """`text` with the tokens `taken`, and `${VAR}` if `variables`, replaced. Raises InventoryError for others."""

        def value(match: re.Match[str]) -> str:
            letter, variable = match.groups()
            if variable is not None:
                if not variables:
                    return match[0]
                if variable not in os.environ:
                    raise self._refused(keyword, text, f"the environment has no {variable}")
                return os.environ[variable]
            if letter == "%":
                return "%"
            if not letter or letter not in taken:
                raise self._refused(keyword, text, f"%{letter} means nothing there")
            return self._value(keyword, text, letter)

        return _TOKEN.sub(value, text)

    def _value(self, keyword: str, text: str, letter: str) -> str:
        local = socket.gethostname()
        if letter == "C":
            if self.jump:  # whether the jump is part of it depends on ssh's version
                raise self._refused(keyword, text, "%C beside ProxyJump is not supported")
            return hashlib.sha1(f"{local}{self.host}{self.port}{self.user}".encode(), usedforsecurity=False).hexdigest()
        values = {"h": self.host, "n": self.original, "p": str(self.port), "r": self.user}
        values |= {"k": self.key_alias or self.original, "d": own_home(), "u": own_name(), "i": own_number()}
        return (values | {"l": local, "L": local.partition(".")[0]})[letter]

    def _refused(self, keyword: str, text: str, why: str) -> InventoryError:
        return InventoryError(f"~/.ssh/config, host {self.original!r}: {keyword} {text!r} cannot be used: {why}.")
