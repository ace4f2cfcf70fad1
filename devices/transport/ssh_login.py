"""From an endpoint to an authenticated SSH session, or to the sentence that says why not."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import paramiko
from paramiko.ssh_exception import ChannelException, IncompatiblePeer, SSHException

from bnnbench.devices.errors import DeviceError, InventoryError, Unreachable
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.endpoint import Endpoint, endpoint, hop
from bnnbench.devices.transport.host_key import host_key_check
from bnnbench.devices.transport.ssh_auth import log_in
from bnnbench.devices.transport.ssh_packets import BoundedTransport, printable
from bnnbench.devices.transport.ssh_proxy import Proxy
from bnnbench.devices.transport.ssh_settings import SshConfig

CONNECT_TIMEOUT_S = 10.0
_MAX_JUMPS = 4
_FORWARDING: Final = {  # RFC 4254, 5.1: why a channel was not opened
    1: "does not let connections through ({text}); allow them in its sshd_config (AllowTcpForwarding yes, PermitOpen)",
    2: "cannot connect there ({text}); is its SSH server on, and does its name mean that machine there?",
    3: "cannot let connections through ({text}); its SSH server was built without; take another jump host",
    4: "has no room for another connection ({text}); close some there, or raise its limits",
}
_NO_ALGORITHMS: Final = ("ext-info-", "kex-strict-")  # signs among the names of key exchanges
_NOT_THROUGH: Final = "did not let a connection through ({text}); see its log"

# Without a handler of its own, Python prints the library's tracebacks on the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Login:
    """An authenticated session to a device, and the sessions to the jump hosts before it."""

    def __init__(self, spec: DeviceSpec, config: SshConfig, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Connect. Raises HostKeyError, AuthError, Unreachable or InventoryError."""
        self._sessions: list[paramiko.Transport] = []
        self._proxies: list[Proxy] = []
        self._timeout_s = timeout_s
        self._config = config
        try:
            if spec.identity_file and not _exists(spec.identity_file):
                raise InventoryError(f"Device {spec.name!r}: identity_file {spec.identity_file} does not exist.")
            self.transport: BoundedTransport = self._connect(spec, endpoint(spec, config), 0)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the device's session first, then its jump hosts'."""
        while self._sessions:
            self._sessions.pop().close()
        while self._proxies:
            self._proxies.pop().close()

    def _connect(self, spec: DeviceSpec, target: Endpoint, depth: int) -> BoundedTransport:
        check = host_key_check(target)
        timeout_s = target.connect_timeout_s or self._timeout_s
        with _sentences(target):
            sock = self._socket(spec, target, depth)
            address = None if target.jump or target.proxy_command else sock.getpeername()[0]
            try:
                session = BoundedTransport(sock)
                self._sessions.append(session)
                _restrict(session, target)
                session.get_security_options().key_types = check.preferred(session.get_security_options().key_types)
                session.banner_timeout = timeout_s
                session.channel_timeout = self._timeout_s
                session.start_client(timeout=timeout_s)
                if not session.initial_kex_done:
                    raise TimeoutError
            except IncompatiblePeer as error:
                raise Unreachable(f"{target.title} {_nothing_in_common(session, error)}.") from error
            except (SSHException, EOFError, OSError) as error:
                raise self._with_proxy(target, _of_banner(error)) from error
            check.check(session.get_remote_server_key(), address)
            log_in(session, target, self._timeout_s * 2)
        return session

    def _socket(self, spec: DeviceSpec, target: Endpoint, depth: int) -> socket.socket | paramiko.Channel:
        if target.jump:
            return self._through(spec, target, depth)
        if target.proxy_command:
            try:
                self._proxies.append(Proxy(target.proxy_command))
            except OSError as error:
                raise Unreachable(
                    f"The ProxyCommand for {target.title} cannot be started: {error.strerror}; see $SHELL."
                ) from error
            return self._proxies[-1].socket
        sock = _tcp(target, target.connect_timeout_s or self._timeout_s)
        # Requests are one short line each: waiting to fill a packet would cost every one of them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _through(self, spec: DeviceSpec, target: Endpoint, depth: int) -> paramiko.Channel:
        """A channel to `target` through its jump hosts, each of them logged in to in turn."""
        if depth >= _MAX_JUMPS:
            raise InventoryError(f"~/.ssh/config, host {target.alias!r}: ProxyJump is circular.")
        # The last jump host opens the way to the target; what comes before it leads to that host.
        last = hop(target, spec, self._config)
        session = self._connect(spec, last, depth + 1)
        there = (target.host, target.port)
        timeout_s = target.connect_timeout_s or self._timeout_s
        try:
            return session.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=timeout_s)
        except ChannelException as error:
            why = _FORWARDING.get(error.code, _NOT_THROUGH).format(text=session.refusal or error.text)
        except SSHException as error:
            why = _NOT_THROUGH.format(text=error)
        raise Unreachable(f"{last.title} was asked for {target.host}, port {target.port}, and {why}.")

    def _with_proxy(self, target: Endpoint, error: Exception) -> Exception:
        """The error, or the ProxyCommand's own where there is one."""
        if target.jump or not target.proxy_command:
            return error
        message = f" ({printable(str(error).encode())})" if str(error) else ""
        hung = isinstance(error, TimeoutError)
        what = "did not carry a connection in time" if hung else f"carries no SSH connection{message}"
        return Unreachable(
            f"The ProxyCommand `{target.proxy_command}` {what} for {target.title}: {self._proxies[-1].report()}."
        )


