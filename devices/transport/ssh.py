"""A device reached by SSH: OpenSSH or dropbear, any login shell, no SFTP needed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import paramiko
from paramiko.ssh_exception import ChannelException, SSHException

from bnnbench.devices.errors import CommandFailed, CommandTimeout, DeviceError, TooMuchOutput, told_as
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.bounded import Bounded
from bnnbench.devices.transport.endpoint import user_config
from bnnbench.devices.transport.marks import Mark
from bnnbench.devices.transport.posix import PosixTransport
from bnnbench.devices.transport.protocol import MAX_OUTPUT_BYTES, Completed, RemoteProcess
from bnnbench.devices.transport.quoting import command_line
from bnnbench.devices.transport.ssh_link import LOST_AFTER_S, Link
from bnnbench.devices.transport.ssh_login import CONNECT_TIMEOUT_S, Login
from bnnbench.devices.transport.ssh_order import OrderedSending
from bnnbench.devices.transport.ssh_process import SshProcess, complete, end, send_kill

# dropbear refuses longer commands; 9000 is its limit.
MAX_COMMAND_BYTES = 8900
_START_AGAIN_S = (0.1, 1.0)
_BEGIN_S = 30.0
"""A slow board with a long profile."""


class SshTransport(PosixTransport):
    """One SSH session to a device; commands and processes are channels of it."""

    def __init__(
        self,
        spec: DeviceSpec,
        *,
        ssh_config: Path | None = None,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        lost_after_s: float = LOST_AFTER_S,
    ) -> None:
        """Connect. Raises HostKeyError, AuthError, Unreachable or InventoryError."""
        super().__init__(spec)
        self._login = Login(spec, user_config(ssh_config), timeout_s=connect_timeout_s)
        self._link = Link(self._login.transport, spec.name, lost_after_s=lost_after_s)

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30, input: bytes = b"", limit_bytes: int = MAX_OUTPUT_BYTES
    ) -> Completed:
        deadline, what = time.monotonic() + timeout_s, f"{argv[0]!r} on {self._name()}"
        stdout, stderr = Bounded(limit_bytes, what), Bounded(MAX_OUTPUT_BYTES, what)
        mark = Mark()
        line = self._line(argv, mark)
        with told_as(CommandFailed, f"{what} failed"):
            channel = self._start(line)
            try:
                return complete(channel, self._link, mark, input, deadline, stdout, stderr)
            except TimeoutError:
                send_kill(channel)
                raise CommandTimeout(f"{what} was not done after {timeout_s:g} s.") from None
            except (CommandTimeout, TooMuchOutput):
                send_kill(channel)
                raise
            finally:
                end(channel, self._link)

    def spawn(self, argv: Sequence[str], *, cwd: str) -> RemoteProcess:
        mark = Mark()
        line = self._line(argv, mark, cwd)
        with told_as(CommandFailed, f"{argv[0]!r} on {self._name()} cannot be started"):
            process = SshProcess(self._start(line), self._link, mark)
            try:
                process.begin(time.monotonic() + _BEGIN_S)
            except BaseException:
                process.kill()
                raise
            return process

    def close(self) -> None:
        self._link.stop()
        self._login.close()

    def _line(self, argv: Sequence[str], mark: Mark, cwd: str | None = None) -> str:
        line = command_line(argv, mark, cwd=cwd)
        if len(line.encode()) > MAX_COMMAND_BYTES:
            raise CommandFailed(
                f"The command {argv[0]!r} for {self._name()} is longer than the {MAX_COMMAND_BYTES} bytes "
                "that every SSH server takes; send its data on stdin."
            )
        return line

    def _start(self, line: str) -> paramiko.Channel:
        for wait_s in _START_AGAIN_S:
            try:
                return self._start_once(line)
            except SSHException:  # it did not begin: a server short of processes, or dropbear ending another command
                self._link.check()
                time.sleep(wait_s)
        try:
            return self._start_once(line)
        except SSHException as error:
            self._link.check()
            raise CommandFailed(f"{self._name()} did not take a command: {error}.") from error

    def _start_once(self, line: str) -> paramiko.Channel:
        """Raises SSHException for a command that did not begin."""
        self._link.check()
        try:
            channel = self._login.transport.open_session(timeout=CONNECT_TIMEOUT_S)
            channel.transport = OrderedSending(self._login.transport, channel)  # type: ignore[assignment]
            channel.exec_command(line)
        except ChannelException as error:
            raise DeviceError(
                f"{self._name()} takes no command, or no other one, on this connection "
                f"({self._login.transport.refusal or error.text}); raise MaxSessions in its sshd_config."
            ) from error
        except (OSError, EOFError) as error:
            self._link.check()
            raise CommandFailed(f"{self._name()} did not take a command: {error}.") from error
        return channel
