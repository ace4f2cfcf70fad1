"""What a device's answer says went wrong."""

from __future__ import annotations

from bnnbench.devices.transport.marks import quoted
from bnnbench.devices.transport.protocol import Completed, Transport

_WORD = b"does this come back"


def reason_of(done: Completed) -> str:
    """Why a command that ended did not do its work, for a sentence: its first error, else what it printed instead."""
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    if lines:
        return lines[0].rstrip(".")
    message = quoted(done.stdout)
    return message if done.status == 0 else f"{message}, with status {done.status}"


def takes_input_away(transport: Transport) -> bool:
    """Whether commands over there get none of the input that they are sent, by trying."""
    return _WORD not in transport.run(["cat"], input=_WORD).stdout


def no_input(transport: Transport) -> str:
    """The sentence for a device that `takes_input_away`."""
    return (
        f"device {transport.spec.name!r} gives commands no input: its login shell takes away the input "
        "(`exec < /dev/null` in a file that it reads?); remove that there."
    )
