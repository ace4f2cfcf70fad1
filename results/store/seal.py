"""Checksums of what a store holds: a flipped bit, a lost line or a doubled one is noticed, and said.

A line of a journal ends in its number and a checksum of all that is before it, and is still one JSON object:

    {"type":"gate", ... ,"seq":3,"sum":"0123456789abcdef"}

A document such as `run.json` says at its beginning that it has a checksum, and at its end which: no damage to one place
can make it look like a document of before, which has none.
"""

import hashlib
import re

_LINE = re.compile(rb',"seq":([1-9][0-9]{0,15}),"sum":"([0-9a-f]{16})"\}\Z')
_HEAD = b'{\n "sealed": true,\n'
_TAIL = re.compile(rb',\n "sum": "([0-9a-f]{16})"\n\}\n\Z')


def seal_line(line: bytes, number: int) -> bytes:
    """A JSON object with at least one field, without its newline, as the line `number` of a journal."""
    body = line[:-1] + b',"seq":%d' % number
    return body + b',"sum":"' + _sum(body) + b'"}'


def number_of(line: bytes) -> int | None:
    """The number of a sealed line; None when it has no checksum, or a wrong one."""
    found = _LINE.search(line)
    if found is None or _sum(line[: found.end(1)]) != found[2]:
        return None
    return int(found[1])


def looks_sealed(line: bytes) -> bool:
    """Whether a line was sealed once, whatever became of one part of it."""
    return b'"seq":' in line[-64:] or b'"sum":"' in line[-64:]


def seal_document(text: bytes) -> bytes:
    """A JSON object in lines, as `msgspec.json.format(..., indent=1)` makes it, with its checksum."""
    body = _HEAD + text.removeprefix(b"{\n").removesuffix(b"\n").removesuffix(b"\n}")
    return body + b',\n "sum": "' + _sum(body) + b'"\n}\n'


def is_whole(document: bytes) -> bool:
    """Whether its checksum is right, or it is of before and has none."""
    found = _TAIL.search(document)
    if found is None:
        return not document.startswith(_HEAD)
    return document.startswith(_HEAD) and _sum(document[: found.start()]) == found[1]


def is_sealed(document: bytes) -> bool:
    """Whether it has a checksum at all."""
    return document.startswith(_HEAD) or _TAIL.search(document) is not None


def _sum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest()[:16].encode()
