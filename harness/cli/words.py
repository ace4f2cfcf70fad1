"""Words of the command line that several commands take: thread counts, patterns, lengths of time."""

from __future__ import annotations

import re

from ..errors import CallError

_UNITS_NS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
_UNITS_S = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def thread_counts(text: str | None) -> list[int] | None:
    """`1,4`. Raises CallError."""
    if text is None:
        return None
    words = text.split(",")
    if not all(re.fullmatch(r"[1-9][0-9]{0,3}", word) for word in words):
        raise CallError(f"--threads {text!r} is not a list of thread counts; write it as 1,4.")
    return [int(word) for word in words]


def pattern(text: str | None) -> str | None:
    """A regular expression, unchanged. Raises CallError."""
    if text is not None:
        try:
            re.compile(text)
        except re.error as error:
            raise CallError(f"--filter {text!r} is not a regular expression: {error}.") from None
    return text


def seconds(text: str | None) -> float | None:
    """`90s`, `5min`, `1.5h`. Raises CallError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?) ?([a-z]+)", text.strip())
    if not match or match[2] not in _UNITS_S or not float(match[1]):
        raise CallError(f"{text!r} is not a length of time; write it as 90s, 5min or 1h.")
    return float(match[1]) * _UNITS_S[match[2]]


def nanoseconds(text: str | None) -> float | None:
    """`33ms`, `500us`. Raises CallError."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?) ?([a-zµ]+)", text.strip())
    if not match or match[2] not in _UNITS_NS or not 0 < float(match[1]) * _UNITS_NS[match[2]] <= 3.6e12:
        raise CallError(f"--deadline {text!r} is not a time of an execution; write it as 33ms, 500us or 1s.")
    return float(match[1]) * _UNITS_NS[match[2]]


def share(text: str, option: str) -> float:
    """`20%` or `0.2`. Raises CallError."""
    match = re.fullmatch(r"([0-9]+(?:[.][0-9]+)?) ?(%?)", text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise CallError(f"{option} {text!r} is not a share; write it as 20%.")
    return value
