"""No SSH packet is larger than packets are: paramiko would collect what any server says that it sends, up to 4 GiB."""

from __future__ import annotations

from typing import Any

import paramiko
from paramiko.ssh_exception import SSHException

MAX_PACKET_BYTES = 256 << 10
"""As OpenSSH has it; ours ask for 32 KiB."""
_TEXT_MAX = 200


class BoundedTransport(paramiko.Transport):
    """A transport that refuses larger packets before it has read them, and keeps what the server says.

    `farewell` is why it hung up, and `refusal` why it opened no channel, if given; `offered` are its algorithms, by
    the names of RFC 4253, 7.1, as the library has them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.farewell = self.refusal = ""
        self.offered: dict[str, list[str]] = {}
        self.server_extensions: dict[str, bytes] = {}
        read_all = self.packetizer.read_all

        def read_bounded(n: int, check_rekey: bool = False) -> bytes:
            if n > MAX_PACKET_BYTES:
                raise SSHException(f"it sent a packet of {n:,} bytes")
            return read_all(n, check_rekey)

        self.packetizer.read_all = read_bounded  # type: ignore[method-assign]

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]
        if not ignore_first_byte:  # which our own have
            self.offered = {name: value for name, value in parsed.items() if name.endswith("algo_list")}
        return parsed

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = printable(m.get_string())

    def _parse_channel_open_failure(self, m: paramiko.Message) -> None:
        m.get_int()
        m.get_int()
        self.refusal = printable(m.get_string())
        m.rewind()
        super()._parse_channel_open_failure(m)  # type: ignore[misc]


def printable(text: bytes) -> str:
    """What a sentence on a terminal may hold of a server's text."""
    return "".join(char for char in text.decode(errors="replace") if char.isprintable())[:_TEXT_MAX]
