"""A process on the far side of an SSH channel."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import paramiko
from paramiko.common import cMSG_CHANNEL_REQUEST
from paramiko.ssh_exception import SSHException

from bnnbench.devices.errors import DeviceLost
from bnnbench.devices.transport.bounded import Bounded
from bnnbench.devices.transport.lines import LineProcess
from bnnbench.devices.transport.marks import Mark, Marked, Streams
from bnnbench.devices.transport.protocol import Completed
from bnnbench.devices.transport.ssh_link import Link

_CHUNK_BYTES = 1 << 15
_POLL_S = 0.25
_STATUS_GRACE_S = 1.0
_END_GRACE_S, _END_POLL_S = 1.0, 0.002
_ENGINE_GRACE_S = 2.5  # longer than a launcher over there waits before it ends an engine that reads no input
NO_STATUS = -1


class SshProcess(LineProcess):
    """RemoteProcess over a channel on which a command was started."""

    def __init__(self, channel: paramiko.Channel, link: Link, mark: Mark) -> None:
        super().__init__()
        self._channel = channel
        self._link = link
        self._streams = Streams(mark, self._lines, self._tail)
        channel.settimeout(_POLL_S)
        self._drain = threading.Thread(target=_drain_stderr, args=(channel, link, self._streams.stderr), daemon=True)
        self._drain.start()

    def begin(self, deadline: float) -> None:
        """Wait until the command itself runs, whatever a login shell does before. Raises CommandFailed, DeviceLost."""
        while not self._streams.stdout.has_begun:
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise self._streams.late(self._link.title)
            if not self._receive(remaining_s):
                self._drain.join(_STATUS_GRACE_S)
                raise self._streams.refused(self._link.title)

    def stderr_tail(self) -> str:
        if self._channel.exit_status_ready():
            self._drain.join(_STATUS_GRACE_S)
        return super().stderr_tail()

    def close_stdin(self) -> None:
        with suppress(OSError, EOFError):  # Closed already is what was asked for.
            self._channel.shutdown_write()

    def wait(self, deadline: float) -> int | None:
        while not self._channel.status_event.wait(max(0.0, min(_POLL_S, deadline - time.monotonic()))):
            self._link.check()
            if time.monotonic() >= deadline:
                return None
        self._drain.join(_STATUS_GRACE_S)
        end_s = max(deadline, time.monotonic() + _STATUS_GRACE_S)
        # Where the streams are one, the status stands behind what nobody has read yet.
        while self._streams.status is None and time.monotonic() < end_s:
            if not self._receive(end_s - time.monotonic()):
                break
        status = exit_status(self._channel, self._link)
        if self._streams.status is None:
            raise self._streams.cut_off(self._link.title, status)
        return self._streams.status

    def kill(self) -> None:
        end(self._channel, self._link, _ENGINE_GRACE_S)

    def _receive(self, timeout_s: float) -> bool:
        if self._streams.stdout.has_ended:
            return False
        self._channel.settimeout(max(0.001, min(_POLL_S, timeout_s)))
        try:
            data = self._channel.recv(_CHUNK_BYTES)
        except TimeoutError:
            self._link.check()
            return True
        if data:
            self._link.heard()
            self._streams.stdout.feed(data)
        else:
            self._streams.stdout.flush()
            self._check_end()
        return bool(data)

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[self._channel.send(bytes(view[:_CHUNK_BYTES])) :]
                self._link.heard()
            except TimeoutError:
                self._link.check()
                if time.monotonic() >= deadline:
                    raise
            except OSError as error:
                self._exit_status()
                raise EOFError("The process's input is closed.") from error

    def _check_end(self) -> None:
        """After the end of stdout: raise DeviceLost or CommandFailed unless the process has told its own end there."""
        status = self._exit_status()
        if self._streams.stdout.was_cut_off:
            raise self._streams.cut_off(self._link.title, status)

    def _exit_status(self) -> int | None:
        """What the server says of a process that has ended, if it does. Raises DeviceLost."""
        has_ended = self._channel.status_event.wait(_STATUS_GRACE_S)
        self._link.check()
        return exit_status(self._channel, self._link) if has_ended else None


def complete(
    channel: paramiko.Channel, link: Link, mark: Mark, input: bytes, deadline: float, stdout: Bounded, stderr: Bounded
) -> Completed:
    """See a started command through to its end.

    Raises TimeoutError, CommandTimeout for one that never began, CommandFailed for one that was refused or whose
    output was cut off, TooMuchOutput and DeviceLost.
    """
    channel.settimeout(_POLL_S)
    streams = Streams(mark, stdout, stderr)
    feeder = threading.Thread(target=_feed, args=(channel, link, input), daemon=True)
    drain = threading.Thread(target=_drain_stderr, args=(channel, link, streams.stderr), daemon=True)
    drain.start()
    while True:
        if feeder.ident is None and (streams.stdout.has_begun or not input):
            feeder.start()  # no sooner: a login shell's own commands may read the input
        stderr.check()
        if time.monotonic() >= deadline:
            raise TimeoutError if streams.stdout.has_begun else streams.late(link.title)
        try:
            data = channel.recv(_CHUNK_BYTES)
        except TimeoutError:
            link.check()
            continue
        if not data:
            break
        link.heard()
        streams.stdout.feed(data)
        stdout.check()
    streams.stdout.flush()
    while not channel.status_event.wait(_POLL_S):
        link.check()
        stderr.check()
        if time.monotonic() >= deadline:
            raise TimeoutError
    drain.join(max(0.0, deadline - time.monotonic()))
    stderr.check()
    if streams.stdout.status is None:
        status = exit_status(channel, link)
        raise streams.cut_off(link.title, status) if streams.stdout.has_begun else streams.refused(link.title)
    return Completed(streams.stdout.status, stdout.bytes(), stderr.bytes())


def send_kill(channel: paramiko.Channel) -> None:
    """Ask the server to kill the command's shell, after whose end alone dropbear closes its pipes. Never raises."""
    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)
    message.add_string("KILL")
    with suppress(OSError, EOFError, SSHException):
        # paramiko has no call for it.
        channel.transport._send_user_message(message)  # type: ignore[union-attr]


