"""From an endpoint to an authenticated SSH session, or to the sentence that says why not."""

from __future__ import annotations

import base64
import hashlib
import logging
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import paramiko
from paramiko.config import SSHConfig
from paramiko.hostkeys import InvalidHostKey
from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    IncompatiblePeer,
    PasswordRequiredException,
    SSHException,
)

from bnnbench.devices.errors import AuthError, DeviceError, HostKeyError, InventoryError, Unreachable
from bnnbench.devices.spec import DeviceSpec
from bnnbench.devices.transport.endpoint import Endpoint, endpoint
from bnnbench.devices.transport.ssh_packets import BoundedTransport

CONNECT_TIMEOUT_S = 10.0
_MAX_JUMPS = 4

# Without a handler of its own, Python prints the library's tracebacks on the user's terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Login:
    """An authenticated session to a device, and the sessions to the jump hosts before it."""

    def __init__(self, spec: DeviceSpec, config: SSHConfig, *, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Connect. Raises HostKeyError, AuthError, Unreachable or InventoryError."""
        self._clients: list[paramiko.SSHClient] = []
        self._proxies: list[subprocess.Popen[bytes]] = []
        self._timeout_s = timeout_s
        self._config = config
        try:
            client = self._connect(spec, endpoint(spec, config), 0)
        except BaseException:
            self.close()
            raise
        transport = client.get_transport()
        assert transport is not None
        self.transport: paramiko.Transport = transport

    def close(self) -> None:
        """End the device's session first, then its jump hosts'."""
        while self._clients:
            self._clients.pop().close()
        while self._proxies:
            proxy = self._proxies.pop()
            proxy.terminate()
            proxy.wait()

    def _connect(self, spec: DeviceSpec, target: Endpoint, depth: int) -> paramiko.SSHClient:
        for identity in target.identity_files:
            if spec.identity_file == identity and not identity.is_file():
                raise InventoryError(f"Device {spec.name!r}: identity_file {identity} does not exist.")
        client = paramiko.SSHClient()
        _load_known_hosts(client, target)
        client.set_missing_host_key_policy(_Refuse(target))
        keys = [str(path) for path in target.identity_files if path.is_file()]
        with _sentences(spec, target):
            sock = self._socket(spec, target, depth)
            self._clients.append(client)
            client.connect(
                target.host_key_alias or target.host,
                # A HostKeyAlias stands in known_hosts without a port, as a host on port 22 does.
                port=22 if target.host_key_alias else target.port,
                username=target.user,
                key_filename=keys,  # type: ignore[arg-type]  # a list is documented and works
                look_for_keys=not target.identity_files,
                allow_agent=not target.identities_only,
                sock=sock,
                timeout=self._timeout_s,
                banner_timeout=self._timeout_s,
                auth_timeout=self._timeout_s * 2,
                channel_timeout=self._timeout_s,
                transport_factory=BoundedTransport,
            )
        return client

    def _socket(self, spec: DeviceSpec, target: Endpoint, depth: int) -> socket.socket | paramiko.Channel:
        if target.jump:
            return self._through(spec, target, depth)
        if target.proxy_command:
            return self._proxy(target.proxy_command)
        timeout_s = target.connect_timeout_s or self._timeout_s
        sock = socket.create_connection((target.host, target.port), timeout=timeout_s)
        # Requests are one short line each: waiting to fill a packet would cost every one of them.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _proxy(self, command: str) -> socket.socket:
        """Our end of a socket pair whose other end is the ProxyCommand's stdin and stdout."""
        ours, theirs = socket.socketpair()
        with theirs:
            # The command is the user's own shell line from ~/.ssh/config, and meant for a shell.
            argv = ["sh", "-c", f"exec {command}"]
            self._proxies.append(
                # Not in the terminal's group: Ctrl-C must leave us a connection to clean up over.
                subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        return ours

    def _through(self, spec: DeviceSpec, target: Endpoint, depth: int) -> paramiko.Channel:
        """A channel to `target` through its jump hosts, each of them logged in to in turn."""
        from bnnbench.devices.inventory import Inventory, resolve

        if depth >= _MAX_JUMPS:
            raise InventoryError(f"~/.ssh/config, host {target.alias!r}: ProxyJump goes round in a circle.")
        # The last jump host opens the way to the target; what comes before it leads to that host.
        first, _, last = (target.jump or "").rpartition(",")
        hop_spec = resolve(f"ssh://{last.strip().removeprefix('ssh://')}", Inventory())
        hop_spec = replace(hop_spec, known_hosts=spec.known_hosts, is_found=spec.is_found)
        hop = endpoint(hop_spec, self._config)
        if first:
            hop = _with_jump(hop, first)
        client = self._connect(hop_spec, hop, depth + 1)
        transport = client.get_transport()
        assert transport is not None
        return transport.open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=self._timeout_s
        )


class _Refuse(paramiko.MissingHostKeyPolicy):
    """Refuses an unknown key with the sentence that says how to accept it."""

    def __init__(self, target: Endpoint) -> None:
        self._target = target

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        target = self._target
        raise HostKeyError(
            f"The host key of {target.key_name} is not known ({_fingerprint(key)}): compare it with the "
            "device's own (`ssh-keygen -lf` on /etc/ssh/ssh_host_*_key.pub there) and accept it with "
            f"`{_accept(target)}`."
        )


def _load_known_hosts(client: paramiko.SSHClient, target: Endpoint) -> None:
    files = [*target.known_hosts]
    if target.found_known_hosts and _holder(target) is None:
        files.append(target.found_known_hosts)
    for path in files:
        try:
            client.load_system_host_keys(str(path))
        except OSError:
            continue  # A file that does not exist knows no host: the key is then refused with a sentence.
        except (InvalidHostKey, UnicodeDecodeError) as error:
            raise HostKeyError(f"{path} holds a damaged line ({error}); remove that line.") from error


def _accept(target: Endpoint) -> str:
    file = shlex.quote(str(target.known_hosts[0]))
    if target.jump or target.proxy_command or target.host_key_alias:
        return f"ssh -o UserKnownHostsFile={file} {shlex.quote(target.alias)}"
    return f"ssh-keyscan -p {target.port} {shlex.quote(target.host)} >> {file}"


def _fingerprint(key: paramiko.PKey) -> str:
    digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
    return f"{key.get_name()} SHA256:{digest}"


def _with_jump(hop: Endpoint, jump: str) -> Endpoint:
    return replace(hop, jump=jump, proxy_command=None)


@contextmanager
def _sentences(spec: DeviceSpec, target: Endpoint) -> Iterator[None]:
    """Turn whatever connecting raises into this package's errors."""
    where = f"device {spec.name!r} ({target.user}@{target.host}, port {target.port})"
    try:
        yield
    except DeviceError:
        raise
    except BadHostKeyException as error:
        holder = _holder(target) or target.found_known_hosts
        raise HostKeyError(
            f"The host key of {target.key_name} has changed (it is now {_fingerprint(error.key)}): somebody "
            "may be in between, or the device was set up anew; if you know why, remove the old key with "
            f"`ssh-keygen -R {shlex.quote(target.key_name)} -f {shlex.quote(str(holder))}` and "
            f"accept the new one with `{_accept(target)}`."
        ) from error
    except PasswordRequiredException as error:
        raise AuthError(f"The key for {where} is locked by a passphrase; unlock it with `ssh-add`.") from error
    except AuthenticationException as error:
        raise AuthError(f"{where} refused your keys; {_key_advice(target)}.") from error
    except socket.gaierror as error:
        raise Unreachable(
            f"The host name of {where} cannot be resolved ({error.strerror}); check host= or ~/.ssh/config."
        ) from error
    except TimeoutError as error:
        raise Unreachable(f"{where} did not answer in time; is it on, and in this network?") from error
    except IncompatiblePeer as error:
        raise Unreachable(f"{where} offers no algorithm in common ({error}); update its SSH server.") from error
    except OSError as error:
        raise Unreachable(f"{where} cannot be reached: {error.strerror or error}; is its SSH server on?") from error
    except (SSHException, EOFError) as error:
        if "No authentication methods" in str(error):
            raise AuthError(f"There is no key to offer to {where}; {_key_advice(target)}.") from error
        by = f" through the ProxyCommand `{target.proxy_command}`" if target.proxy_command else ""
        raise Unreachable(f"{where} does not speak SSH{by}: {error or 'it hung up'}.") from error


def _holder(target: Endpoint) -> Path | None:
    """The first known_hosts file that has a key under the target's name."""
    for path in target.known_hosts:
        try:
            keys = paramiko.HostKeys(str(path))
        except (OSError, InvalidHostKey, UnicodeDecodeError):
            continue
        if keys.lookup(target.key_name) is not None:
            return path
    return None


def _key_advice(target: Endpoint) -> str:
    at = f"-p {target.port} " if target.port != 22 else ""
    return (
        f"set identity_file=, run `ssh-add`, or install a key with `ssh-copy-id {at}"
        f"{shlex.quote(f'{target.user}@{target.host}')}`"
    )
