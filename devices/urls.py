"""Devices written as addresses: what follows `KIND://`, as an inventory entry and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from bnnbench.devices.errors import InventoryError
from bnnbench.devices.host_names import HOST_RULE, USER_RULE, is_host, is_user

_NAME_JUNK: Final = re.compile(r"[^A-Za-z0-9_.-]+")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_PLAIN: Final = "[]:()._-+,=@!~*'"
_SSH: Final = re.compile(r"(?:(?P<user>[^@]*)@)?(?P<host>\[[^]]*\]|[^:@]*)(?::(?P<port>.*))?")
_SSH_FORM: Final = "[user@]host[:port]"


@dataclass(frozen=True, slots=True)
class Url:
    """How addresses of one kind look.

    `form` is what help shows after `KIND://`. `read` makes the device's name and its inventory entry, without
    `transport`, of what follows `KIND://`, or raises InventoryError; `write` is its opposite.
    """

    form: str
    read: Callable[[str], tuple[str, dict[str, Any]]]
    write: Callable[[Mapping[str, Any]], str]


def url_of(key: str) -> Url:
    """For a kind whose devices are told apart by one key, as it is or with `%20` and the like."""

    def read(rest: str) -> tuple[str, dict[str, Any]]:
        value = _decoded(rest)
        return _NAME_JUNK.sub("-", value).lstrip("-._") or key, {key: value}

    return Url(key.upper(), read, lambda entry: quote(str(entry[key]), safe=_PLAIN))


def _decoded(text: str) -> str:
    """Of a zone like `[fe80::1%eth0]`, only `%25` stands for something else."""
    if re.fullmatch(r"\[[^]]*\](:.*)?", text):
        return text.replace("%25", "%")
    return unquote(text) if _ENCODED.search(text) else text


def _read_ssh(rest: str) -> tuple[str, dict[str, Any]]:
    address = f"ssh://{rest}"
    rest = rest.removesuffix("/")
    match = _SSH.fullmatch(rest)
    if match is None or "/" in rest:
        raise InventoryError(f"{address!r} is not an address; write ssh://{_SSH_FORM}.")
    user, host, port = match["user"], match["host"].strip("[]"), match["port"]
    if user is not None and ":" in user:
        raise InventoryError("An address takes no password; use a key or an agent: ssh://user@host.")
    if not host or user == "" or any(bad.isspace() or bad < " " for bad in rest) or host.startswith("-"):
        raise InventoryError(f"{address!r} lacks a usable host or user; write ssh://{_SSH_FORM}.")
    if not is_host(host):
        raise InventoryError(f"{address!r}: {host!r} cannot be a host: {HOST_RULE}.")
    if user is not None and not is_user(user):
        raise InventoryError(f"{address!r}: {user!r} cannot be a user: {USER_RULE}.")
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536):
        raise InventoryError(f"{address!r}: {port!r} is not a port; write a number from 1 to 65535.")
    entry = {"host": host, "user": user, "port": int(port) if port else None}
    return rest, {key: value for key, value in entry.items() if value is not None}


def _write_ssh(entry: Mapping[str, Any]) -> str:
    user, host, port = (entry.get(key) for key in ("user", "host", "port"))
    bracketed = f"[{host}]" if ":" in str(host) else host
    return (f"{user}@" if user else "") + f"{bracketed}" + (f":{port}" if port else "")


SSH: Final = Url(_SSH_FORM, _read_ssh, _write_ssh)
