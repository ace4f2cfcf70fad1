"""No SSH packet is larger than packets are: paramiko would collect what any server says that it sends, up to 4 GiB."""

from __future__ import annotations

from typing import Any

import paramiko
from paramiko.ssh_exception import SSHException

MAX_PACKET_BYTES = 256 << 10
"""As OpenSSH has it; ours ask for 32 KiB."""


class BoundedTransport(paramiko.Transport):
    """A transport that refuses larger packets before it has read them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        read_all = self.packetizer.read_all

        def read_bounded(n: int, check_rekey: bool = False) -> bytes:
            if n > MAX_PACKET_BYTES:
                raise SSHException(f"it sent a packet of {n:,} bytes")
            return read_all(n, check_rekey)

        self.packetizer.read_all = read_bounded  # type: ignore[method-assign]
