"""Logging in by keys: one question to the server at a time, and the outcome of each kept."""

from __future__ import annotations

import queue
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any, Final

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_SERVICE_ACCEPT,
    MSG_USERAUTH_BANNER,
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_INFO_REQUEST,
    MSG_USERAUTH_SUCCESS,
    cMSG_SERVICE_REQUEST,
    cMSG_USERAUTH_REQUEST,
)

from bnnbench.devices.errors import AuthError
from bnnbench.devices.transport.endpoint import Endpoint
from bnnbench.devices.transport.ssh_agent import Agent, AgentError
from bnnbench.devices.transport.ssh_key_files import CERTIFICATE
from bnnbench.devices.transport.ssh_keys import Key, candidates
from bnnbench.devices.transport.ssh_packets import BoundedTransport

MSG_USERAUTH_PK_OK: Final = MSG_USERAUTH_INFO_REQUEST  # the same number, in another method
_RSA_ALGORITHMS: Final = ("rsa-sha2-512", "rsa-sha2-256")
_SERVICE: Final = "ssh-userauth"
_LOGIN_S: Final = 120.0
_SAID_MAX: Final = 200
_REFUSED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the server said: `methods` are those it still takes, `is_partial` that the last one was right."""

    kind: int
    methods: tuple[str, ...] = ()
    is_partial: bool = False


class _HungUp(Exception):  # noqa: N818 - names a state
    """The server ended the connection."""


class _Questions(AuthHandler):
    """Asks one question at a time, and never in the thread that reads the connection."""

    def __init__(self, transport: BoundedTransport, timeout_s: float) -> None:
        super().__init__(transport)
        self._answers: queue.SimpleQueue[_Answer | None] = queue.SimpleQueue()
        self._timeout_s, self._deadline = timeout_s, time.monotonic() + _LOGIN_S
        self.banner_text = ""

    def begin(self) -> None:
        """Ask for the service itself."""
        message = paramiko.Message()
        message.add_byte(cMSG_SERVICE_REQUEST)
        message.add_string(_SERVICE)
        self._ask(message)

    def ask(self, user: str, method: str, *parts: bytes | str | bool) -> _Answer:
        """Request a login. Raises _HungUp and TimeoutError."""
        return self._ask(_request(paramiko.Message(), user, method, *parts))

    def to_sign(self, user: str, *parts: bytes | str | bool) -> bytes:
        """What a key signs to log in."""
        message = paramiko.Message()
        message.add_string(self.transport.session_id or b"")
        return _request(message, user, "publickey", *parts).asbytes()

    def abort(self) -> None:
        """Called when the connection has ended."""
        self._answers.put(None)

    def _ask(self, message: paramiko.Message) -> _Answer:
        if not self.transport.is_active():
            raise _HungUp
        self.transport._send_message(message)  # type: ignore[attr-defined]
        try:
            left_s = self._deadline - time.monotonic()
            answer = self._answers.get(timeout=max(0.0, min(self._timeout_s, left_s)))
        except queue.Empty:
            raise TimeoutError from None
        if answer is None:
            raise _HungUp
        return answer

    @property
    def _client_handler_table(self) -> dict[int, Any]:
        return {
            MSG_SERVICE_ACCEPT: lambda message: self._answers.put(_Answer(MSG_SERVICE_ACCEPT)),
            MSG_USERAUTH_PK_OK: lambda message: self._answers.put(_Answer(MSG_USERAUTH_PK_OK)),
            MSG_USERAUTH_FAILURE: self._refused,
            MSG_USERAUTH_SUCCESS: self._accepted,
            MSG_USERAUTH_BANNER: self._keep_banner,
        }

    def _refused(self, message: paramiko.Message) -> None:
        methods = tuple(item for item in message.get_list() if item)
        self._answers.put(_Answer(MSG_USERAUTH_FAILURE, methods, message.get_boolean()))

    def _accepted(self, _: paramiko.Message) -> None:
        self.authenticated = True
        self.transport._auth_trigger()  # type: ignore[attr-defined]
        self._answers.put(_Answer(MSG_USERAUTH_SUCCESS))

    def _keep_banner(self, message: paramiko.Message) -> None:
        self.banner_text = message.get_string().decode(errors="replace")


def log_in(transport: BoundedTransport, target: Endpoint, timeout_s: float) -> None:
    """Log in with the first key that the server takes. Raises AuthError with every key's outcome, and TimeoutError."""
    questions = _Questions(transport, timeout_s)
    transport.auth_handler = questions
    try:
        questions.begin()
        answer = questions.ask(target.user, "none")
    except _HungUp:
        raise AuthError(f"{target.title} ended the login before any key was offered{_reason(transport)}.") from None
    if answer.kind == MSG_USERAUTH_SUCCESS:
        return
    if "publickey" not in answer.methods:
        raise AuthError(_without_keys(target, answer.methods))
    if not target.is_key_taken:
        raise AuthError(f"PubkeyAuthentication is off for {target.title}; allow it in ~/.ssh/config.")
    with ExitStack() as stack:
        outcomes = _Outcomes()
        agent, held = None, []
        if target.agent is not None:
            try:
                agent = stack.enter_context(closing(Agent(target.agent)))
                held = agent.keys()
                if not held:
                    outcomes.notes.append(f"the agent at {target.agent} answered and holds no keys, or is locked")
            except AgentError as error:
                outcomes.notes.append(str(error))
        found = candidates(target, agent, held)
        outcomes.notes += found.useless
        outcomes.has_remedy = found.has_remedy and not found.keys
        if not _Attempt(transport, target, questions, outcomes).succeeds(iter(found.keys), len(found.keys)):
            message = " ".join("".join(char if char.isprintable() else " " for char in questions.banner_text).split())
            raise AuthError(_refusal(target, outcomes, bool(found.keys), message[:_SAID_MAX]))


