"""Which host and user names are taken: OpenSSH's own rules, for a ProxyCommand puts them into a line of shell."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import Final

# Of ssh.c's valid_hostname and valid_ruser.
_NOT_IN_HOSTS: Final = frozenset("'`\"$\\;&<>|(){},")
_NOT_IN_USERS: Final = frozenset("'`\";&<>|(){}")
HOST_RULE: Final = (
    "a host name holds no spaces, control characters or any of '`\"$\\;&<>|(){}, and does not start with '-'"
)
USER_RULE: Final = (
    "a user name holds no control characters or any of '`\";&<>|(){}, no '-' at its start or after a space, and no "
    "'\\' at its end"
)


def is_host(name: str) -> bool:
    """Whether `ssh` would take it as a host name."""
    bad = any(char in _NOT_IN_HOSTS or char.isspace() or _is_control(char) for char in name)
    return bool(name) and not name.startswith("-") and not bad


def is_user(name: str) -> bool:
    """Whether `ssh` would take it as a remote user's name; control characters are refused as since version 10.1."""
    bad = any(item in _NOT_IN_USERS or _is_control(item) for item in name)
    after_space = any(value.isspace() and following == "-" for value, following in pairwise(name))
    return bool(name) and not (bad or after_space or name.startswith("-") or name.endswith("\\"))


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"
