"""The exceptions of the Python interface: with the sentences of the command line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Error(Exception):
    """An error with a message of one sentence: what is wrong, where, and what to do.

    The original error is its `__cause__`. Bugs of bnnbench raise other exceptions.
    """


class CallError(Error, ValueError):
    """Usage error in an argument, a suite, a model, an inventory or a store (status 2 of the command line)."""


class MeasureError(Error, RuntimeError):
    """Not measured: a device, a build or an engine failed (status 3 of the command line)."""


def plain(error: Exception) -> Exception:
    """The error as this interface raises it; one of the program itself as it is."""
    from ..cli.failure import expected

    found = None if isinstance(error, Error) else expected(error)
    if found is None:
        return error
    sentence, status = found
    return (CallError if status == 2 else MeasureError)(sentence)


def raises_sentences(function: Callable[P, T]) -> Callable[P, T]:
    """A function of this interface: its errors are those of this module."""

    @wraps(function)
    def called(*arguments: P.args, **options: P.kwargs) -> T:
        try:
            return function(*arguments, **options)
        except Exception as error:
            message = plain(error)
            if message is error:
                raise
            raise message from error

    return called