@dataclass(slots=True)
class _Outcomes:
    """What became of each file and key. `taken` were right and not enough; `has_remedy`: one says what to do."""

    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    taken: int = 0
    has_remedy: bool = False

    def text(self) -> str:
        """All of them; of many refused keys the first ones."""
        more = len(self.refused) - _REFUSED_MAX
        return "; ".join([*self.notes, *self.refused[:_REFUSED_MAX], *([f"and {more} more"] if more > 0 else [])])


class _Attempt:
    """Offers keys in turn, and notes what became of each."""

    def __init__(
        self, transport: BoundedTransport, target: Endpoint, questions: _Questions, outcomes: _Outcomes
    ) -> None:
        self._transport = transport
        self._target = target
        self._questions = questions
        self._outcomes = outcomes

    def succeeds(self, keys: Iterator[Key], count: int) -> bool:
        """Whether one of them, or several where the server wants so, logged in. Raises AuthError and TimeoutError."""
        for number, key in enumerate(keys, 1):
            algorithm = self._algorithm(key)
            if algorithm is None:
                self._outcomes.notes.append(f"{key.title}: neither side's algorithms take keys of its type")
                continue
            try:
                answer = self._offer(key, algorithm)
            except _HungUp:
                rest = f", and {count - number} more were not tried" if count > number else ""
                raise AuthError(self._hung_up(key, number, rest)) from None
            if answer.kind == MSG_USERAUTH_SUCCESS:
                return True
            if answer.is_partial:
                self._outcomes.taken += 1
                self._outcomes.notes.append(f"{key.title}: taken, but it is not enough")
                if "publickey" not in answer.methods:
                    besides = " or ".join(answer.methods) or "what it does not name"
                    raise AuthError(
                        f"{self._target.title} took your key and asks for {besides} besides "
                        f"({key.title}), and bnnbench stores no password: let a key be enough there "
                        "(AuthenticationMethods publickey in its sshd_config)."
                    )
        return False

    def _offer(self, key: Key, algorithm: str) -> _Answer:
        user, outcomes = self._target.user, self._outcomes
        answer = self._questions.ask(user, "publickey", False, algorithm, key.blob)
        if answer.kind != MSG_USERAUTH_PK_OK:
            lack = f"; its file {key.lack}" if key.lack else ""
            outcomes.refused.append(f"{key.title}: refused by the server{lack}")
            return answer
        if key.sign is None:
            outcomes.notes.append(f"{key.title}: the server takes it, but it {key.lack}")
            outcomes.has_remedy = outcomes.has_remedy or bool(key.remedy)
            return answer
        try:
            data = self._questions.to_sign(user, True, algorithm, key.blob)
            signature = key.sign(data, algorithm.removesuffix(CERTIFICATE))
        except (AgentError, paramiko.SSHException, ValueError) as error:
            outcomes.notes.append(f"{key.title}: the server takes it, but there is no signature: {error}")
            return answer
        answer = self._questions.ask(user, "publickey", True, algorithm, key.blob, signature)
        if answer.kind == MSG_USERAUTH_FAILURE and not answer.is_partial:
            outcomes.notes.append(f"{key.title}: the server took the key and refused its signature")
        return answer

    def _algorithm(self, key: Key) -> str | None:
        """The name under which a key is offered; None when a side takes none of its names."""
        suffix = CERTIFICATE if key.type.endswith(CERTIFICATE) else ""
        allowed = self._target.algorithms.public_keys
        theirs = self._transport.server_extensions.get("server-sig-algs", b"").decode("latin-1").split(",")
        for name in _RSA_ALGORITHMS if key.type.startswith("ssh-rsa") else [key.type.removesuffix(suffix)]:
            is_theirs = theirs == [""] or name not in _RSA_ALGORITHMS or name in theirs
            if is_theirs and (allowed is None or name + suffix in allowed):
                return name + suffix
        return None

    def _hung_up(self, key: Key, number: int, rest: str) -> str:
        tried = self._outcomes.text()
        return (
            f"{self._target.title} hung up at key {number}, {key.title}{_reason(self._transport)}{rest}"
            f"{f' ({tried})' if tried else ''}: offer fewer keys, with identity_file= in its inventory entry or "
            "IdentitiesOnly in ~/.ssh/config, or raise MaxAuthTries there."
        )


