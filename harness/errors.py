"""What can be wrong with a call, a suite or a run; each message is one sentence, each class an exit status."""

from __future__ import annotations


class HarnessError(Exception):
    """Base: `exit_status` is what the command ends with."""

    exit_status = 2


class SuiteError(HarnessError):
    """The suite, or a file it names, is wrong."""


class CallError(HarnessError):
    """The command line is wrong."""


class CannotMeasure(HarnessError):  # noqa: N818 - names a state
    """Nothing, or not everything, could be measured."""

    exit_status = 3
