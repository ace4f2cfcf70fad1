"""What can be wrong with a call, a suite or a run; each message is one sentence.

`cli/failure.py` gives each class its exit status.
"""

from __future__ import annotations


class HarnessError(Exception):
    """Base."""


class SuiteError(HarnessError):
    """The suite, or a file it names, is wrong."""


class CallError(HarnessError):
    """The command line is wrong."""


class CannotMeasure(HarnessError):  # noqa: N818 - names a state
    """Nothing, or not everything, could be measured."""
