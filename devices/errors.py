"""What can go wrong with a device. Each error is one sentence for a person: what, where, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_OURS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
_LONGEST: Final = 300


class DeviceError(Exception):
    """A device could not be reached, understood or used."""

    def __init__(self, sentence: str) -> None:
        super().__init__(
            sentence[:1].upper() + sentence[1:] if sentence.startswith(("device ", "jump host ")) else sentence
        )


class InventoryError(DeviceError):
    """The inventory, a device address or a `cores` choice is wrong: the user's text has to change."""


class HostKeyError(DeviceError):
    """The device's host key is unknown or has changed; the sentence says how to accept it."""


class AuthError(DeviceError):
    """The device refused the user's keys."""


class Unreachable(DeviceError):  # noqa: N818 - names a state
    """Nothing answered at the device's address."""


class DeviceLost(DeviceError):  # noqa: N818 - names a state
    """The connection died while a command ran or a process lived: its result is unknown."""


class DeviceUnfit(DeviceLost):
    """The device was lost for good, or again and again: it needs a person before it is measured again."""


class DeviceQuarantined(DeviceError):  # noqa: N818 - names a state
    """The device is quarantined; the sentence says why, since when, and how to release it."""


class DeviceFull(DeviceError):  # noqa: N818 - names a state
    """The device has no space left for a file."""


class DeviceBusy(DeviceError):  # noqa: N818 - names a state
    """Another benchmark holds the machine's lock; the sentence says who and since when.

    `holder` is the text that its holder gave of itself (`engine lock --holder TEXT`), whole. Where it cannot be asked
    it is what the lock says instead, like `process 123 on this machine`.
    """

    def __init__(self, sentence: str, holder: str = "") -> None:
        super().__init__(sentence)
        self.holder = holder


class CommandFailed(DeviceError):  # noqa: N818 - names a state
    """A command on the device failed, could not be started, or answered something unexpected."""


class TooMuchOutput(CommandFailed):
    """A command on the device, or a file there, gave more bytes than are allowed."""


class CommandTimeout(CommandFailed):
    """A command on a device that still answers was not done at its deadline."""


def is_out_of_something(error: Exception) -> bool:
    """Whether this machine lacks memory, disk or files, which is no device's trouble."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _OURS)


@contextmanager
def told_as(kind: type[DeviceError], what: str) -> Iterator[None]:
    """Turns whatever is raised inside into an error of this kind about one device; `what` begins the sentence.

    Sentences that are errors of devices already, and this machine being out of something, stay what they are.
    """
    try:
        yield
    except DeviceError:
        raise
    except Exception as error:
        if is_out_of_something(error):
            raise
        message = " ".join(str(error).split())[:_LONGEST]
        raise kind(f"{what}: {message or 'no reason given'} ({type(error).__name__}).") from error