def _exists(identity: Path) -> bool:
    """Whether there is a key, or the public part of one that an agent may hold."""
    return identity.is_file() or identity.with_name(f"{identity.name}.pub").is_file()


def _restrict(session: BoundedTransport, target: Endpoint) -> None:
    """Take from the library's algorithms those that ssh may use, in its order. Raises Unreachable."""
    options, allowed = session.get_security_options(), target.algorithms
    for name, keyword, wanted in (
        ("ciphers", "Ciphers", allowed.ciphers),
        ("digests", "MACs", allowed.macs),
        ("kex", "KexAlgorithms", allowed.key_exchanges),
    ):
        supported = getattr(options, name)
        kept = [item for item in wanted or supported if item in supported]
        if not kept:
            raise Unreachable(
                f"{keyword} of ~/.ssh/config leaves no supported algorithm for {target.title}; allow one of "
                f"{', '.join(supported)}."
            )
        setattr(options, name, kept)


def _nothing_in_common(session: BoundedTransport, error: IncompatiblePeer) -> str:
    """What is to be done, for the end of a sentence."""
    options, offered = session.get_security_options(), session.offered
    for what, keyword, ours, lists in (
        ("key exchange", "KexAlgorithms", options.kex, ("kex_algo_list",)),
        ("host key algorithm", "HostKeyAlgorithms", options.key_types, ("server_key_algo_list",)),
        ("cipher", "Ciphers", options.ciphers, ("client_encrypt_algo_list", "server_encrypt_algo_list")),
        ("MAC", "MACs", options.digests, ("client_mac_algo_list", "server_mac_algo_list")),
    ):
        for theirs in (offered[name] for name in lists if name in offered):
            if not set(ours) & set(theirs):
                kept = ", ".join(item for item in theirs if not item.startswith(_NO_ALGORITHMS))
                return (
                    f"offers no {what} that bnnbench's SSH library has and ~/.ssh/config allows (only "
                    f"{printable(kept.encode()) or 'none'}): enable one of {', '.join(ours)} there ({keyword} in its "
                    "sshd_config)"
                )
    return f"speaks another version of SSH ({printable(str(error).encode())}): update its SSH server"


def _of_banner(error: Exception) -> Exception:
    """What came instead of a server's first line; the library says of that only that it could not be read."""
    cause = error.__context__
    if isinstance(cause, TimeoutError):
        return TimeoutError()
    return EOFError("hung up before it said that it speaks SSH") if isinstance(cause, (EOFError, OSError)) else error


def _tcp(target: Endpoint, timeout_s: float) -> socket.socket:
    """A connection of the wanted family, from the wanted address. Raises OSError."""
    source = (target.bind_address, 0) if target.bind_address else None
    found = socket.getaddrinfo(target.host, target.port, target.family, socket.SOCK_STREAM)
    failure: OSError = OSError("it has no address")
    for *_, place in found:
        try:
            return socket.create_connection((str(place[0]), target.port), timeout_s, source)
        except OSError as error:
            failure = error
    raise failure


@contextmanager
def _sentences(target: Endpoint) -> Iterator[None]:
    """Turn whatever connecting raises into this package's errors."""
    where = target.title
    try:
        yield
    except DeviceError:
        raise
    except socket.gaierror as error:
        raise Unreachable(
            f"The host name of {where} cannot be resolved ({error.strerror}); check host= or ~/.ssh/config."
        ) from error
    except TimeoutError as error:
        raise Unreachable(f"{where} did not answer in time; is it on, and in this network?") from error
    except OSError as error:
        raise Unreachable(f"{where} cannot be reached: {error.strerror or error}; is its SSH server on?") from error
    except EOFError as error:
        raise Unreachable(f"{where} {str(error) or 'hung up'}; see its log.") from error
    except SSHException as error:
        message = printable(str(error).encode())  # it may hold what the server sent
        raise Unreachable(f"{where} does not speak SSH: {message}.") from error
