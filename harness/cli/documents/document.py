"""What all documents have in common, and how one is printed."""

from __future__ import annotations

from json import dumps
from typing import Annotated

import msgspec
from msgspec import Meta


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """`schema` is raised when a key changes its name, type or unit; new keys do not raise it."""

    schema: Annotated[int, Meta(description="Version of the document: docs/compatibility.md.")] = 1


def text_of(document: object, indent: int | None = 1) -> str:
    """The document as JSON in ASCII; a value that was not measured is null."""
    return dumps(msgspec.to_builtins(document, enc_hook=str), indent=indent)
