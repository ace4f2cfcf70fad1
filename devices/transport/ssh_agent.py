"""A key agent: which keys it holds, and its signatures. RFC draft-ietf-sshm-ssh-agent."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko

_LIST, _KEYS, _SIGN, _SIGNATURE = 11, 12, 13, 14
_LIST_S: Final = 5.0
_SIGN_S: Final = 60.0  # somebody may have to touch a token or to confirm
_MAX_BYTES: Final = 256 << 10
_MAX_KEYS: Final = 2048
_RSA_FLAGS: Final = {"rsa-sha2-256": 2, "rsa-sha2-512": 4}


class AgentError(Exception):
    """The agent did not do what it was asked for; says why."""


@dataclass(frozen=True, slots=True)
class AgentKey:
    """A key that the agent holds, or a certificate for one."""

    blob: bytes
    comment: str


class Agent:
    """A connection to the agent that listens at a socket."""

    def __init__(self, path: Path) -> None:
        """Connect. Raises AgentError."""
        family = getattr(socket, "AF_UNIX", None)
        if family is None:
            raise AgentError(f"the agent at {path} cannot be reached: this Python has no UNIX sockets")
        self._socket = socket.socket(family)
        self._socket.settimeout(_LIST_S)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise AgentError(f"the agent at {path} cannot be reached: {error.strerror or error}") from error

    def keys(self) -> list[AgentKey]:
        """What it holds. Raises AgentError."""
        reply = self._ask(bytes([_LIST]), _KEYS)
        count = min(reply.get_int(), _MAX_KEYS)
        pairs = [(reply.get_string(), reply.get_string()) for _ in range(count)]
        return [AgentKey(blob, comment.decode(errors="replace")) for blob, comment in pairs if blob]

    def sign(self, blob: bytes, data: bytes, algorithm: str) -> bytes:
        """A signature of `data` by the key `blob`. Raises AgentError."""
        flags = next((flag for name, flag in _RSA_FLAGS.items() if algorithm.startswith(name)), 0)
        request = paramiko.Message()
        request.add_byte(bytes([_SIGN]))
        request.add_string(blob)
        request.add_string(data)
        request.add_int(flags)
        self._socket.settimeout(_SIGN_S)
        return self._ask(request.asbytes(), _SIGNATURE).get_string()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _ask(self, request: bytes, wanted: int) -> paramiko.Message:
        try:
            self._socket.sendall(struct.pack(">I", len(request)) + request)
            length = int.from_bytes(self._read(4), "big")
            if not 0 < length <= _MAX_BYTES:
                raise AgentError(f"the agent sent a message of {length:,} bytes")
            reply = self._read(length)
        except OSError as error:
            raise AgentError(f"the agent did not answer ({error})") from error
        if reply[0] != wanted:
            raise AgentError("the agent refused")
        return paramiko.Message(reply[1:])

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise AgentError("the agent hung up")
            data += more
        return data
