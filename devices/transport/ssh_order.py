"""Nothing is sent on an SSH channel after its end."""

from __future__ import annotations

import threading
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_CLOSE, cMSG_CHANNEL_REQUEST
from paramiko.ssh_exception import SSHException


class OrderedSending:
    """Stands before the transport of one channel, which it gives the channel's messages in order, up to its CLOSE.

    paramiko makes a channel's message under a lock and sends it after letting go of it, so a thread that ends a
    command's input, or asks for more of its output, can be overtaken by the one that answers the server's CLOSE. The
    server has forgotten the channel by then: it ends the connection, or takes the message for one to the next channel,
    which has the same number.
    """

    def __init__(self, transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        self._transport = transport
        self._channel = channel
        self._lock = threading.Lock()
        self._is_closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _send_user_message(self, message: paramiko.Message) -> None:
        if message.asbytes()[:1] == cMSG_CHANNEL_REQUEST and self._channel.closed:
            raise SSHException("Channel closed.")  # its answer would be waited for without end
        with self._lock:
            if not self._is_closed:
                self._is_closed = message.asbytes()[:1] == cMSG_CHANNEL_CLOSE
                self._transport._send_user_message(message)  # type: ignore[attr-defined]
