"""The keys that a user can log in with, in the order in which they are offered, and the files that give none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bnnbench.devices.transport.endpoint import Endpoint
from bnnbench.devices.transport.ssh_agent import Agent, AgentKey
from bnnbench.devices.transport.ssh_config_file import IDENTITIES
from bnnbench.devices.transport.ssh_key_files import (
    KeyFile,
    KeyFileError,
    fingerprint,
    key_type,
    read_certificate,
    read_key,
)
from bnnbench.devices.transport.ssh_tokens import tilde

Sign = Callable[[bytes, str], bytes]
"""A signature of data by an algorithm's name. Raises AgentError."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or a certificate for one, that may be offered.

    `blob` is what the server is shown. One without `sign` is known by its public part alone: `lack` says why.
    `what` is how errors call it, and `remedy` is what gives it a signature, if known.
    """

    what: str
    blob: bytes
    sign: Sign | None
    lack: str = ""
    remedy: str = ""

    @property
    def type(self) -> str:
        """As the blob says, like `ssh-ed25519`."""
        return key_type(self.blob)

    @property
    def title(self) -> str:
        """What, type and fingerprint."""
        return f"{self.what} ({fingerprint(self.blob)})"


@dataclass(frozen=True, slots=True)
class Candidates:
    """All keys in order, and why other files give none; `has_remedy` when one of these says what to do about it."""

    keys: tuple[Key, ...]
    useless: tuple[str, ...]
    has_remedy: bool


def candidates(target: Endpoint, agent: Agent | None, held: Sequence[AgentKey]) -> Candidates:
    """Keys of named files, then what the agent holds besides, then the usual files; certificates before all."""
    usual = {Path(tilde(name)) for name in IDENTITIES}
    by_agent = [] if agent is None else [_of_agent(agent, key) for key in held]
    files: list[tuple[bool, Key]] = []
    useless: list[str] = []
    has_remedy = False
    for path in target.identity_files:
        try:
            files.append((path in usual, _of_file(read_key(path), by_agent)))
        except FileNotFoundError:
            useless += [] if path in usual else [f"{path} does not exist"]
        except KeyFileError as error:
            useless.append(f"{path} {error}")
            has_remedy = has_remedy or bool(error.remedy)
    named = [key for is_usual, key in files if not is_usual]
    usual_keys = [key for is_usual, key in files if is_usual]
    free = [] if target.identities_only else by_agent
    plain = [*named, *free, *usual_keys]
    certified = _certified(target, [*plain, *by_agent], useless)
    return Candidates(_each_once([*certified, *plain]), tuple(useless), has_remedy)


def _each_once(keys: Sequence[Key]) -> tuple[Key, ...]:
    """Every key at its first place, by the first that can sign with it."""
    found: dict[bytes, Key] = {}
    for key in keys:
        if key.blob not in found or (key.sign and not found[key.blob].sign):
            found[key.blob] = key  # which keeps its place
    return tuple(found.values())


def _of_file(file: KeyFile, by_agent: Sequence[Key]) -> Key:
    """An identity file's key, signed for by its private part or by the agent."""
    private = file.private
    if private is not None:
        return Key(
            str(file.path),
            file.public,
            lambda data, algorithm: private.sign_ssh_data(data, algorithm).asbytes(),
        )
    holder = next((key for key in by_agent if key.blob == file.public), None)
    if holder is not None:
        return Key(f"{file.path}, by the agent", file.public, holder.sign)
    why, remedy = (file.lack.why, file.lack.remedy) if file.lack else ("", "")
    lack = f"{why}, and no agent holds it" + (f"; {remedy}" if remedy else "")
    return Key(str(file.path), file.public, None, lack, remedy)


def _of_agent(agent: Agent, key: AgentKey) -> Key:
    comment = "".join(char for char in key.comment if char.isprintable())[:80]
    return Key(f"agent key {comment!r}", key.blob, lambda data, algorithm: agent.sign(key.blob, data, algorithm))


def _certified(target: Endpoint, keys: Sequence[Key], useless: list[str]) -> list[Key]:
    """A key for every certificate whose private part there is."""
    beside = [path.with_name(f"{path.name}-cert.pub") for path in target.identity_files]
    found = []
    for path in dict.fromkeys([*target.certificate_files, *beside]):
        try:
            certificate, public = read_certificate(path)
        except FileNotFoundError:
            useless += [] if path in beside else [f"{path} does not exist"]
            continue
        except KeyFileError as error:
            useless.append(f"{path} {error}")
            continue
        holder = next((key for key in keys if key.blob == public and key.sign), None)
        if holder is None:
            useless.append(f"{path} is a certificate for a key that neither a file nor an agent gives")
        else:
            found.append(Key(f"{path} with {holder.what}", certificate, holder.sign))
    return found
