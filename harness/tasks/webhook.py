"""Posting to a webhook, whose address is a secret: who knows it can post.

The address comes from the environment and nowhere else. It is not stored, printed or logged, and no error repeats it:
what goes wrong is told in words of this module, never in those of a library.
"""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

from ..errors import CallError
from .notice import FORMATS, Notice

URL, FORMAT = "BNNBENCH_NOTIFY_URL", "BNNBENCH_NOTIFY_FORMAT"
_LOCAL = ("localhost", "127.0.0.1")
_SLACK = "hooks.slack.com"
_TIMEOUT_S = 10.0
_PAUSES_S = (1.0, 4.0)
"""Between attempts."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to post, and as what; `url` is in no text made of it."""

    url: str = field(repr=False)
    format: str

    def told(self, notice: Notice) -> str:
        """Posts a notice, and says in a sentence what became of it."""
        why = self.post(notice)
        return "the verdicts were posted" if why is None else f"warning: the verdicts could not be posted: {why}"

    def post(self, notice: Notice, pause: Callable[[float], None] = time.sleep) -> str | None:
        """Posts a notice; None when it was taken, else why not, in words that do not hold the address.

        It is tried again after a lost connection, a status of 5xx or 429. Never raises.
        """
        try:
            content = FORMATS[self.format](notice)
        except Exception as error:
            return f"its text cannot be made, {type(error).__name__}"
        answer = _Answer()
        for attempt in range(len(_PAUSES_S) + 1):
            if attempt:
                pause(_PAUSES_S[attempt - 1])
            answer = _attempt(self.url, content)
            if answer.why is None or not answer.again:
                break
        times = f", tried {attempt + 1} times" if attempt else ""
        return None if answer.why is None else f"{answer.why}{times}"


def webhook(environment: Mapping[str, str] = os.environ) -> Webhook:
    """The webhook of the environment. Raises CallError, in words that do not hold the address."""
    url, chosen = environment.get(URL, "").strip(), environment.get(FORMAT, "").strip()
    if not url:
        raise CallError(f"--notify needs the address of a webhook: set {URL} in the environment.")
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname or "", parts.username, parts.port
    except ValueError:
        host, user, parts = "", None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise CallError(f"{URL} is not the address of a webhook; write it as https://HOST/PATH.")
    if user is not None:
        raise CallError(f"{URL} holds a user or a password, which is not supported; use a webhook without them.")
    if parts.scheme == "http" and host not in _LOCAL:
        raise CallError(f"{URL} is an http:// address, which everybody on the way can read; use an https:// address.")
    if chosen and chosen not in FORMATS:
        raise CallError(f"{FORMAT} is none of the formats {' and '.join(FORMATS)}; set one of them, or none.")
    return Webhook(url, chosen or ("slack" if host == _SLACK else "json"))


@dataclass(slots=True)
class _Answer:
    """Why a post failed, None when it did not; `again` says whether to try it again."""

    why: str | None = "no answer in time"
    again: bool = True


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the content, and perhaps the address, somewhere else."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        return None


def _attempt(url: str, content: bytes) -> _Answer:
    """One request, in a thread: a server that sends its answer byte by byte is not waited for longer."""
    answer = _Answer()
    thread = threading.Thread(target=_request, args=(url, content, answer), name="notify", daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    return _Answer(answer.why, answer.again)


def _request(url: str, content: bytes, answer: _Answer) -> None:
    headers = {"Content-Type": "application/json", "User-Agent": "bnnbench"}
    try:
        request = urllib.request.Request(url, content, headers, method="POST")  # noqa: S310 - http and https alone
        # An address on this machine is never sent to a proxy; other ones go by the usual variables.
        direct = [urllib.request.ProxyHandler({})] if request.host.partition(":")[0] in _LOCAL else []
        opener = urllib.request.build_opener(_NoRedirect, *direct)
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            status = response.status
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    except Exception as error:
        answer.why, answer.again = _words(error)
        return
    if 300 <= status < 400:
        answer.why, answer.again = f"the server redirects (HTTP {status}), which is not followed", False
    elif not 200 <= status < 300:
        answer.why, answer.again = f"HTTP {status}", status >= 500 or status == 429
    else:
        answer.why, answer.again = None, False


def _words(error: BaseException) -> tuple[str, bool]:
    """What went wrong with a connection, and whether to try again; nothing of the error's own text."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return "its TLS certificate is not valid here", False
    if isinstance(reason, ssl.SSLError):
        return "no TLS connection", True
    if isinstance(reason, TimeoutError):
        return "no answer in time", True
    if isinstance(reason, OSError | http.client.HTTPException):
        return "no connection", True
    return f"an error, {type(reason).__name__}", False
