"""Reading files of a store, which may come from anywhere: only regular files, and JSON that is damaged or hostile is
refused with a sentence."""

import errno
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T")


NOT_UTF8 = "it is not UTF-8 text: save it as UTF-8"


class UnreadableError(ValueError):
    """Bytes that are not what they should be; the message says why."""


def read_regular(path: Path) -> bytes:
    """The content of a regular file. Raises OSError, also for a pipe, a device or a folder, on which one could wait
    for ever."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        return file.read()


def text_of(data: bytes) -> str:
    """The text of a file that people write by hand: UTF-8, with a byte order mark or without.

    Raises UnreadableError, for example for UTF-16.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError(NOT_UTF8) from None
    if "\0" in text:
        # Every other byte of UTF-16 text in Latin letters is one.
        raise UnreadableError(NOT_UTF8 if text.count("\0") > len(text) // 4 else "it holds a NUL byte: take it out")
    return text


def decoded(data: bytes, decoder: "msgspec.json.Decoder[T]") -> T:
    """What JSON says. Raises UnreadableError."""
    try:
        return decoder.decode(data)
    except RecursionError:
        raise UnreadableError("it is nested too deeply") from None
    except UnicodeDecodeError:
        raise UnreadableError("it is not UTF-8") from None
    except msgspec.DecodeError as error:
        raise UnreadableError(str(error)) from error