def _request(message: paramiko.Message, user: str, method: str, *parts: bytes | str | bool) -> paramiko.Message:
    message.add_byte(cMSG_USERAUTH_REQUEST)
    for part in (user, "ssh-connection", method, *parts):
        if part is True or part is False:
            message.add_boolean(part)
        else:
            message.add_string(part)
    return message


def _reason(transport: BoundedTransport) -> str:
    return f" ({transport.farewell})" if transport.farewell else ""


def _without_keys(target: Endpoint, methods: tuple[str, ...]) -> str:
    if not methods:
        return (
            f"{target.title} offers this user no way to log in, not even by key: allow PubkeyAuthentication and "
            "AuthenticationMethods publickey in its sshd_config."
        )
    return (
        f"{target.title} takes only {' or '.join(methods)}, and bnnbench logs in by key and stores no password: "
        f"install a key with `{_copy(target)}` and allow PubkeyAuthentication in its sshd_config."
    )


def _refusal(target: Endpoint, outcomes: _Outcomes, has_keys: bool, said: str) -> str:
    advice = f"; set identity_file=, run `ssh-add`, or install a key with `{_copy(target)}`"
    if outcomes.taken:
        wanted = "two keys" if outcomes.taken == 1 else f"more than {outcomes.taken} keys"
        what = f"{target.title} asks for {wanted}, and you have no other that it takes"
        advice = "; let one be enough there (AuthenticationMethods publickey in its sshd_config), or install another"
    elif outcomes.refused:
        what = f"{target.title} refused your keys"
    elif has_keys:
        what = f"No key of yours logs in to {target.title}"
    else:
        what = f"There is no key to offer to {target.title}"
        advice += ", and name it with `bnnbench devices add --identity-file PATH`"
    each = f": {text}" if (text := outcomes.text()) else ""
    banner = f" (it says: {said})" if said else ""
    return f"{what}{each}{banner}{'' if outcomes.has_remedy else advice}."


def _copy(target: Endpoint) -> str:
    at = f"-p {target.port} " if target.port != 22 else ""
    return f"ssh-copy-id {at}{shlex.quote(f'{target.user}@{target.host}')}"