def end(channel: paramiko.Channel, link: Link, grace_s: float = _END_GRACE_S) -> None:
    """End the command's input, see it end by that for a moment, and close its channel. Never raises.

    dropbear may close the channel that is opened next, too, when one is closed whose command still runs.
    """
    with suppress(OSError, EOFError, SSHException):
        channel.shutdown_write()
    deadline = time.monotonic() + grace_s
    while not (channel.closed or link.is_dead()) and time.monotonic() < deadline:
        time.sleep(_END_POLL_S)
    with suppress(OSError, EOFError, SSHException):
        channel.close()


def exit_status(channel: paramiko.Channel, link: Link) -> int:
    """The status of an ended command; none at all means that it, or the link, was cut off."""
    if channel.exit_status == NO_STATUS:
        if not link.is_dead():
            raise DeviceLost(f"{link.title} ended a command without a status; its SSH server cut it off.")
        raise link.lost()
    return channel.exit_status


def _feed(channel: paramiko.Channel, link: Link, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view and not channel.closed:
            try:
                view = view[channel.send(bytes(view[:_CHUNK_BYTES])) :]
                link.heard()
            except TimeoutError:
                link.check()
        channel.shutdown_write()
    except (OSError, EOFError, DeviceLost):
        return  # The command stopped reading or the link died; whoever waits for the status is told.


def _drain_stderr(channel: paramiko.Channel, link: Link, sink: Marked) -> None:
    while True:
        try:
            data = channel.recv_stderr(_CHUNK_BYTES)
        except TimeoutError:
            continue
        if not data:
            return sink.flush()
        link.heard()
        sink.feed(data)
